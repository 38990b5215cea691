"""What is exported keeps to OpenTelemetry's semantic conventions and to docs/attributes.md, names and types."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.semconv import _incubating, attributes

from tests.tracer.sink import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.tracer.sink import Sink

DOCUMENT = Path(__file__).parents[2] / "docs" / "attributes.md"
KINDS = {str: "string", bool: "bool", int: "int", float: "double"}
# Newer than the package that holds the constants.
NEWER = {"rpc.system.name"}


class Context:
    """What Lambda's runtime passes."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    function_name = "transcribe"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:transcribe:live"

    def get_remaining_time_in_millis(self) -> int:
        return 3000


def conventions() -> set[str]:
    """Every attribute that OpenTelemetry's own package names."""
    names = set()
    for package in (attributes, importlib.import_module(f"{_incubating.__name__}.attributes")):
        for module in pkgutil.iter_modules(package.__path__):
            constants = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
            names |= {value for name, value in constants.items() if name.isupper() and isinstance(value, str)}
    return names | NEWER


def documented() -> dict[str, str]:
    """The attributes of the document's tables with their types; empty where the convention's is meant."""
    found = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 3 or not cells[0].startswith("`"):
            continue
        for name in re.findall(r"`([\w.*<>]+)`", re.sub(r"\[.*?\]", "", cells[0])):
            found[name] = cells[1]
    return found


def kind_of(value: Any) -> str:
    if isinstance(value, list):
        kinds = {kind_of(item) for item in value} or {"string"}
        assert len(kinds) == 1, f"{value!r} mixes types"
        return f"{kinds.pop()}[]"
    return KINDS[type(value)]


def allowed(name: str, known: dict[str, str]) -> str | None:
    """The documented type of an attribute, also by a pattern such as `telemetry.sdk.*`; None if it has no entry."""
    for pattern, kind in known.items():
        expression = re.escape(pattern).replace(r"\*", ".+").replace("<key>", ".+")
        if re.fullmatch(expression, name):
            return kind
    return None


def check(entries: Any, known: dict[str, str], standard: set[str]) -> Iterator[str]:
    """What is wrong with the attributes of one resource, span, event or record."""
    for entry in entries:
        value = plain(entry.value)
        kind = allowed(entry.key, known)
        if kind is None and entry.key not in standard:
            yield f"{entry.key} is neither in docs/attributes.md nor in the conventions"
        elif not entry.key.startswith("clew.") and entry.key not in standard:
            yield f"{entry.key} is no name of the conventions"
        elif kind and kind_of(value) not in kind.split(", "):
            yield f"{entry.key} is {kind_of(value)}, documented as {kind}"


EVENTS: dict[str, Any] = {
    "direct": {"name": "Ada"},
    "http": {
        "version": "2.0",
        "routeKey": "GET /pets/{id}",
        "rawPath": "/pets/7",
        "headers": {"user-agent": "curl/8", "host": "x.example"},
        "requestContext": {
            "apiId": "a1b2c3",
            "accountId": "123456789012",
            "stage": "$default",
            "requestId": "JKJaXmPLvHcESHA=",
            "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com",
            "http": {"method": "GET", "path": "/pets/7"},
        },
    },
    "sqs": {
        "Records": [
            {
                "messageId": f"059f36b4-87a3-44ab-83d2-66197547a7d{number}",
                "body": "{}",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
            }
            for number in range(3)
        ]
    },
    "s3": {
        "Records": [
            {
                "eventSource": "aws:s3",
                "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
                "s3": {"bucket": {"name": "uploads", "arn": "arn:aws:s3:::uploads"}, "object": {"key": "a+b.wav"}},
            }
        ]
    },
}


@pytest.mark.parametrize("trigger", EVENTS)
def test_attributes(
    trigger: str, trace: Callable[..., Callable[..., Any]], sink: Sink, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every attribute of resource, spans, events and records has a name and a type that is written down."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")

    def handler(event: Any, context: Any) -> Any:
        client = boto3.client("dynamodb", endpoint_url=aws, region_name="eu-west-1")
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.put_item(TableName="nowhere", Item={"id": {"S": "1"}})
        boto3.client("sqs", endpoint_url=aws, region_name="eu-west-1").create_queue(QueueName="orders")
        boto3.client("s3", endpoint_url=aws, region_name="eu-west-1").list_buckets()
        sys.stdout.write("a line\n")
        raise ValueError("wrong")

    traced = trace(handler, CLEW_CAPTURE_ENVIRONMENT="true", CLEW_CAPTURE_LOCALS="true")
    with pytest.raises(ValueError, match="wrong"):
        traced(EVENTS[trigger], Context())

    known, standard = documented(), conventions()
    assert known["faas.trigger"] == "string"
    assert "faas.invocation_id" in standard
    problems: list[str] = []
    for request in sink.traces():
        for resource in request.resource_spans:
            problems += check(resource.resource.attributes, known, standard)
    for span in sink.spans():
        problems += check(span.attributes, known, standard)
        for event in span.events:
            problems += check(event.attributes, known, standard)
    for record in sink.records():
        problems += check(record.attributes, known, standard)
    assert not problems

    root = next(span for span in sink.spans() if span.kind == Span.SPAN_KIND_SERVER)
    assert {span.name for span in sink.spans()} >= {"DynamoDB.PutItem", "SQS.CreateQueue", "S3.ListBuckets"}
    for span in sink.spans():
        assert span.trace_id == root.trace_id
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.parent_span_id == (b"" if span is root or span.span_id == root.span_id else root.span_id)
