"""OTLP protobuf in, plain values out: the only place that knows how OTLP nests."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Scalar = str | bool | int | float | bytes
Value = Scalar | None | list["Value"] | dict[str, "Value"]

INTERNAL = trace_pb2.Span.SPAN_KIND_INTERNAL
SERVER = trace_pb2.Span.SPAN_KIND_SERVER
CLIENT = trace_pb2.Span.SPAN_KIND_CLIENT
PRODUCER = trace_pb2.Span.SPAN_KIND_PRODUCER
CONSUMER = trace_pb2.Span.SPAN_KIND_CONSUMER
STATUS_ERROR = trace_pb2.Status.STATUS_CODE_ERROR

MAX_DEPTH = 16  # of nested values; a hostile export may nest until the parser's own limit of 100


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    time_ns: int
    attributes: Mapping[str, Value]


@dataclass(slots=True)
class Span:
    """One span, whole. Ids are raw bytes; times are nanoseconds since 1970.

    Not frozen: making 10,000 of them would take 15 ms instead of 2.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes  # empty: none
    kind: int
    name: str
    started_ns: int
    ended_ns: int
    failed: bool
    status_message: str
    attributes: Attributes
    events: tuple[Event, ...]
    links: tuple[tuple[bytes, bytes], ...]  # (trace id, span id)
    resource: Mapping[str, Value]
    scope: str


@dataclass(frozen=True, slots=True)
class LogRecord:
    time_ns: int
    trace_id: bytes  # empty: none
    span_id: bytes
    severity: str
    severity_number: int
    body: Value
    attributes: Mapping[str, Value]
    resource: Mapping[str, Value]
    scope: str


def read_value(value: AnyValue, depth: int = 0) -> Value:
    """A protobuf AnyValue as a Python value; None where it is unset or nested deeper than MAX_DEPTH."""
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        if depth >= MAX_DEPTH:
            return None
        return [item.string_value or read_value(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        if depth >= MAX_DEPTH:
            return None
        return {item.key: read_value(item.value, depth + 1) for item in value.kvlist_value.values}
    scalar: Scalar = getattr(value, which)
    return scalar


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """All attributes. Of a repeated key the last one counts."""
    return {pair.key: read_value(pair.value) for pair in pairs}


def pick_attributes(pairs: Iterable[KeyValue], wanted: frozenset[str], prefix: str | None = None) -> dict[str, Value]:
    """The wanted attributes only, and those whose names begin with `prefix`: the payloads beside them are several
    times the rest and stay bytes."""
    picked: dict[str, Value] = {}
    for pair in pairs:
        key = pair.key
        if key in wanted or (prefix is not None and key.startswith(prefix)):
            value = pair.value
            # Most are text, and asking for it costs a third of asking which of the seven types it is.
            picked[key] = value.string_value or read_value(value)
    return picked


class Attributes(Mapping[str, Value]):
    """All attributes of a span, read when they are first asked for: of 10,000 spans on a page a person opens a few."""

    __slots__ = ("_pairs", "_values")

    def __init__(self, pairs: Iterable[KeyValue]) -> None:
        self._pairs = pairs
        self._values: dict[str, Value] | None = None

    def pick(self, wanted: frozenset[str]) -> dict[str, Value]:
        """The wanted ones, without reading the others."""
        return pick_attributes(self._pairs, wanted)

    def _read(self) -> dict[str, Value]:
        if self._values is None:
            self._values = read_attributes(self._pairs)
        return self._values

    def __getitem__(self, key: str) -> Value:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def read_spans(body: bytes, traces: Container[bytes] | None = None) -> Iterator[Span]:
    """Every span of a stored trace export, or those of some traces, with everything in it.

    What the transaction page reads. Passing over another trace's span costs a sixth of reading it, and a batch may
    hold hundreds of them.
    """
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = read_attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if traces is not None and span.trace_id not in traces:
                    continue
                yield Span(
                    trace_id=span.trace_id,
                    span_id=span.span_id,
                    parent_span_id=span.parent_span_id,
                    kind=span.kind,
                    name=span.name,
                    started_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    failed=span.status.code == STATUS_ERROR,
                    status_message=span.status.message,
                    attributes=Attributes(span.attributes),
                    events=_read_events(span) if span.events else (),
                    links=tuple((link.trace_id, link.span_id) for link in span.links) if span.links else (),
                    resource=resource,
                    scope=scope_spans.scope.name,
                )


def _read_events(span: trace_pb2.Span) -> tuple[Event, ...]:
    return tuple(Event(event.name, event.time_unix_nano, read_attributes(event.attributes)) for event in span.events)


def read_span_ids(body: bytes, traces: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Trace id and span id of those traces' spans, for counting them without reading them."""
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if span.trace_id in traces:
                    yield span.trace_id, span.span_id


def read_logs(body: bytes, traces: Container[bytes] | None = None) -> Iterator[LogRecord]:
    """Every log record of a stored log export, or those of some traces."""
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = read_attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                if traces is not None and record.trace_id not in traces:
                    continue
                yield LogRecord(
                    time_ns=record.time_unix_nano or record.observed_time_unix_nano,
                    trace_id=record.trace_id,
                    span_id=record.span_id,
                    severity=record.severity_text,
                    severity_number=record.severity_number,
                    body=read_value(record.body),
                    attributes=read_attributes(record.attributes),
                    resource=resource,
                    scope=scope_logs.scope.name,
                )
