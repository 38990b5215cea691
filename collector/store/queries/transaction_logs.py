"""The log lines of a transaction: of all its functions, by time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from collector.domain import cloudwatch
from collector.domain.spans import LogRecord
from collector.store.queries.common import FunctionRef
from collector.store.queries.lookups import unknown_function
from collector.store.queries.transaction_models import LogLine, SpanDetail
from collector.store.queries.transaction_source import Source, SpanId
from collector.store.queries.transaction_spans import exception_of, function_of_resource, key_of, text_of

# OpenTelemetry's severity numbers come in groups of four.
_SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def build_logs(source: Source, spans: Sequence[SpanDetail]) -> tuple[LogLine, ...]:
    owners = _Owners(source, spans)
    found = [(record, owners.find(record)) for record in source.logs]
    told = {owner for _, owner in found}
    logged = [(record, owners.find(record)) for record in source.logged]
    # What the tracer exported and what the function's log says are the same lines.
    found += [(record, owner) for record, owner in logged if owner not in told]
    found.sort(key=lambda item: item[0].time_ns)
    return tuple(
        LogLine(
            time_ns=record.time_ns,
            function=owners.function(record, owner),
            invocation=owner,
            severity=_severity(record),
            logger=record.scope if record.scope != cloudwatch.SCOPE else "",
            message=_message(record),
            init=record.attributes.get("clew.lambda.phase") == "init",
        )
        for record, owner in found
    )


class _Owners:
    """Which invocation a log record is part of, by key."""

    def __init__(self, source: Source, spans: Sequence[SpanDetail]) -> None:
        self._functions = {
            key_of(id): source.functions.get(row.function_id) or unknown_function(row.function_id)
            for id, row in source.invocations.items()
        }
        self._by_span: dict[str, str] = {key: key for key in self._functions}
        for span in spans:  # parents before children
            if span.via == "span" and span.key not in self._by_span and (owner := self._by_span.get(span.parent or "")):
                self._by_span[span.key] = owner
        self._by_trace: defaultdict[bytes, list[tuple[int, SpanId]]] = defaultdict(list)
        for id, row in source.invocations.items():
            self._by_trace[id[0]].append((row.started_ns, id))

    def find(self, record: LogRecord) -> str | None:
        """That of the record's span; without a span that is known, the trace's invocation that began last before it,
        or its first."""
        owner = self._by_span.get(key_of((record.trace_id, record.span_id)))
        running = self._by_trace.get(record.trace_id)
        if owner is not None or not running:
            return owner
        index = bisect_right(running, record.time_ns, key=lambda begun: begun[0])
        return key_of(running[max(0, index - 1)][1])

    def function(self, record: LogRecord, owner: str | None) -> FunctionRef:
        return self._functions[owner] if owner is not None else function_of_resource(record.resource)


def _severity(record: LogRecord) -> str:
    if record.severity or not 1 <= record.severity_number <= 24:
        return record.severity
    return _SEVERITIES[(record.severity_number - 1) // 4]


def _message(record: LogRecord) -> str:
    """The line, and the stack that `logging.exception` keeps beside it."""
    message = text_of(record.body)
    stacktrace = exception_of(record.attributes).stacktrace
    return message if not stacktrace or stacktrace in message else f"{message}\n{stacktrace}"
