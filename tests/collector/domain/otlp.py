"""OTLP messages for tests, in a line each.

    export(spans=[invocation(id=1), call("S3.GetObject", parent=1, name="uploads")])

Ids may be small integers; the trace is 1 unless said. Times are nanoseconds, `start` counted from START_NS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

Id = int | bytes
Attributes = Mapping[str, object]

MS = 1_000_000
SECOND = 1_000 * MS
START_NS = 1_780_000_000 * SECOND  # 2026-05-28T20:26:40Z
RECEIVED_MS = START_NS // MS + 5_000

ACCOUNT, REGION = "123456789012", "eu-west-1"
FUNCTION = "audio-to-text"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"

_ids = count(1_000_000)  # of spans that were given none


def any_value(value: object) -> AnyValue:
    """A Python value as OTLP's AnyValue."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, Mapping):
        return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    if isinstance(value, Iterable):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    return AnyValue()


def attributes(values: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def trace_bytes(id: Id) -> bytes:
    return id if isinstance(id, bytes) else id.to_bytes(16, "big")


def span_bytes(id: Id) -> bytes:
    return id if isinstance(id, bytes) else id.to_bytes(8, "big")


def resource(name: str = FUNCTION, **more: object) -> dict[str, object]:
    """The resource that the tracer sends for a Lambda function; `more` adds or replaces, None takes away.

    Names in `more` are written with `__` for a dot: `cloud__region="us-east-1"`.
    """
    described: dict[str, object] = {
        "service.name": name,
        "faas.name": name,
        "faas.version": "$LATEST",
        "faas.instance": "2026/05/28/[$LATEST]0123456789abcdef0123456789abcdef",
        "faas.max_memory": 512 * 1_048_576,
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": REGION,
        "host.arch": "amd64",
        "process.runtime.name": "cpython",
        "process.runtime.version": "3.12.4",
        "telemetry.sdk.language": "python",
        "telemetry.distro.name": "clew",
    }
    return _replaced(described, more)


def span(
    span_name: str,
    *,
    kind: int = Span.SPAN_KIND_INTERNAL,
    id: Id | None = None,
    trace: Id = 1,
    parent: Id = b"",
    start: int = 0,
    duration: int = 10 * MS,
    attrs: Attributes | None = None,
    error: str | None = None,
    events: Sequence[Span.Event] = (),
    links: Sequence[tuple[Id, Id]] = (),
) -> Span:
    """Any span. `error` is the status description of one that failed; `links` are (trace, span)."""
    return Span(
        trace_id=trace_bytes(trace),
        span_id=span_bytes(next(_ids) if id is None else id),
        parent_span_id=span_bytes(parent),
        name=span_name,
        kind=Span.SpanKind.ValueType(kind),
        start_time_unix_nano=START_NS + start,
        end_time_unix_nano=START_NS + start + duration,
        attributes=attributes(attrs or {}),
        status=Status() if error is None else Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message=error),
        events=events,
        links=[Span.Link(trace_id=trace_bytes(trace), span_id=span_bytes(id)) for trace, id in links],
    )


def invocation(
    span_name: str = FUNCTION,
    *,
    request: str | None = None,
    id: Id | None = None,
    trace: Id = 1,
    parent: Id = b"",
    start: int = 0,
    duration: int = 100 * MS,
    attrs: Attributes | None = None,
    error: str | None = None,
    events: Sequence[Span.Event] = (),
    links: Sequence[tuple[Id, Id]] = (),
) -> Span:
    """An invocation as the tracer sends it, of a request of its trace. `attrs` adds or replaces attributes, None as a
    value takes one away."""
    number = trace if isinstance(trace, int) else 1
    described: dict[str, object] = {
        "faas.invocation_id": request or f"8f5d3b1c-0000-4000-8000-{number:012x}",
        "faas.trigger": "other",
        "faas.coldstart": False,
        "cloud.resource_id": FUNCTION_ARN.replace(FUNCTION, span_name),
        "cloud.account.id": ACCOUNT,
        "clew.lambda.timeout": 3_000,
        "clew.lambda.max_memory_used": 78 * 1_048_576,
    }
    return span(
        span_name,
        kind=Span.SPAN_KIND_SERVER,
        id=id,
        trace=trace,
        parent=parent,
        start=start,
        duration=duration,
        attrs=_replaced(described, attrs or {}),
        error=error,
        events=events,
        links=links,
    )


