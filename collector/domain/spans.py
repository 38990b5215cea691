"""OTLP protobuf in, plain values out: the only place that knows how OTLP nests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


@dataclass(frozen=True, slots=True)
class Span:
    """One span, whole. Ids are raw bytes; times are nanoseconds since 1970."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes  # empty: none
    kind: int
    name: str
    started_ns: int
    ended_ns: int
    failed: bool
    status_message: str
    attributes: Mapping[str, Value]
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
        return [read_value(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        if depth >= MAX_DEPTH:
            return None
        return {item.key: read_value(item.value, depth + 1) for item in value.kvlist_value.values}
    scalar: Scalar = getattr(value, which)
    return scalar


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """All attributes. Of a repeated key the last one counts."""
    return {pair.key: read_value(pair.value) for pair in pairs}


def pick_attributes(pairs: Iterable[KeyValue], wanted: frozenset[str]) -> dict[str, Value]:
    """The wanted attributes only: the payloads beside them are several times the rest and stay bytes."""
    return {key: read_value(pair.value) for pair in pairs if (key := pair.key) in wanted}


def read_spans(body: bytes) -> Iterator[Span]:
    """Every span of a stored trace export, with everything in it. What the transaction page reads."""
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = read_attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
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
                    attributes=read_attributes(span.attributes),
                    events=tuple(
                        Event(event.name, event.time_unix_nano, read_attributes(event.attributes))
                        for event in span.events
                    ),
                    links=tuple((link.trace_id, link.span_id) for link in span.links),
                    resource=resource,
                    scope=scope_spans.scope.name,
                )


def read_logs(body: bytes) -> Iterator[LogRecord]:
    """Every log record of a stored log export."""
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = read_attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
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
