"""What functions' logs, by way of CloudWatch, add to a transaction: invocations without a tracer, and lines."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, select
from zstandard import ZstdError

from collector.domain.cloudwatch import EVENT_ID, SCOPE
from collector.domain.facts import FAILED, Invocation, Signal
from collector.domain.log_invocations import log_trace
from collector.domain.spans import SERVER, Attributes, LogRecord, Span, read_logs
from collector.store.codec import decompress
from collector.store.log_requests import explain
from collector.store.queries.lookups import chunks
from collector.store.queries.transaction_source import EXPORTS_AT_ONCE, Source, SpanId
from collector.store.tables import exports, log_pieces, trace_exports

logger = logging.getLogger(__name__)


def add_logged(connection: Connection, source: Source, *, max_spans: int, max_logs: int) -> None:
    """Adds to the source what logs say of its invocations."""
    # Asked by the index, of which it reads one entry.
    if (
        connection.execute(select(log_pieces.c.received_ms).where(log_pieces.c.received_ms > 0).limit(1)).first()
        is None
    ):
        return
    requests: defaultdict[bytes, list[tuple[int, SpanId]]] = defaultdict(list)
    for id, row in source.invocations.items():  # by start
        function = source.functions.get(row.function_id)
        if row.request_id and function is not None and function.kind == "lambda":
            requests[log_trace(function.name, row.request_id)].append((row.started_ns, id))
    _add_spans(connection, source, [id for trace in requests for _, id in requests[trace] if id[0] == trace], max_spans)
    seen: set[tuple[str, SpanId]] = set()
    for record in _lines(connection, source, set(requests)):
        attempts = requests[record.trace_id]
        index = bisect_right(attempts, record.time_ns, key=lambda begun: begun[0])
        id = attempts[max(0, index - 1)][1]
        event = (str(record.attributes.get(EVENT_ID)), id)
        if event not in seen:  # CloudWatch may deliver a line twice
            seen.add(event)
            source.logged.append(replace(record, trace_id=id[0], span_id=id[1]))
    source.logged.sort(key=lambda record: record.time_ns)
    source.logged_cut = len(source.logged[max_logs:])
    del source.logged[max_logs:]


def _add_spans(connection: Connection, source: Source, ids: list[SpanId], max_spans: int) -> None:
    """No export holds a span of these."""
    rows = {id: Invocation(*source.invocations[id]) for id in ids if id not in source.spans}
    failures = explain(connection, [row for row in rows.values() if row.result in FAILED])
    for id, row in rows.items():
        failure = failures.get((row.started_ns, row.span_id))
        if failure is not None:
            source.failures[id] = failure
        source.spans[id] = Span(
            trace_id=id[0],
            span_id=id[1],
            parent_span_id=b"",
            kind=SERVER,
            name=source.functions[row.function_id].name,
            started_ns=row.started_ns,
            ended_ns=row.started_ns + row.duration_ns,
            failed=row.result in FAILED,
            status_message=failure.message if failure is not None else "",
            attributes=Attributes(()),
            events=(),
            links=(),
            resource={},
            scope=SCOPE,
        )
    if rows:
        source.spans_total += len(rows)
        ordered = sorted(source.spans.items(), key=lambda item: (item[1].started_ns, item[0]))
        source.spans = dict(ordered[:max_spans])


def _lines(connection: Connection, source: Source, traces: set[bytes]) -> Iterator[LogRecord]:
    ids: set[bytes] = set()
    for some in chunks(traces):
        ids.update(connection.scalars(select(trace_exports.c.export_id).where(trace_exports.c.trace_id.in_(some))))
    for some in chunks(ids):
        statement = select(exports.c.codec, exports.c.body).where(exports.c.id.in_(some))
        statement = statement.where(exports.c.signal == int(Signal.LOGS)).order_by(exports.c.id)
        for codec, body in connection.execute(statement, execution_options={"yield_per": EXPORTS_AT_ONCE}):
            try:
                yield from (record for record in read_logs(decompress(codec, body), traces) if record.scope == SCOPE)
            except (ZstdError, ValueError, DecodeError) as error:
                source.unreadable += 1
                logger.warning("an export cannot be read: %s", error)