def call(
    span_name: str,
    *,
    parent: Id,
    name: str = "",
    arn: str = "",
    id: Id | None = None,
    trace: Id = 1,
    start: int = 0,
    duration: int = 10 * MS,
    attrs: Attributes | None = None,
    error: str | None = None,
    error_type: str | None = None,
    keys: Sequence[str] = (),
) -> Span:
    """A call to AWS as the tracer sends it: `call("S3.PutObject", parent=1, name="uploads", keys=["s3:4F2A"])`."""
    service, _, operation = span_name.partition(".")
    described: dict[str, object] = {
        "rpc.system.name": "aws-api",
        "rpc.method": f"{service}/{operation}",
        "cloud.region": REGION,
        "aws.request_id": "4F2A9C0B1D2E3F40",
        "http.response.status_code": 200 if error is None else 400,
        "clew.resource.name": name or None,
        "clew.resource.arn": arn or None,
        "clew.link.keys": list(keys) or None,
        "error.type": error_type,
    }
    return span(
        span_name,
        kind=Span.SPAN_KIND_CLIENT,
        id=id,
        trace=trace,
        parent=parent,
        start=start,
        duration=duration,
        attrs=_replaced(described, attrs or {}),
        error=error,
    )


def exception(type: str, message: str, stacktrace: str = "", *, at: int = 0) -> Span.Event:
    values = {"exception.type": type, "exception.message": message, "exception.stacktrace": stacktrace}
    return Span.Event(name="exception", time_unix_nano=START_NS + at, attributes=attributes(values))


def resource_spans(described: Attributes, spans: Sequence[Span], scope: str = "clew") -> ResourceSpans:
    message = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    message.resource.attributes.extend(attributes(described))
    message.scope_spans[0].scope.name = scope
    return message


def export(*more: ResourceSpans, resource: Attributes | None = None, spans: Sequence[Span] = ()) -> bytes:
    """An ExportTraceServiceRequest: these spans of one resource (the tracer's unless said), then `more`."""
    request = ExportTraceServiceRequest()
    if spans:
        request.resource_spans.append(resource_spans(_resource() if resource is None else resource, spans))
    request.resource_spans.extend(more)
    return request.SerializeToString()


def log(
    line: object,
    *,
    trace: Id = 1,
    span: Id = b"",
    at: int = 0,
    severity: str = "INFO",
    attrs: Attributes | None = None,
) -> LogRecord:
    return LogRecord(
        time_unix_nano=START_NS + at,
        trace_id=trace_bytes(trace),
        span_id=span_bytes(span),
        severity_text=severity,
        body=any_value(line),
        attributes=attributes(attrs or {}),
    )


def export_logs(*records: LogRecord, resource: Attributes | None = None, logger: str = "root") -> bytes:
    """An ExportLogsServiceRequest of one resource (the tracer's unless said) and one logger."""
    message = ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])
    message.resource.attributes.extend(attributes(_resource() if resource is None else resource))
    message.scope_logs[0].scope.name = logger
    return ExportLogsServiceRequest(resource_logs=[message]).SerializeToString()


_resource = resource  # `export` has a parameter of that name


def _replaced(values: dict[str, object], more: Attributes) -> dict[str, object]:
    merged = values | {name.replace("__", "."): value for name, value in more.items()}
    return {name: value for name, value in merged.items() if value is not None}
