"""All rows and all exports that hold something of one transaction, in a constant number of statements."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Row, Select, and_, bindparam, select
from zstandard import ZstdError

from collector.domain import cloudwatch
from collector.domain.facts import Invocation, Signal
from collector.domain.failures import Failure
from collector.domain.ids import span_bytes
from collector.domain.reports import SCOPE, explain
from collector.domain.spans import CLIENT, PRODUCER, LogRecord, Span, read_logs, read_span_ids, read_spans
from collector.store.codec import decompress
from collector.store.platform_reports import reports_of
from collector.store.queries.common import FunctionRef, ResourceRef
from collector.store.queries.lookups import chunks, functions_by_id, resources_by_id
from collector.store.queries.transaction_scope import MOST_INVOCATIONS, Scope
from collector.store.tables import (
    calls,
    exports,
    invocations,
    issue_occurrences,
    issues,
    links,
    memberships,
    trace_exports,
    transactions,
)

EXPORTS_AT_ONCE = 64  # bodies in memory; one is 256 MB at the very most, a few kB as a rule

_NO_LINES = frozenset({SCOPE, cloudwatch.SCOPE, cloudwatch.PLATFORM_SCOPE})  # or lines that are read otherwise

SpanId = tuple[bytes, bytes]  # trace id, span id

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Source:
    traces: set[bytes] = field(default_factory=set)  # that belong to it
    spans: dict[SpanId, Span] = field(default_factory=dict)  # by start
    spans_total: int = 0
    logs: list[LogRecord] = field(default_factory=list)  # by time
    logs_total: int = 0
    logged: list[LogRecord] = field(default_factory=list)  # lines by way of CloudWatch, with the ids of invocations
    logged_cut: int = 0  # more of those
    unreadable: int = 0
    invocations: dict[SpanId, Row[*tuple[Any, ...]]] = field(default_factory=dict)  # by start
    calls: dict[SpanId, Row[*tuple[Any, ...]]] = field(default_factory=dict)
    producers: dict[SpanId, list[SpanId]] = field(default_factory=dict)  # by consumer
    issues: dict[SpanId, list[tuple[int, str, int]]] = field(default_factory=dict)  # (id, type, kind) by invocation
    failures: dict[SpanId, Failure] = field(default_factory=dict)  # of invocations whose span does not say why
    functions: dict[int, FunctionRef] = field(default_factory=dict)
    resources: dict[int | None, ResourceRef] = field(default_factory=dict)

    @property
    def function_ids(self) -> set[int]:
        return {row.function_id for row in self.invocations.values()}


def load(connection: Connection, scope: Scope, *, max_spans: int, max_logs: int) -> Source:
    """Of the spans and the log records the earliest, so many of each."""
    source = Source()
    transaction_id, members = scope.transaction_id, scope.members
    _load_exports(connection, source, scope, max_spans, max_logs)
    ran = select(invocations).where(invocations.c.trace_id.in_(members))
    if scope.latest_ns is not None:
        ran = ran.where(invocations.c.started_ns <= scope.latest_ns).limit(MOST_INVOCATIONS)
    found = connection.execute(ran.order_by(invocations.c.started_ns, invocations.c.span_id))
    source.invocations = {(row.trace_id, span_bytes(row.span_id)): row for row in found}
    source.failures = _failures(connection, source)
    source.calls = _calls(connection, source)
    source.producers = _producers(connection, scope)
    source.issues = _issues(connection, members)
    entry = connection.execute(
        select(transactions.c.entry_function_id, transactions.c.trigger_resource_id).where(
            transactions.c.id == transaction_id
        )
    ).one()
    rows = [*source.invocations.values(), *source.calls.values()]
    source.functions = functions_by_id(connection, {row.function_id for row in rows} | {entry.entry_function_id})
    source.resources = resources_by_id(
        connection,
        {row.trigger_resource_id for row in source.invocations.values()}
        | {row.resource_id for row in source.calls.values()}
        | {entry.trigger_resource_id},
    )
    return source


def _load_exports(connection: Connection, source: Source, scope: Scope, max_spans: int, max_logs: int) -> None:
    traces = source.traces = set(connection.scalars(scope.members))
    seen: set[SpanId] = set()
    for signal, body in _bodies(connection, source, scope):
        if scope.latest_ns is not None and len(source.spans) > max_spans:
            break  # that there are more of them is known without counting
        try:
            if signal == Signal.LOGS:
                source.logs.extend(record for record in read_logs(body, traces) if record.scope not in _NO_LINES)
            elif len(source.spans) > max_spans:
                # Exports come by time: what this one holds would be cut. Damage comes to light before the first item.
                seen.update(read_span_ids(body, traces))
            else:
                _add_spans(source.spans, read_spans(body, traces))
        except DecodeError as error:
            source.unreadable += 1
            logger.warning("an export cannot be read: %s", error)
    source.spans_total = len(seen.union(source.spans))
    ordered = sorted(source.spans.items(), key=lambda item: (item[1].started_ns, item[0]))
    source.spans = dict(ordered[:max_spans])
    source.logs.sort(key=lambda record: record.time_ns)
    source.logs_total = len(source.logs)
    del source.logs[max_logs:]


def _bodies(connection: Connection, source: Source, scope: Scope) -> Iterator[tuple[int, bytes]]:
    ids = select(trace_exports.c.export_id).where(trace_exports.c.trace_id.in_(scope.members))
    if scope.latest_export is not None:
        ids = ids.where(trace_exports.c.export_id < scope.latest_export)
    statement = (
        select(exports.c.signal, exports.c.codec, exports.c.body).where(exports.c.id.in_(ids)).order_by(exports.c.id)
    )
    for signal, codec, body in connection.execute(statement, execution_options={"yield_per": EXPORTS_AT_ONCE}):
        try:
            yield signal, decompress(codec, body)
        except (ZstdError, ValueError) as error:
            source.unreadable += 1
            logger.warning("an export cannot be read: %s", error)


def _add_spans(spans: dict[SpanId, Span], found: Iterator[Span]) -> None:
    for span in found:
        id = (span.trace_id, span.span_id)
        other = spans.get(id)
        if other is None or _completeness(span) > _completeness(other):
            spans[id] = span


def _completeness(span: Span) -> tuple[bool, int]:
    """A span that came unfinished and came again is the later one; whichever arrived first."""
    return span.attributes.get("clew.unfinished") is not True, span.ended_ns


# The numbers stand in the statement itself: as parameters, 10,000 cost psycopg 100 ms.
_CALLS = select(
    *(calls.c[name] for name in ("trace_id", "span_id", "function_id", "resource_id", "error_type", "cost_pd"))
).where(calls.c.started_ns.in_(bindparam("starts", expanding=True, literal_execute=True)))


def _calls(connection: Connection, source: Source) -> dict[SpanId, Row[*tuple[Any, ...]]]:
    """By start, as the key of the table begins with it: asking for pairs makes PostgreSQL plan for seconds."""
    starts = {span.started_ns for span in source.spans.values() if span.kind in {CLIENT, PRODUCER}}
    return {
        id: row
        for some in chunks(starts)
        for row in connection.execute(_CALLS, {"starts": some})
        if (id := (row.trace_id, span_bytes(row.span_id))) in source.spans  # others may have begun in the same moment
    }


def _producers(connection: Connection, scope: Scope) -> dict[SpanId, list[SpanId]]:
    consumer, producer = memberships.alias(), memberships.alias()
    statement = (
        select(links.c.consumer_trace_id, links.c.consumer_span_id, links.c.producer_trace_id, links.c.producer_span_id)
        .join(consumer, consumer.c.trace_id == links.c.consumer_trace_id)
        .join(
            producer,
            and_(
                producer.c.trace_id == links.c.producer_trace_id,
                producer.c.transaction_id == consumer.c.transaction_id,
            ),
        )
        .where(consumer.c.transaction_id == scope.transaction_id)
        .order_by(links.c.producer_trace_id, links.c.producer_span_id)
    )
    if scope.latest_ns is not None:
        statement = statement.where(consumer.c.begun_ns <= scope.latest_ns)
    found: defaultdict[SpanId, list[SpanId]] = defaultdict(list)
    for consumer_trace, consumer_span, producer_trace, producer_span in connection.execute(statement):
        found[consumer_trace, span_bytes(consumer_span)].append((producer_trace, span_bytes(producer_span)))
    return found


def _failures(connection: Connection, source: Source) -> dict[SpanId, Failure]:
    """Few: those that the platform told of, or nobody."""
    rows = {id: Invocation(*row) for id, row in source.invocations.items() if row.result != row.span_result}
    if not rows:
        return {}
    said = reports_of(connection, [(row.started_ns, row.span_id) for row in rows.values()])
    explained = {id: explain(row, said.get((row.started_ns, row.span_id), ())) for id, row in rows.items()}
    return {id: failure for id, failure in explained.items() if failure is not None}


def _issues(connection: Connection, members: Select[bytes]) -> dict[SpanId, list[tuple[int, str, int]]]:
    found: defaultdict[SpanId, list[tuple[int, str, int]]] = defaultdict(list)
    for trace_id, span_id, issue_id, type, kind in connection.execute(
        select(issue_occurrences.c.trace_id, issue_occurrences.c.span_id, issues.c.id, issues.c.type, issues.c.kind)
        .join(issues, issues.c.id == issue_occurrences.c.issue_id)
        .where(issue_occurrences.c.trace_id.in_(members))
    ):
        found[trace_id, span_bytes(span_id)].append((issue_id, type, kind))
    return found
