"""What the compression dictionary is made of: OTLP messages as senders write them today, with made-up values."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.dictionary_words import ACCOUNT, CALLS, EVENTS, OPERATIONS, OTHERS, REGION

AT_NS = 1_800_000_000_000_000_000
YEAR_NS = 31_536_000_000_000_000
SAMPLED = 0x103  # a span's flags: it is sampled, and its parent is in this process
NAMES = ("accounts", "basket", "catalog", "documents", "emails", "factories", "games", "houses", "ideas", "keys")
REGIONS = (REGION, "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-2")
_Call = tuple[str, str, Mapping[str, object], Mapping[str, object]]  # service, operation, what is given and got
_MESSAGE = "An error occurred (AccessDeniedException) when calling the GetItem operation: "
_NAMED: list[_Call] = [(name.partition(".")[0], name.partition(".")[2], {}, {}) for name in OPERATIONS]


def samples(count: int) -> Iterator[bytes]:
    """Exports as they come: most are of one invocation, half of those with payloads."""
    chance = random.Random(1)
    for _ in range(count):
        kind = chance.random()
        if kind < 0.03:
            yield _logs(chance)
        elif kind < 0.06:
            yield _other_languages(chance)
        else:
            calls: Sequence[_Call] = chance.choices([*CALLS, *CALLS, *_NAMED], k=min(15, int(chance.expovariate(0.2))))
            event = chance.choice(EVENTS) if kind < 0.5 else None
            yield _invocation(chance, calls, event, failed=chance.random() < 0.05)


def _invocation(
    chance: random.Random,
    calls: Sequence[_Call],
    event: Mapping[str, object] | None,
    *,
    failed: bool,
) -> bytes:
    """As Clew's own tracer sends it, without payloads where there is no event."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    region, function = chance.choice(REGIONS), f"{chance.choice(NAMES)}-{chance.choice(NAMES)}"
    resource_spans.resource.CopyFrom(_resource(chance, function, region))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "clew", "0.1.0"
    trace_id, root = chance.randbytes(16), chance.randbytes(8)
    begun = at = AT_NS + chance.randrange(YEAR_NS)
    for service, operation, given, got in calls:
        name = chance.choice(NAMES)
        attributes: dict[str, object] = {
            "rpc.system.name": "aws-api",
            "rpc.method": f"{service}/{operation}",
            "cloud.region": region,
        }
        if service == "DynamoDB":
            attributes["aws.dynamodb.table_names"] = [name]
        attributes["clew.resource.name"] = name
        if service in {"DynamoDB", "SQS", "Lambda"}:
            attributes["clew.resource.arn"] = f"arn:aws:{service.lower()}:{region}:{ACCOUNT}:{name}"
        if event is not None:
            attributes["clew.request"] = json.dumps(given, separators=(",", ":"))
        attributes["aws.request_id"] = chance.randbytes(8).hex().upper() if service == "S3" else _uuid(chance)
        attributes["http.response.status_code"] = 200
        if service in {"S3", "SQS", "SNS", "Lambda"}:
            attributes["clew.link.keys"] = [f"{service.lower()}:{attributes['aws.request_id']}"]
        if event is not None:
            attributes["clew.response"] = json.dumps(got, separators=(",", ":"))
        at += int(chance.lognormvariate(1, 1) * 1_000_000)
        begin, at = at, at + int(chance.lognormvariate(2, 1) * 1_000_000)
        scope_spans.spans.add(
            trace_id=trace_id,
            span_id=chance.randbytes(8),
            parent_span_id=root,
            name=f"{service}.{operation}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=begin,
            end_time_unix_nano=at,
            attributes=_pairs(attributes),
            flags=SAMPLED,
        )
    at += int(chance.lognormvariate(1, 1) * 1_000_000)
    attributes = {
        "faas.trigger": "datasource",
        "faas.coldstart": False,
        "clew.trigger.type": "s3",
        "faas.invocation_id": _uuid(chance),
        "cloud.resource_id": f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function}",
        "clew.trigger.resource": f"arn:aws:s3:::{chance.choice(NAMES)}",
        "clew.lambda.timeout": 1000 * chance.choice((3, 10, 30, 60, 900)),
        "clew.batch.size": 1,
        "clew.link.keys": [f"s3:{chance.randbytes(8).hex().upper()}"],
        "clew.lambda.cpu_time": chance.uniform(1, 100),
        "clew.lambda.max_memory_used": chance.randrange(40, 250) << 20,
        "clew.lambda.tmp_used": 0,
    }
    if event is not None:
        attributes["clew.event"] = json.dumps(event, separators=(",", ":"))
        attributes["clew.return_value"] = json.dumps({"statusCode": 200, "headers": {}, "body": "{}"})
    if failed:
        attributes["error.type"] = "ValueError"
        attributes["clew.lambda.initialization_type"] = "on-demand"
        attributes["clew.lambda.init_duration"] = chance.uniform(100, 1000)
    span = scope_spans.spans.add(
        trace_id=trace_id,
        span_id=root,
        name=function,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=begun,
        end_time_unix_nano=at,
        attributes=_pairs(attributes),
        flags=SAMPLED,
    )
    if failed:
        span.status.code = Status.STATUS_CODE_ERROR
        failure = span.events.add(name="exception", time_unix_nano=at)
        stack = 'Traceback (most recent call last):\n  File "/var/task/app.py", line 1, in handler\n    '
        failure.attributes.extend(
            _pairs(
                {
                    "exception.type": "botocore.exceptions.ClientError",
                    "exception.message": _MESSAGE,
                    "exception.stacktrace": stack + "raise error_class(parsed_response, operation_name)\n",
                }
            )
        )
    return request.SerializeToString()


