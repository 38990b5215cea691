"""The Transactions page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, LargeBinary, Row, bindparam, case, func, select, tuple_

from collector.domain.facts import FAILED, Result
from collector.store.queries import cursor as cursors
from collector.store.queries.common import FunctionRef, IssueLabel, Point, ResourceRef, ServiceCount, Tag, TimeRange
from collector.store.queries.lookups import (
    functions_by_id,
    labels,
    read_services,
    resources_by_id,
    unknown_function,
)
from collector.store.queries.transaction_filter import Outcome, TransactionFilter, with_issues
from collector.store.queries.windows import NS, chart_buckets, total
from collector.store.tables import invocations, issue_occurrences, issues, memberships, transactions

__all__ = [
    "Outcome",
    "TransactionPage",
    "TransactionRow",
    "TransactionSummary",
    "list_transactions",
    "summarize_transactions",
]

MOST_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class TransactionRow:
    id: bytes
    started_ns: int
    duration_ns: int  # first start to last end, asynchronous tail included
    entry: FunctionRef
    trigger: str
    trigger_resource: ResourceRef | None
    functions: tuple[FunctionRef, ...]  # all functions in it, entry first
    services: tuple[ServiceCount, ...]
    result: Result
    invocations: int
    failed_invocations: int
    cold_starts: int
    cost_pd: int | None
    issues: tuple[IssueLabel, ...]
    running_invocations: int = 0  # that have not ended yet
    calls_cost_pd: int = 0  # of those of its calls that have a price
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class TransactionPage:
    rows: tuple[TransactionRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class TransactionSummary:
    """The head of the page, over the same filter."""

    total: int
    failed: int
    with_issues: int
    bucket_s: int
    started: tuple[Point, ...]
    with_issues_trend: tuple[Point, ...]


def list_transactions(
    connection: Connection,
    window: TimeRange,
    *,
    function_id: int | None = None,
    resource_id: int | None = None,
    issue_id: int | None = None,
    outcome: Outcome = Outcome.ANY,
    search: str = "",
    tag: Tag | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> TransactionPage:
    """Newest first. At most 500 rows.

    `function_id` and `issue_id` match any invocation of the transaction, not only its entry; `resource_id` any call
    or trigger. `search` matches the start of a transaction, trace or request id (four characters or more), or
    a part of the name of a function, service or trigger in it.
    """
    limit = min(max(limit, 1), MOST_PER_PAGE)
    where = TransactionFilter(window, function_id, resource_id, issue_id, outcome, search, tag).conditions(connection)
    if where is None:
        return TransactionPage((), None)
    if after := cursors.decode(cursor, 16):
        started_ns, id = after
        last = tuple_(bindparam(None, started_ns, type_=BigInteger), bindparam(None, id, type_=LargeBinary))
        where.append(tuple_(transactions.c.started_ns, transactions.c.id) < last)
    statement = (
        select(transactions)
        .where(*where)
        .order_by(transactions.c.started_ns.desc(), transactions.c.id.desc())
        .limit(limit + 1)
    )
    found = connection.execute(statement).all()
    return TransactionPage(
        rows=_described(connection, found[:limit]),
        next=cursors.encode(found[limit - 1].started_ns, found[limit - 1].id) if len(found) > limit else None,
    )


def summarize_transactions(
    connection: Connection,
    window: TimeRange,
    *,
    function_id: int | None = None,
    resource_id: int | None = None,
    issue_id: int | None = None,
    outcome: Outcome = Outcome.ANY,
    search: str = "",
    tag: Tag | None = None,
) -> TransactionSummary:
    """Sums over the whole window, and bars of the same widths as the function page's."""
    buckets = chart_buckets(window)
    where = TransactionFilter(window, function_id, resource_id, issue_id, outcome, search, tag).conditions(
        connection, every=True
    )
    found: dict[int, tuple[int, int, int]] = {}
    if where is not None:
        bar = buckets.number(transactions.c.started_ns // NS).label("bar")
        flags = (
            select(
                bar,
                case((transactions.c.result.in_(FAILED), 1), else_=0).label("failed"),
                case((with_issues(), 1), else_=0).label("with_issues"),
            )
            .where(*where)
            .subquery()
        )
        statement = select(flags.c.bar, func.count(), total(flags.c.failed), total(flags.c.with_issues)).group_by(
            flags.c.bar
        )
        found = {number: (count, failed, issues) for number, count, failed, issues in connection.execute(statement)}
    return TransactionSummary(
        total=sum(count for count, _, _ in found.values()),
        failed=sum(failed for _, failed, _ in found.values()),
        with_issues=sum(with_issues for _, _, with_issues in found.values()),
        bucket_s=buckets.width_s,
        started=buckets.points({bar: count for bar, (count, _, _) in found.items()}),
        with_issues_trend=buckets.points({bar: with_issues for bar, (_, _, with_issues) in found.items()}),
    )


def _described(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[TransactionRow, ...]:
    """Rows of `transactions` with what other tables know of them, in one statement for each of those."""
    ids = [row.id for row in rows]
    members: defaultdict[bytes, list[int]] = defaultdict(list)
    for transaction_id, function_id in connection.execute(
        select(memberships.c.transaction_id, invocations.c.function_id)
        .join(invocations, invocations.c.trace_id == memberships.c.trace_id)
        .where(memberships.c.transaction_id.in_(ids))
        .group_by(memberships.c.transaction_id, invocations.c.function_id)
        .order_by(func.min(invocations.c.started_ns), invocations.c.function_id)
    ):
        members[transaction_id].append(function_id)
    occurred: defaultdict[bytes, list[tuple[int, str, int]]] = defaultdict(list)
    for transaction_id, issue_id, type, kind in connection.execute(
        select(memberships.c.transaction_id, issues.c.id, issues.c.type, issues.c.kind)
        .join(issue_occurrences, issue_occurrences.c.trace_id == memberships.c.trace_id)
        .join(issues, issues.c.id == issue_occurrences.c.issue_id)
        .where(memberships.c.transaction_id.in_(ids))
        .distinct()
    ):
        occurred[transaction_id].append((issue_id, type, kind))
    functions = functions_by_id(connection, {row.entry_function_id for row in rows}.union(*(members[id] for id in ids)))
    resources = resources_by_id(connection, {row.trigger_resource_id for row in rows})

    def described(row: Row[*tuple[Any, ...]]) -> TransactionRow:
        others = [id for id in members[row.id] if id != row.entry_function_id]
        refs = tuple(functions.get(id) or unknown_function(id) for id in (row.entry_function_id, *others))
        return TransactionRow(
            id=row.id,
            started_ns=row.started_ns,
            duration_ns=row.ended_ns - row.started_ns,
            entry=refs[0],
            trigger=row.trigger,
            trigger_resource=resources.get(row.trigger_resource_id),
            functions=refs,
            services=read_services(row.services),
            result=Result(row.result),
            invocations=row.invocations,
            failed_invocations=row.failed_invocations,
            cold_starts=row.cold_starts,
            cost_pd=row.cost_pd,
            issues=labels(occurred[row.id]),
            running_invocations=row.running_invocations,
            calls_cost_pd=row.calls_cost_pd,
            unpriced_calls=row.unpriced_calls,
        )

    return tuple(map(described, rows))
