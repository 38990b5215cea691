"""aiobotocore, and OpenTelemetry's own instrumentation of botocore beside the tracer, in Lambda's real runtime."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.tracer.companions import companions
from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes

ROOT = Path(__file__).parents[2]

TOP = """
import asyncio, json, sys
from opentelemetry import trace

def options(address):
    return {"endpoint_url": address, "region_name": "eu-west-1",
            "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
"""


@pytest.fixture(name="other")
def _other() -> Any:
    """An AWS that takes everything, and answers as SQS does to a message."""
    other = Sink()
    other.response_body = b'{"MessageId": "m-1"}'
    yield other
    other.close()


def function(folder: Path, sink: Sink, code: str) -> Lambda:
    paths = [str(folder), str(companions("companions-async")), str(ROOT / "tracer")]
    environ = {
        "PYTHONPATH": os.pathsep.join(paths),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "CLEW_EXPORT_TIMEOUT": "5000",
    }
    return Lambda(folder, TOP + code, environ, timeout=60.0)  # a busy machine imports aiobotocore for seconds


def tree(sink: Sink) -> list[tuple[str, str]]:
    """`(span, parent)` by name, sorted."""
    names = {span.span_id: span.name for span in sink.spans()}
    return sorted((span.name, names.get(span.parent_span_id, "")) for span in sink.spans())


GATHERED = """
import clew
{early}

async def send(sqs, number):
    with trace.get_tracer("test").start_as_current_span(f"part {{number}}"):
        await asyncio.sleep(0.01 * (number % 3))
        answer = await sqs.send_message(QueueUrl="https://h/123456789012/orders", MessageBody=str(number))
        return answer["MessageId"]

async def main(event):
    from aiobotocore.session import get_session
    async with get_session().create_client("sqs", **options(event)) as sqs:
        ids = await asyncio.gather(*(send(sqs, number) for number in range(6)))
        await sqs.send_message(QueueUrl="https://h/123456789012/orders", MessageBody="last")
        return ids

@clew.trace
def handler(event, context):
    return asyncio.run(main(event))
"""


@pytest.mark.parametrize("early", ["", "import aiobotocore.client"], ids=["imported late", "imported first"])
def test_calls_side_by_side_have_their_own_parents(tmp_path: Path, sink: Sink, other: Sink, early: str) -> None:
    """Six calls of one client under way at once: each is under its own span, and carries its own context."""
    with function(tmp_path, sink, GATHERED.format(early=early)) as running:
        answer = running.invoke(other.url)
        assert json.loads(answer.result or b"null") == ["m-1"] * 6, (answer, running.stderr)

    parts = [f"part {number}" for number in range(6)]
    (root,) = [span for span in sink.spans() if not span.parent_span_id]
    assert tree(sink) == sorted(
        [
            *(("SQS.SendMessage", part) for part in parts),
            *((part, root.name) for part in parts),
            ("SQS.SendMessage", root.name),
            (root.name, ""),
        ]
    )
    calls = [span for span in sink.spans() if span.name == "SQS.SendMessage"]
    sent = [json.loads(one.body)["MessageAttributes"]["traceparent"]["StringValue"] for one in other.received]
    assert sorted(value.split("-")[2] for value in sent) == sorted(call.span_id.hex() for call in calls)
    assert {value.split("-")[1] for value in sent} == {root.trace_id.hex()}
    for call in calls:
        found = attributes(call)
        assert found["clew.link.keys"] == ["sqs:m-1"]
        assert found["clew.resource.arn"] == "arn:aws:sqs:eu-west-1:123456789012:orders"
        assert json.loads(found["clew.response"]) == {"MessageId": "m-1"}


FAILED = """
import clew

async def main(event):
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    config = AioConfig(retries={"total_max_attempts": 2, "mode": "standard"})
    async with get_session().create_client("sqs", config=config, **options(event)) as sqs:
        try:
            await sqs.list_queues()
        except sqs.exceptions.ClientError as error:
            failed = error.response["ResponseMetadata"]["HTTPStatusCode"]
        task = asyncio.ensure_future(sqs.list_queues())
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return failed

@clew.trace
def handler(event, context):
    return asyncio.run(main(event))
"""


def test_failures_and_what_is_cancelled(tmp_path: Path, sink: Sink, other: Sink) -> None:
    """The status and the retries of a failure; a task that was cancelled is a failure of that name."""
    other.behaviour = "error"
    with function(tmp_path, sink, FAILED) as running:
        assert running.invoke(other.url).result == b"500", running.stderr

    first, second = [attributes(span) for span in sink.spans() if span.name == "SQS.ListQueues"]
    assert (first["http.response.status_code"], first["http.request.resend_count"]) == (500, 1)
    assert second["error.type"] == "CancelledError"


BESIDE = """
import clew
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor, BotocoreInstrumentor

def instrument():
    BotocoreInstrumentor().instrument()
    AiobotocoreInstrumentor().instrument()

{before}

async def later(event):
    from aiobotocore.session import get_session
    async with get_session().create_client("sqs", **options(event)) as sqs:
        await sqs.send_message(QueueUrl="https://h/123456789012/orders", MessageBody="x")

@clew.trace
def handler(event, context):
    import boto3
    sqs = boto3.client("sqs", **options(event))
    sqs.send_message(QueueUrl="https://h/123456789012/orders", MessageBody="x")
    asyncio.run(later(event))
    return "done"

{after}
"""


@pytest.mark.parametrize(("where", "name"), [("before", "clew"), ("after", "opentelemetry.instrumentation.botocore")])
def test_a_call_is_one_span_beside_opentelemetrys_own(
    tmp_path: Path, sink: Sink, other: Sink, where: str, name: str
) -> None:
    """Within the tracer's wrapper the other makes none; around it, its span is the one, with what the tracer adds."""
    both = {"before": "", "after": "", where: "import boto3, aiobotocore.client\ninstrument()"}
    with function(tmp_path, sink, BESIDE.format(**both)) as running:
        assert running.invoke(other.url).result == b'"done"', running.stderr

    spans = [
        (scope.scope.name, span)
        for request in sink.traces()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    (root,) = [span for _, span in spans if not span.parent_span_id]
    calls = [(scope, span) for scope, span in spans if span is not root]
    assert len(calls) == 2
    for scope, span in calls:
        assert scope.startswith(name)
        assert span.parent_span_id == root.span_id
        found = attributes(span)
        assert found["clew.link.keys"] == ["sqs:m-1"]
        assert found["clew.resource.name"] == "orders"
        assert "clew.request" in found
    sent = [json.loads(one.body)["MessageAttributes"]["traceparent"]["StringValue"] for one in other.received]
    assert [value.split("-")[2] for value in sent] == [span.span_id.hex() for _, span in calls]
