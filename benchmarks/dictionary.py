"""Makes a compression dictionary for stored exports: the words that nearly all of them hold, as OTLP writes them.

    scripts/bench dictionary --output collector/store/dictionary_2

A dictionary never changes once rows were stored with it: a better one is another file with another
`collector.store.codec.Codec`. What is in it is made up here and of no installation; the exports that `scripts/bench
ingest` stores have none of its names. Prints what it saves on those.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import zstandard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.dictionary_words import ACCOUNT, CALLS, EVENTS, REGION, REQUEST_ID
from benchmarks.exports import exports
from benchmarks.machine import describe_machine

TRACE, SPAN, PARENT = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))


def dictionary() -> bytes:
    """Rarest first: zstd points to what is near its end with the fewest bits."""
    return b"".join((_logs(), _other_languages(), *(_invocation(event) for event in EVENTS)))


def _other_languages() -> bytes:
    """As OpenTelemetry's SDKs and Lambda layers send it."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        _pairs(
            {
                "telemetry.sdk.language": "nodejs",
                "telemetry.sdk.name": "opentelemetry",
                "telemetry.sdk.version": "1.30.1",
                "host.name": "ip-10-0-0-1",
                "os.type": "linux",
                "process.pid": 1,
                "process.executable.name": "node",
                "process.command_args": ["/opt/wrapper"],
                "process.runtime.name": "nodejs",
                "process.runtime.version": "22.1.0",
                "faas.id": "",
                "service.name": "service",
            }
        )
    )
    spans = resource_spans.scope_spans.add()
    spans.scope.name = "@opentelemetry/instrumentation-http"
    for attributes in (
        {
            "http.url": "https://",
            "http.host": "",
            "http.method": "GET",
            "http.target": "/",
            "http.status_code": 200,
            "net.peer.name": "",
            "http.flavor": "1.1",
            "net.transport": "ip_tcp",
        },
        {
            "http.request.method": "POST",
            "url.full": "https://",
            "server.address": "",
            "server.port": 443,
            "http.response.status_code": 200,
            "user_agent.original": "",
            "network.peer.address": "",
            "network.protocol.version": "1.1",
        },
        {
            "db.system.name": "postgresql",
            "db.system": "postgresql",
            "db.namespace": "",
            "db.query.text": "SELECT  FROM  WHERE  = $1",
            "db.statement": "INSERT INTO",
            "db.operation.name": "SELECT",
            "net.peer.port": 5432,
        },
        {
            "messaging.system": "aws_sqs",
            "messaging.destination.name": "",
            "messaging.operation.type": "receive",
            "messaging.message.id": "",
            "messaging.batch.message_count": 1,
        },
        {
            "rpc.system": "aws-api",
            "rpc.service": "S3",
            "rpc.method": "GetObject",
            "aws.region": REGION,
            "aws.request_id": REQUEST_ID,
            "http.status_code": 200,
            "retry_attempts": 0,
        },
    ):
        _add_span(spans.spans, "GET", Span.SPAN_KIND_CLIENT, attributes)
    return request.SerializeToString()


def _logs() -> bytes:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.CopyFrom(_resource())
    records = resource_logs.scope_logs.add()
    records.scope.name = "clew"
    for severity in ("ERROR", "WARN", "INFO"):
        records.log_records.add(
            time_unix_nano=0x18_00_00_00_00_00_00_00,
            trace_id=TRACE,
            span_id=SPAN,
            severity_text=severity,
            body=AnyValue(string_value=" "),
            attributes=_pairs({"faas.invocation_id": REQUEST_ID}),
        )
    return request.SerializeToString()


def _resource() -> Resource:
    return Resource(
        attributes=_pairs(
            {
                "telemetry.sdk.language": "python",
                "telemetry.sdk.name": "opentelemetry",
                "telemetry.sdk.version": "1.40.0",
                "telemetry.distro.name": "clew",
                "telemetry.distro.version": "0.1.0",
                "service.name": "function",
                "faas.name": "function",
                "faas.version": "$LATEST",
                "faas.instance": "2026/01/01/[$LATEST]",
                "faas.max_memory": 134_217_728,
                "cloud.provider": "aws",
                "cloud.platform": "aws_lambda",
                "cloud.region": REGION,
                "cloud.account.id": ACCOUNT,
                "host.arch": "amd64",
                "process.runtime.name": "cpython",
                "process.runtime.version": "3.13.1",
                "aws.log.group.names": ["/aws/lambda/function"],
                "aws.log.stream.names": ["2026/01/01/[$LATEST]"],
            }
        )
    )


