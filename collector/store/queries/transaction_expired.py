"""What is left of a transaction whose exports retention has taken: its rows, without payloads, attributes and lines."""

from __future__ import annotations

from sqlalchemy import Connection, Row, bindparam, select, tuple_

from collector.domain.facts import FAILED
from collector.domain.ids import span_bytes
from collector.domain.spans import CLIENT, SERVER, Attributes, Span
from collector.store.queries.lookups import chunks, resources_by_id
from collector.store.queries.transaction_source import Source, SpanId
from collector.store.tables import calls, links, trace_exports


def add_expired(connection: Connection, source: Source) -> int:
    """Gives invocations without a span one made of their row, with the calls that set others off. Returns how many.

    Only where no export of their trace is there: a span that is missing for another reason is not made up.
    """
    bare = {id: row for id, row in source.invocations.items() if id not in source.spans}
    if not bare or source.spans_total > len(source.spans):  # cut by the limit
        return 0
    held = _exported(connection, {trace for trace, _ in bare})
    bare = {id: row for id, row in bare.items() if id[0] not in held}
    for id, row in bare.items():
        function = source.functions.get(row.function_id)
        source.spans[id] = _span(id, row, SERVER, function.name if function else "", failed=row.result in FAILED)
    source.spans_total += len(bare)
    _add_calls(connection, source, bare)
    source.spans = dict(sorted(source.spans.items(), key=lambda item: (item[1].started_ns, item[0])))
    return len(bare)


def count_gone(connection: Connection, source: Source, counted: int) -> int:
    """Invocations that were part of it and of which no row is left, as far as can still be told: of `counted` ones, and
    by traces of which nothing is left."""
    empty = source.traces - {trace for trace, _ in source.invocations}
    return max(counted - len(source.invocations), len(empty - _exported(connection, empty)))


def _add_calls(connection: Connection, source: Source, bare: dict[SpanId, Row[*tuple[object, ...]]]) -> None:
    """Calls are found by their start, which the links know of those that set something off."""
    keys: set[tuple[int, int]] = set()
    for some in chunks({trace for trace, _ in bare}):
        found = select(links.c.producer_started_ns, links.c.producer_span_id).where(links.c.producer_trace_id.in_(some))
        keys.update((started_ns, span_id) for started_ns, span_id in connection.execute(found))
    rows = [row for some in chunks(keys) for row in connection.execute(_CALLS, {"keys": some})]
    by_function: dict[tuple[bytes, int], SpanId] = {(id[0], row.function_id): id for id, row in bare.items()}
    for row in rows:
        id = (row.trace_id, span_bytes(row.span_id))
        parent = by_function.get((row.trace_id, row.function_id))
        if id in source.spans or parent is None:
            continue
        source.calls[id] = row
        source.spans[id] = _span(id, row, CLIENT, row.operation, failed=row.error_type is not None, parent=parent[1])
        source.spans_total += 1
    source.resources |= resources_by_id(connection, {row.resource_id for row in rows} - source.resources.keys())


_CALLS = select(calls).where(
    tuple_(calls.c.started_ns, calls.c.span_id).in_(
        bindparam("keys", expanding=True, type_=tuple_(calls.c.started_ns, calls.c.span_id).type)
    )
)


def _span(
    id: SpanId, row: Row[*tuple[object, ...]], kind: int, name: str, *, failed: bool, parent: bytes = b""
) -> Span:
    return Span(
        trace_id=id[0],
        span_id=id[1],
        parent_span_id=parent,
        kind=kind,
        name=name,
        started_ns=row.started_ns,
        ended_ns=row.started_ns + row.duration_ns,
        failed=failed,
        status_message="",
        attributes=Attributes(()),
        events=(),
        links=(),
        resource={},
        scope="",
    )


def _exported(connection: Connection, traces: set[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for some in chunks(traces):
        found.update(connection.scalars(select(trace_exports.c.trace_id).where(trace_exports.c.trace_id.in_(some))))
    return found
