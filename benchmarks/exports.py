"""Realistic exports to measure with: the example's two functions as the tracer sends them, payloads included."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

ACCOUNT, REGION = "123456789012", "eu-west-1"
MS = 1_000_000
PAYLOADS = frozenset({"clew.event", "clew.return_value", "clew.request", "clew.response"})
CALLS = (
    ("S3", "GetObject", "audio"),
    ("DynamoDB", "GetItem", "jobs"),
    ("Transcribe", "StartTranscriptionJob", ""),
    ("DynamoDB", "PutItem", "jobs"),
    ("SNS", "Publish", "progress"),
)
FAILURE = (
    "An error occurred (BadRequestException) when calling the StartTranscriptionJob operation: 1 validation error "
    "detected: Value '{name}' at 'transcriptionJobName' failed to satisfy constraint"
)
STACK = """Traceback (most recent call last):
  File "/var/task/transcribe.py", line {line}, in handler
    transcribe.start_transcription_job(TranscriptionJobName=name)
  File "/var/runtime/botocore/client.py", line 602, in _api_call
    return self._make_api_call(operation_name, kwargs)
botocore.errorfactory.BadRequestException: {message}
"""


def exports(count: int, *, start_ns: int, every_ns: int, functions: int = 20, seed: int = 1) -> Iterator[bytes]:
    """`count` trace exports of six spans each, two functions to a transaction, one invocation in twenty failing.

    One in four transactions is the first function alone. The same seed gives the same exports.
    """
    chance = random.Random(seed)
    made = 0
    while made < count:
        at = start_ns + made * every_ns
        number = chance.randrange(functions)
        name = f"recording-{chance.randrange(10**6)}.mp3"
        request_id = chance.randbytes(8).hex().upper()
        yield _invocation(chance, f"transcribe-{number}", at, name, consumed=None, produced=f"s3:{request_id}")
        made += 1
        if made < count and chance.random() < 0.75:
            yield _invocation(
                chance, f"summarize-{number}", at + 90 * MS, name, consumed=f"s3:{request_id}", produced=None
            )
            made += 1


def without_payloads(body: bytes) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    for span in request.resource_spans[0].scope_spans[0].spans:
        kept = [pair for pair in span.attributes if pair.key not in PAYLOADS]
        del span.attributes[:]
        span.attributes.extend(kept)
    return request.SerializeToString()


def log_export(trace_id: bytes, span_id: bytes, at_ns: int, lines: int) -> bytes:
    """The log lines of one invocation."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for line in range(lines):
        records.add(
            trace_id=trace_id,
            span_id=span_id,
            time_unix_nano=at_ns + line * MS,
            severity_text="INFO",
            body=AnyValue(string_value=f"step {line} of {lines} done"),
        )
    return request.SerializeToString()


def _invocation(
    chance: random.Random, function: str, at: int, name: str, *, consumed: str | None, produced: str | None
) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        _pairs(
            {
                "service.name": function,
                "faas.name": function,
                "faas.version": "$LATEST",
                "faas.instance": f"2026/11/20/[$LATEST]{chance.randbytes(16).hex()}",
                "faas.max_memory": 256 * 1024 * 1024,
                "cloud.provider": "aws",
                "cloud.platform": "aws_lambda",
                "cloud.region": REGION,
                "cloud.account.id": ACCOUNT,
                "host.arch": "arm64",
                "process.runtime.name": "cpython",
                "process.runtime.version": "3.12.4",
                "telemetry.distro.name": "clew",
            }
        )
    )
    spans = resource_spans.scope_spans.add().spans
    trace_id, root = chance.randbytes(16), chance.randbytes(8)
    duration = int(chance.lognormvariate(4, 0.6) * MS)
    failed = chance.random() < 0.05
    invocation = spans.add(
        trace_id=trace_id,
        span_id=root,
        name=function,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=at,
        end_time_unix_nano=at + duration,
    )
    invocation.attributes.extend(
        _pairs(
            {
                "faas.invocation_id": _uuid(chance),
                "faas.trigger": "datasource",
                "faas.coldstart": chance.random() < 0.02,
                "cloud.resource_id": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
                "clew.trigger.type": "s3",
                "clew.trigger.resource": "arn:aws:s3:::" + ("transcripts" if consumed else "audio"),
                "clew.link.keys": [consumed or f"s3:{chance.randbytes(8).hex()}"],
                "clew.lambda.timeout": 3_000,
                "clew.lambda.max_memory_used": chance.randrange(70, 120) * 1024 * 1024,
                "clew.event": json.dumps(
                    {"Records": [{"s3": {"object": {"key": name}}, "id": chance.randbytes(300).hex()}]}
                ),
                "clew.return_value": json.dumps({"job": name}),
            }
        )
    )
    for index, (service, operation, resource) in enumerate(CALLS):
        start = at + (index * duration) // 6
        call = spans.add(
            trace_id=trace_id,
            span_id=chance.randbytes(8),
            parent_span_id=root,
            name=f"{service}.{operation}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start,
            end_time_unix_nano=start + duration // 7,
        )
        attributes: dict[str, object] = {
            "rpc.system.name": "aws-api",
            "rpc.method": f"{service}/{operation}",
            "cloud.region": REGION,
            "aws.request_id": _uuid(chance),
            "http.response.status_code": 200,
            "clew.resource.name": resource,
            "clew.request": json.dumps({"Name": name, "Parameters": chance.randbytes(40).hex()}),
            "clew.response": json.dumps({"Result": chance.randbytes(40).hex()}),
        }
        if service == "S3" and produced:
            attributes["clew.link.keys"] = [produced]
        if failed and service == "Transcribe":
            message = FAILURE.format(name=name)
            attributes["error.type"] = "BadRequestException"
            call.status.code = invocation.status.code = Status.STATUS_CODE_ERROR
            call.status.message = message
            event = invocation.events.add(name="exception", time_unix_nano=start)
            event.attributes.extend(
                _pairs(
                    {
                        "exception.type": "botocore.errorfactory.BadRequestException",
                        "exception.message": message,
                        "exception.stacktrace": STACK.format(line=chance.randrange(9, 12), message=message),
                    }
                )
            )
        call.attributes.extend(_pairs(attributes))
    return request.SerializeToString()


def _uuid(chance: random.Random) -> str:
    text = chance.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _pairs(attributes: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, list):
        found = AnyValue()
        found.array_value.values.extend(_value(item) for item in value)
        return found
    return AnyValue(string_value=str(value))