def _invocation(event: Mapping[str, object]) -> bytes:
    """As Clew's own tracer sends it."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.CopyFrom(_resource())
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "clew", "0.1.0"
    for service, operation, given, got in CALLS:
        call = _add_span(
            scope_spans.spans,
            f"{service}.{operation}",
            Span.SPAN_KIND_CLIENT,
            {
                "rpc.system.name": "aws-api",
                "rpc.method": f"{service}/{operation}",
                "cloud.region": REGION,
                "aws.request_id": REQUEST_ID,
                "http.response.status_code": 200,
                "clew.resource.name": "name",
                "clew.request": json.dumps(given),
                "clew.response": json.dumps(got),
                "clew.link.keys": [f"{service.lower()}:"],
            },
        )
        call.parent_span_id = PARENT
    invocation = _add_span(
        scope_spans.spans,
        "function",
        Span.SPAN_KIND_SERVER,
        {
            "faas.invocation_id": REQUEST_ID,
            "faas.trigger": "datasource",
            "faas.coldstart": True,
            "cloud.resource_id": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function",
            "cloud.account.id": ACCOUNT,
            "aws.lambda.invoked_arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function",
            "clew.trigger.type": "sqs",
            "clew.trigger.resource": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue",
            "clew.link.keys": ["s3:"],
            "clew.batch.size": 1,
            "clew.lambda.initialization_type": "on-demand",
            "clew.lambda.init_duration": 100.0,
            "clew.lambda.timeout": 3_000,
            "clew.lambda.max_memory_used": 134_217_728,
            "clew.lambda.cpu_time": 10.0,
            "clew.lambda.tmp_used": 0,
            "error.type": "ValueError",
            "clew.event": json.dumps(event),
            "clew.return_value": json.dumps({"statusCode": 200, "headers": {}, "body": "{}"}),
        },
    )
    invocation.status.code = Status.STATUS_CODE_ERROR
    failure = invocation.events.add(name="exception", time_unix_nano=0x18_00_00_00_00_00_00_00)
    stack = 'Traceback (most recent call last):\n  File "/var/task/app.py", line 1, in handler\n    '
    failure.attributes.extend(
        _pairs(
            {
                "exception.type": "botocore.exceptions.ClientError",
                "exception.message": "An error occurred (AccessDeniedException) when calling the GetItem operation: ",
                "exception.stacktrace": stack + "raise error_class(parsed_response, operation_name)\n",
            }
        )
    )
    return request.SerializeToString()


def _add_span(
    spans: Sequence[Span], name: str, kind: Span.SpanKind.ValueType, attributes: Mapping[str, object]
) -> Span:
    span: Span = spans.add(  # type: ignore[attr-defined]  # a repeated field, which adds what it makes
        trace_id=TRACE,
        span_id=SPAN,
        name=name,
        kind=kind,
        start_time_unix_nano=0x18_00_00_00_00_00_00_00,
        end_time_unix_nano=0x18_00_00_00_00_00_00_00,
    )
    span.attributes.extend(_pairs(attributes))
    return span


def _pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        found = AnyValue()
        found.array_value.values.extend(_value(item) for item in value)
        return found
    return AnyValue(string_value=str(value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    content = dictionary()
    if options.output:
        options.output.write_bytes(content)
    bodies = list(exports(1_000, start_ns=1_800_000_000_000_000_000, every_ns=10**6))
    data = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    print(
        f"{describe_machine()}\na dictionary of {len(content)} bytes; exports of {_mean(bodies):.0f} bytes, compressed:"
    )
    for level in (1, 3):
        plain = zstandard.ZstdCompressor(level=level)
        with_dictionary = zstandard.ZstdCompressor(level=level, dict_data=data)
        without = _mean([plain.compress(body) for body in bodies])
        found = _mean([with_dictionary.compress(body) for body in bodies])
        print(f"  level {level}: {without:.0f} without, {found:.0f} with it")


def _mean(bodies: Sequence[bytes]) -> float:
    return statistics.mean(map(len, bodies))


if __name__ == "__main__":
    main()
