"""The function page: one function's charts and its invocations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    and_,
    bindparam,
    exists,
    func,
    select,
    tuple_,
)

from collector.domain.facts import Initialization, IssueKind, Result
from collector.domain.histogram import percentile_ms
from collector.domain.ids import span_bytes, span_number
from collector.store.queries import cursor as cursors
from collector.store.queries.common import FunctionRef, IssueLabel, Point, ServiceCount, Tag, TimeRange
from collector.store.queries.costs import CostPart, calls_by_service
from collector.store.queries.functions import CALLS_COST, known_cost
from collector.store.queries.lookups import labels, ran_ns, read_services, searchable, starts_with, storable
from collector.store.queries.tags import tagged, tags_of
from collector.store.queries.windows import Buckets, chart_buckets, grouped, nanoseconds, rollup, slices
from collector.store.tables import (
    function_durations,
    function_stats,
    functions,
    invocation_tags,
    invocations,
    issue_occurrences,
    issue_stats,
    issues,
    memberships,
)

MOST_PER_PAGE = 500
MOST_ISSUES = 100  # choices of the filter

_SUMS = (
    "invocations",
    "errors",
    "cold_starts",
    "duration_us",
    "cost_pd",
    "unpriced",
    *CALLS_COST,
    "handled",
    "throttles",
)


@dataclass(frozen=True, slots=True)
class FunctionDetail:
    """Header and charts. Each chart has the same buckets, a round number of minutes or hours, 30 to 90 of them."""

    function: FunctionRef
    arn: str | None
    runtime: str | None
    architecture: str | None
    memory_mb: int | None
    timeout_ms: int | None
    invocations_total: int
    errors_total: int
    cold_starts_total: int
    cost_total_pd: int | None  # of its invocations, without their calls
    average_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_memory_mb: int | None
    bucket_s: int
    invocations: tuple[Point, ...]
    errors: tuple[Point, ...]
    cold_starts: tuple[Point, ...]
    average: tuple[Point, ...]  # ms; NaN where nothing ran
    p95: tuple[Point, ...]  # ms; NaN where nothing ran
    cost: tuple[Point, ...]  # picodollars
    issues: tuple[IssueLabel, ...]  # seen within the window, for the filter
    calls_cost_pd: int = 0  # of those of their calls that have a price
    unpriced_calls: int = 0
    calls_by_service: tuple[CostPart, ...] = ()
    handled_total: int = 0  # invocations that dealt with an error, and did not fail
    handled: tuple[Point, ...] = ()
    refused: int = 0  # times that others would have invoked it and Lambda refused, as far as they told
    throttled_calls: int = 0  # its own calls that AWS refused because they were too many
    unpriced: int = 0  # of its invocations, those whose cost is unknown


@dataclass(frozen=True, slots=True)
class InvocationRow:
    started_ns: int
    span_id: int
    trace_id: bytes
    transaction_ids: tuple[bytes, ...]  # usually one; empty until stitched
    request_id: str | None
    result: Result
    finished: bool
    duration_ns: int
    cold_start: bool
    init_ns: int | None
    max_memory_mb: int | None
    cost_pd: int | None
    trigger: str
    services: tuple[ServiceCount, ...]
    issues: tuple[IssueLabel, ...]
    initialization: Initialization | None = None  # on an environment's first invocation
    restore_ns: int | None = None
    reported: bool = False  # by the platform: what was billed is known, no estimate
    batch_size: int | None = None
    batch_failed: int | None = None  # records that it gave back
    tags: tuple[Tag, ...] = ()
    calls_cost_pd: int = 0  # of those of its calls that have a price
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class InvocationPage:
    rows: tuple[InvocationRow, ...]
    next: str | None  # cursor of the next (older) page


def get_function(connection: Connection, function_id: int, window: TimeRange) -> FunctionDetail | None:
    """None: no such function."""
    if not storable(function_id):
        return None
    row = connection.execute(select(functions).where(functions.c.id == function_id)).one_or_none()
    if row is None:
        return None
    buckets = chart_buckets(window)
    sums, max_memory_mb = _sums(connection, function_id, window, buckets)
    histograms = _histograms(connection, function_id, window, buckets)
    count, errors, cold_starts, duration_us, cost_pd, unpriced, calls_cost_pd, unpriced_calls, handled, throttles = (
        sum(values[index] for values in sums.values()) for index in range(len(_SUMS))
    )
    found, refused = _issues(connection, function_id, window)
    whole = [pair for histogram in histograms.values() for pair in histogram]
    averages = {bar: values[3] / values[0] / 1e3 for bar, values in sums.items() if values[0]}
    p95s = {bar: percentile_ms(histogram, 0.95) for bar, histogram in histograms.items()}
    return FunctionDetail(
        function=FunctionRef(row.id, row.kind, row.account, row.region, row.name),
        arn=_arn(row),
        runtime=row.runtime,
        architecture=row.architecture,
        memory_mb=row.memory_mb,
        timeout_ms=row.timeout_ms,
        invocations_total=count,
        errors_total=errors,
        cold_starts_total=cold_starts,
        cost_total_pd=known_cost(row.kind, count, cost_pd, unpriced),
        average_ms=duration_us / count / 1e3 if count else None,
        p50_ms=percentile_ms(whole, 0.5),
        p95_ms=percentile_ms(whole, 0.95),
        p99_ms=percentile_ms(whole, 0.99),
        max_memory_mb=max_memory_mb or None,
        bucket_s=buckets.width_s,
        invocations=buckets.points({bar: values[0] for bar, values in sums.items()}),
        errors=buckets.points({bar: values[1] for bar, values in sums.items()}),
        cold_starts=buckets.points({bar: values[2] for bar, values in sums.items()}),
        average=buckets.points(averages, nan),
        p95=buckets.points({bar: value for bar, value in p95s.items() if value is not None}, nan),
        cost=buckets.points({bar: values[4] + values[6] for bar, values in sums.items()}),
        calls_cost_pd=calls_cost_pd,
        unpriced_calls=unpriced_calls,
        calls_by_service=calls_by_service(connection, function_id, window),
        issues=found,
        handled_total=handled,
        handled=buckets.points({bar: values[8] for bar, values in sums.items()}),
        refused=refused,
        throttled_calls=throttles,
        unpriced=unpriced,
    )


def list_invocations(
    connection: Connection,
    function_id: int,
    window: TimeRange,
    *,
    issue_id: int | None = None,
    result: Result | None = None,
    cold_only: bool = False,
    search: str = "",
    tag: Tag | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> InvocationPage:
    """Newest first. `search` is the start of a request id. A malformed cursor is ignored. At most 500 rows."""
    if not storable(function_id) or not storable(issue_id):
        return InvocationPage((), None)
    limit = min(max(limit, 1), MOST_PER_PAGE)
    # The rows come from the issue's occurrences or from the function's invocations: whichever of the two it is, time
    # and order are asked of that table's own index, so that the page reads no more than its rows.
    times = invocations.c if issue_id is None else issue_occurrences.c
    source: FromClause = invocations
    where: list[ColumnElement[bool]] = [invocations.c.function_id == function_id, *_between(times, window)]
    if issue_id is not None:
        source = issue_occurrences.join(invocations, _same_span(issue_occurrences.c, invocations.c))
        where.append(issue_occurrences.c.issue_id == issue_id)
    elif tag is not None:
        # Tags are asked for by time as well, and are mostly the rarer.
        times = invocation_tags.c
        source = invocation_tags.join(invocations, _same_span(invocation_tags.c, invocations.c))
        where = [invocation_tags.c.function_id == function_id, *tagged(tag), *_between(times, window)]
    if tag is not None and issue_id is not None:
        where.append(exists().where(_same_span(invocation_tags.c, invocations.c), *tagged(tag)).correlate(invocations))
    if result is not None:
        where.append(invocations.c.result == result)
    if cold_only:
        where.append(invocations.c.cold_start.is_(True))
    if wanted := searchable(search):
        where.append(starts_with(invocations.c.request_id, wanted))
    if after := cursors.decode(cursor, 8):
        started_ns, tail = after
        where.append(tuple_(times.started_ns, times.span_id) < _pair(started_ns, span_number(tail)))
    statement = (
        select(invocations)
        .select_from(source)
        .where(*where)
        .order_by(times.started_ns.desc(), times.span_id.desc())
        .limit(limit + 1)
    )
    found = connection.execute(statement).all()
    last = found[limit - 1] if len(found) > limit else None
    return InvocationPage(
        rows=_described(connection, found[:limit]),
        next=cursors.encode(last.started_ns, span_bytes(last.span_id)) if last else None,
    )


def _sums(
    connection: Connection, function_id: int, window: TimeRange, buckets: Buckets
) -> tuple[dict[int, tuple[int, ...]], int]:
    stats = function_stats.c
    rows = rollup(
        function_stats,
        slices(window, finest_s=buckets.width_s),
        [buckets.number(stats.start_s).label("bar"), stats.max_memory_mb, *(stats[name] for name in _SUMS)],
        stats.function_id == function_id,
    )
    statement = grouped(rows, [rows.c.bar], *_SUMS).add_columns(func.max(rows.c.max_memory_mb))
    found = connection.execute(statement).all()
    return {row[0]: tuple(row[1:-1]) for row in found}, max((row[-1] for row in found), default=0)


def _histograms(
    connection: Connection, function_id: int, window: TimeRange, buckets: Buckets
) -> dict[int, list[tuple[int, int]]]:
    durations = function_durations.c
    rows = rollup(
        function_durations,
        slices(window, finest_s=buckets.width_s),
        [buckets.number(durations.start_s).label("bar"), durations.bucket, durations.count],
        durations.function_id == function_id,
    )
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for bar, bucket, count in connection.execute(grouped(rows, [rows.c.bar, rows.c.bucket], "count")):
        found[bar].append((bucket, count))
    return found


def _issues(connection: Connection, function_id: int, window: TimeRange) -> tuple[tuple[IssueLabel, ...], int]:
    """Those seen within the window; the most frequent, where there are very many. And how often it was refused."""
    stats = issue_stats.c
    rows = rollup(
        issue_stats,
        slices(window),
        [stats.issue_id, stats.occurrences],
        stats.issue_id.in_(select(issues.c.id).where(issues.c.function_id == function_id)),
    )
    seen = grouped(rows, [rows.c.issue_id], "occurrences").subquery()
    statement = (
        select(issues.c.id, issues.c.type, issues.c.kind, seen.c.occurrences)
        .join(seen, seen.c.issue_id == issues.c.id)
        .where(seen.c.occurrences > 0)
        .order_by(seen.c.occurrences.desc(), issues.c.id)
        .limit(MOST_ISSUES)
    )
    found = connection.execute(statement).all()
    refused = sum(row.occurrences for row in found if row.kind == IssueKind.THROTTLED)
    return labels((row.id, row.type, row.kind) for row in found), refused


def _described(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[InvocationRow, ...]:
    """Rows of `invocations` with what other tables know of them, in one statement for each of those."""
    traces = {row.trace_id for row in rows}
    transactions: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for trace_id, transaction_id in connection.execute(
        select(memberships.c.trace_id, memberships.c.transaction_id)
        .where(memberships.c.trace_id.in_(traces))
        .order_by(memberships.c.transaction_id)
    ):
        transactions[trace_id].append(transaction_id)
    occurred: defaultdict[tuple[int, int], list[tuple[int, str, int]]] = defaultdict(list)
    for started_ns, span_id, id, type, kind in connection.execute(
        select(issue_occurrences.c.started_ns, issue_occurrences.c.span_id, issues.c.id, issues.c.type, issues.c.kind)
        .join(issues, issues.c.id == issue_occurrences.c.issue_id)
        .where(issue_occurrences.c.trace_id.in_(traces))
    ):
        occurred[started_ns, span_id].append((id, type, kind))
    tags = tags_of(connection, [(row.started_ns, row.span_id) for row in rows])
    return tuple(
        InvocationRow(
            started_ns=row.started_ns,
            span_id=row.span_id,
            trace_id=row.trace_id,
            transaction_ids=tuple(transactions[row.trace_id]),
            request_id=row.request_id,
            result=Result(row.result),
            finished=row.finished,
            duration_ns=ran_ns(row),
            cold_start=row.cold_start,
            init_ns=row.init_ns,
            max_memory_mb=row.max_memory_mb,
            cost_pd=row.cost_pd,
            trigger=row.trigger,
            services=read_services(row.services),
            issues=labels(occurred[row.started_ns, row.span_id]),
            initialization=Initialization(row.initialization) if row.initialization is not None else None,
            restore_ns=row.restore_ns,
            reported=row.reported_ns is not None,
            batch_size=row.batch_size,
            batch_failed=row.batch_failed,
            tags=tags.get((row.started_ns, row.span_id), ()),
            calls_cost_pd=row.calls_cost_pd,
            unpriced_calls=row.unpriced_calls,
        )
        for row in rows
    )


def _between(columns: Any, window: TimeRange) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    start_ns, end_ns = nanoseconds(window)
    return columns.started_ns >= start_ns, columns.started_ns < end_ns


def _same_span(left: Any, right: Any) -> ColumnElement[bool]:
    return and_(left.started_ns == right.started_ns, left.span_id == right.span_id)


def _pair(started_ns: int, span_id: int) -> ColumnElement[Any]:
    return tuple_(bindparam(None, started_ns, type_=BigInteger), bindparam(None, span_id, type_=BigInteger))


def _arn(row: Row[*tuple[Any, ...]]) -> str | None:
    if row.kind != "lambda" or not row.account or not row.region:
        return None
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(row.region.rpartition("-")[0].rpartition("-")[0], "aws")
    return f"arn:{partition}:lambda:{row.region}:{row.account}:function:{row.name}"
