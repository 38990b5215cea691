"""OTLP requests as clients send them."""

from __future__ import annotations

import os
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def traces(spans: int = 2, *, trace_id: bytes | None = None, payload: str = "") -> bytes:
    """A trace export in protobuf: an invocation, and calls below it."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    _attribute(resource_spans.resource, "faas.name", "resize")
    _attribute(resource_spans.resource, "cloud.region", "eu-central-1")
    scope_spans = resource_spans.scope_spans.add()
    trace_id = os.urandom(16) if trace_id is None else trace_id
    root = os.urandom(8)
    now = time.time_ns() - 1_000_000_000
    for index in range(spans):
        span = scope_spans.spans.add()
        span.trace_id = trace_id
        span.span_id = os.urandom(8) if index else root
        span.parent_span_id = root if index else b""
        span.kind = Span.SPAN_KIND_CLIENT if index else Span.SPAN_KIND_SERVER
        span.name = "S3.GetObject" if index else "resize"
        span.start_time_unix_nano = now + index * 1_000
        span.end_time_unix_nano = now + index * 1_000 + 5_000_000
        if payload:
            _attribute(span, "clew.request", payload)
    return request.SerializeToString()


def logs(records: int = 2) -> bytes:
    """A log export in protobuf."""
    request = ExportLogsServiceRequest()
    scope_logs = request.resource_logs.add().scope_logs.add()
    trace_id = os.urandom(16)
    for index in range(records):
        record = scope_logs.log_records.add()
        record.trace_id = trace_id
        record.span_id = os.urandom(8)
        record.time_unix_nano = time.time_ns()
        record.body.string_value = f"line {index}"
    return request.SerializeToString()


def _attribute(holder: object, key: str, value: str) -> None:
    pair = holder.attributes.add()  # type: ignore[attr-defined]  # resources and spans share no base class
    pair.key = key
    pair.value.string_value = value
