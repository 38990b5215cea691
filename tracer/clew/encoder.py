"""OTLP requests from spans and log records. Field numbers are those of opentelemetry-proto 1.10."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clew.protobuf import any_value, block, fixed32, fixed64, key_values, utf8, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext

# SpanFlags: the low byte is W3C's trace flags; these two say that "is remote" is known, and that it is true.
_HAS_IS_REMOTE = 0x100
_IS_REMOTE = 0x200


class LogRecord:
    """One line. `scope` is the logger's name, or empty for what was printed; `severity` OpenTelemetry's number."""

    __slots__ = (
        "attributes", "body", "scope", "severity", "severity_text", "span_id", "time_ns", "trace_flags", "trace_id",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  # by hand: a NamedTuple takes 0.15 ms of INIT
        self,
        time_ns: int,
        severity: int,
        severity_text: str,
        body: str,
        scope: str,
        attributes: Mapping[str, object],
        trace_id: int,
        span_id: int,
        trace_flags: int,
    ) -> None:
        self.time_ns = time_ns
        self.severity = severity
        self.severity_text = severity_text
        self.body = body
        self.scope = scope
        self.attributes = attributes
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_flags = trace_flags


def encode_resource(attributes: Mapping[str, object]) -> bytes:
    """The `resource` field that starts both ResourceSpans and ResourceLogs."""
    return block(b"\x0a", key_values(b"\x0a", attributes))


def encode_spans(resource: bytes, spans: Iterable[ReadableSpan]) -> bytes:
    """An ExportTraceServiceRequest."""
    scopes: dict[InstrumentationScope | None, list[bytes]] = {}
    last: Any = scopes  # no scope
    for span in spans:
        scope = span.instrumentation_scope
        if scope is not last:  # mostly it is: looking it up takes longer than encoding a small span
            last, same = scope, scopes.setdefault(scope, [])
        lean = getattr(span, "encoded", None)  # of one of our own, which knows what is told alike of many
        same.append(block(b"\x12", (lean and lean()) or _span(span)))
    parts = [resource]
    for scope, encoded in scopes.items():
        schema = block(b"\x1a", utf8(scope.schema_url)) if scope is not None and scope.schema_url else b""
        parts.append(block(b"\x12", _scope(scope) + b"".join(encoded) + schema))
    return block(b"\x0a", b"".join(parts))


def encode_logs(resource: bytes, records: Sequence[LogRecord]) -> bytes:
    """An ExportLogsServiceRequest."""
    scopes: dict[str, list[bytes]] = {}
    for record in records:
        scopes.setdefault(record.scope, []).append(block(b"\x12", _record(record)))
    parts = [resource]
    for name, encoded in scopes.items():
        scope = block(b"\x0a", block(b"\x0a", utf8(name))) if name else b""
        parts.append(block(b"\x12", scope + b"".join(encoded)))
    return block(b"\x0a", b"".join(parts))


@lru_cache(maxsize=16)
def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b""
    data = block(b"\x0a", utf8(scope.name))
    if scope.version:
        data += block(b"\x12", utf8(scope.version))
    attributes = getattr(scope, "attributes", None)  # not in an SDK of before 2025 that a function brings along
    if attributes:
        data += key_values(b"\x1a", attributes)
    return block(b"\x0a", data)


def _flags(context: SpanContext) -> int:
    return context.trace_flags | _HAS_IS_REMOTE | (_IS_REMOTE if context.is_remote else 0)


def _span(span: ReadableSpan) -> bytes:  # noqa: C901, PLR0912  # one line per field of the message, in its order
    context = span.context
    parts = [
        block(b"\x0a", context.trace_id.to_bytes(16, "big")),
        block(b"\x12", context.span_id.to_bytes(8, "big")),
    ]
    if context.trace_state:
        parts.append(block(b"\x1a", utf8(context.trace_state.to_header())))
    parent = span.parent
    flags = context.trace_flags | _HAS_IS_REMOTE
    if parent is not None:
        parts.append(block(b"\x22", parent.span_id.to_bytes(8, "big")))
        if parent.is_remote:
            flags |= _IS_REMOTE
    parts.append(block(b"\x2a", utf8(span.name)))
    parts.append(b"\x30" + varint(span.kind.value + 1))
    parts.append(fixed64(b"\x39", span.start_time or 0))
    parts.append(fixed64(b"\x41", span.end_time or 0))
    if span.attributes:
        parts.append(key_values(b"\x4a", span.attributes))
    # An SDK of before 2024 that a function brings along fails to count what was dropped of a span that was copied.
    if dropped := getattr(span, "dropped_attributes", 0):
        parts.append(b"\x50" + varint(dropped))
    for event in span.events:
        data = fixed64(b"\x09", event.timestamp) + block(b"\x12", utf8(event.name))
        if event.attributes:
            data += key_values(b"\x1a", event.attributes)
        parts.append(block(b"\x5a", data))
    if dropped := getattr(span, "dropped_events", 0):
        parts.append(b"\x60" + varint(dropped))
    for link in span.links:
        data = block(b"\x0a", link.context.trace_id.to_bytes(16, "big"))
        data += block(b"\x12", link.context.span_id.to_bytes(8, "big"))
        if link.context.trace_state:
            data += block(b"\x1a", utf8(link.context.trace_state.to_header()))
        if link.attributes:
            data += key_values(b"\x22", link.attributes)
        parts.append(block(b"\x6a", data + fixed32(b"\x35", _flags(link.context))))
    if dropped := getattr(span, "dropped_links", 0):
        parts.append(b"\x70" + varint(dropped))
    code = span.status.status_code.value
    if code or span.status.description:
        message = block(b"\x12", utf8(span.status.description)) if span.status.description else b""
        parts.append(block(b"\x7a", message + (b"\x18" + varint(code) if code else b"")))
    parts.append(fixed32(b"\x85\x01", flags))
    return b"".join(parts)


def _record(record: LogRecord) -> bytes:
    parts = [fixed64(b"\x09", record.time_ns), b"\x10" + varint(record.severity)]
    if record.severity_text:
        parts.append(block(b"\x1a", utf8(record.severity_text)))
    parts.append(block(b"\x2a", any_value(record.body)))
    if record.attributes:
        parts.append(key_values(b"\x32", record.attributes))
    parts.append(fixed32(b"\x45", record.trace_flags))
    if record.trace_id:  # a platform's report may be of no invocation that is known
        parts.append(block(b"\x4a", record.trace_id.to_bytes(16, "big")))
        parts.append(block(b"\x52", record.span_id.to_bytes(8, "big")))
    parts.append(fixed64(b"\x59", record.time_ns))
    return b"".join(parts)
