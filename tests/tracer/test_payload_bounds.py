"""The payloads of one invocation are bounded together, and what was left out is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.stub import Stubber

from tests.tracer.sink import attributes

if TYPE_CHECKING:
    from tests.tracer.sink import Sink


def test_calls_beyond_the_room_are_exported_without_payloads(sink: Sink, trace: Any) -> None:
    """Every call is there; those after two million bytes say nothing of what was sent, and the invocation how many."""
    sqs = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"

    def handler(event: Any, context: object) -> int:
        with Stubber(sqs) as stub:
            for _ in range(30):
                stub.add_response("send_message", {"MessageId": "m-1"})
                sqs.send_message(QueueUrl=url, MessageBody="a " * 50_000)
        return 1

    trace(handler, CLEW_PAYLOAD_LIMIT="120000")({"n": 1}, None)

    (request,) = [one for one in sink.received if one.path == "/v1/traces"]
    assert 1_900_000 < len(request.body) < 2_300_000
    *calls, invocation = sink.spans()
    with_payloads = [call for call in calls if "clew.request" in attributes(call)]
    assert len(calls) == 30
    assert len(with_payloads) == 20
    assert all("clew.response" in attributes(call) for call in with_payloads)
    assert attributes(invocation)["clew.dropped.payloads"] == 10
    assert attributes(invocation)["clew.event"] == '{"n":1}'


def test_nothing_is_counted_where_payloads_are_off(sink: Sink, trace: Any) -> None:
    """What was not asked for was not left out."""
    trace(lambda event, context: 1, CLEW_CAPTURE_PAYLOADS="false")({}, None)

    (span,) = sink.spans()
    assert "clew.dropped.payloads" not in attributes(span)
    assert "clew.event" not in attributes(span)