def _resource(chance: random.Random, function: str, region: str) -> Resource:
    return Resource(
        attributes=_pairs(
            {
                "telemetry.distro.name": "clew",
                "telemetry.distro.version": "0.1.0",
                "telemetry.sdk.version": "1.40.0",
                "telemetry.sdk.language": "python",
                "telemetry.sdk.name": "opentelemetry",
                "process.runtime.name": "cpython",
                "process.runtime.version": "3.13.1",
                "cloud.provider": "aws",
                "cloud.platform": "aws_lambda",
                "cloud.region": region,
                "faas.name": function,
                "faas.version": "$LATEST",
                "faas.instance": f"2026/{chance.randrange(1, 13):02}/{chance.randrange(1, 29):02}/[$LATEST]"
                f"{chance.randbytes(16).hex()}",
                "faas.max_memory": chance.choice((128, 256, 512, 1024, 1769)) << 20,
                "host.arch": chance.choice(("amd64", "arm64")),
                "service.name": function,
            }
        )
    )


def _other_languages(chance: random.Random) -> bytes:
    """As OpenTelemetry's SDKs and Lambda layers send it."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(_pairs(OTHERS[0]))
    spans = resource_spans.scope_spans.add()
    spans.scope.name = "@opentelemetry/instrumentation-http"
    for attributes in OTHERS[1:]:
        spans.spans.add(
            trace_id=chance.randbytes(16),
            span_id=chance.randbytes(8),
            parent_span_id=chance.randbytes(8),
            name="GET",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=AT_NS,
            end_time_unix_nano=AT_NS,
            attributes=_pairs(attributes),
        )
    return request.SerializeToString()


def _logs(chance: random.Random) -> bytes:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.CopyFrom(_resource(chance, "function", REGION))
    records = resource_logs.scope_logs.add()
    records.scope.name = "clew"
    for severity in ("ERROR", "WARN", "INFO"):
        records.log_records.add(
            time_unix_nano=AT_NS,
            trace_id=chance.randbytes(16),
            span_id=chance.randbytes(8),
            severity_text=severity,
            body=AnyValue(string_value=" "),
            attributes=_pairs({"faas.invocation_id": _uuid(chance)}),
        )
    return request.SerializeToString()


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(bytes=chance.randbytes(16), version=4))


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
