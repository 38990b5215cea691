"""Link keys of events: every id in them, however deep a service wrapped it."""

from __future__ import annotations

from typing import Any

import pytest

from clew.consumed_keys import consumed_keys
from clew.items import item_key
from clew.triggers import find_trigger
from tests.tracer import events
from tests.tracer.events import ACCOUNT, REGION, TABLE

S3 = ["s3:S3ID", "s3-object:audio/a b/c.txt"]
S3_BRIDGE = ["eventbridge:e1", "s3:S3ID", "s3-object:audio/a+b.txt"]
KEYS = {"id": {"S": "1"}}
IMAGE = {"id": {"S": "1"}, "n": {"N": "1.50"}}
KEY = item_key("", TABLE, KEYS)
WHOLE = item_key("", TABLE, IMAGE)
STATES = f"states:{events.EXECUTION}"
DURABLE = f"durable:{events.FUNCTION}:3/durable-execution/order-7/9f1c"
SENT = {"mail": {"messageId": "sent1"}, "notificationType": "Bounce"}


def keys_of(event: Any) -> list[str]:
    return consumed_keys(event, find_trigger(event, REGION, ACCOUNT))


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (events.s3(), S3),
        (events.sqs("x", "y"), ["sqs:m0", "sqs:m1"]),
        (events.sqs(events.notification("x")), ["sqs:m0", "sns:n1"]),
        (events.sqs(events.eventbridge()), ["sqs:m0", "eventbridge:e1"]),
        (events.sqs(events.s3()), ["sqs:m0", *S3]),
        (events.sqs(events.notification(events.s3())), ["sqs:m0", "sns:n1", *S3]),
        (events.sqs(events.notification(events.eventbridge())), ["sqs:m0", "sns:n1", "eventbridge:e1"]),
        (events.sqs(events.S3_EVENTBRIDGE), ["sqs:m0", *S3_BRIDGE]),
        (events.sqs(events.dynamodb_record(KEYS)), ["sqs:m0", KEY]),
        (events.sqs(events.destination(requestPayload={})), ["sqs:m0", "lambda-result:i1"]),
        (events.sqs(events.BATCH_DESTINATION), ["sqs:m0", "lambda-result:i1"]),
        (events.sqs(events.notification(events.destination())), ["sqs:m0", "sns:n1", "lambda-result:i1"]),
        (events.sns(events.s3()), ["sns:n1", *S3]),
        (events.sns(events.eventbridge()), ["sns:n1", "eventbridge:e1"]),
        (events.sns(SENT), ["sns:n1", "ses:sent1"]),
        (events.sns("x", RequestID="i7", ErrorCode="200"), ["sns:n1", "lambda-result:i7"]),
        (
            {"Records": [events.sqs_record("x", messageAttributes=events.sqs_attributes(RequestID="i7"))]},
            ["sqs:m0", "lambda-result:i7"],
        ),
        (events.eventbridge(), ["eventbridge:e1"]),
        (events.S3_EVENTBRIDGE, S3_BRIDGE),
        (events.eventbridge("lambda", events.destination("Success")), ["eventbridge:e1", "lambda-result:i1"]),
        (events.eventbridge("aws.ses", SENT), ["eventbridge:e1", "ses:sent1"]),
        (events.eventbridge("aws.states", {"executionArn": events.EXECUTION}), ["eventbridge:e1", STATES]),
        (events.RULE_SCHEDULE, ["eventbridge:e1"]),
        (events.SCHEDULER, ["eventbridge:e1"]),
        (events.kinesis({}, {}), ["kinesis:clicks/490", "kinesis:clicks/491"]),
        (events.kinesis(events.eventbridge()), ["kinesis:clicks/490", "eventbridge:e1"]),
        (events.kinesis(events.notification("x")), ["kinesis:clicks/490", "sns:n1"]),
        (events.kinesis(b"\xff\x00"), ["kinesis:clicks/490"]),
        (events.FIREHOSE, ["kinesis:clicks/490", "kinesis:clicks/491"]),
        (
            [{"eventSource": "aws:kinesis", "eventSourceARN": events.STREAM, "sequenceNumber": "7", "data": "e30="}],
            ["kinesis:clicks/7"],
        ),
        ({"Records": [events.dynamodb_record(KEYS, IMAGE)]}, [KEY, WHOLE]),
        ({"Records": [events.dynamodb_record(KEYS), events.dynamodb_record(IMAGE)]}, [KEY, WHOLE]),
        ([events.dynamodb_record(KEYS)], [KEY]),
        (
            {"Records": [events.dynamodb_record(KEYS, userIdentity={"principalId": "dynamodb.amazonaws.com"})]},
            [],
        ),
        (events.sqs_record("x"), ["sqs:m0"]),
        ([events.sqs_record("x", 1), events.sqs_record(events.s3(), 2)], ["sqs:m1", "sqs:m2", *S3]),
        (events.REST, ["apigateway:r1"]),
        (events.HTTP, ["apigateway:r2"]),
        (events.FUNCTION_URL, ["apigateway:r3"]),
        (events.BALANCER, []),
        (events.APPSYNC_AUTHORIZER, []),
        (events.destination(), ["lambda-result:i1"]),
        (events.BATCH_DESTINATION, ["lambda-result:i1"]),
        (events.durable({"any": "thing"}), [DURABLE]),
        (events.durable(events.sqs("x")), [DURABLE, "sqs:m0"]),
        (events.durable(events.sns("x")), [DURABLE, "sns:n1"]),
        (events.durable(events.REST), [DURABLE, "apigateway:r1"]),
        ({"Execution": {"Id": events.EXECUTION}, "again": events.EXECUTION}, [STATES]),
        ({"a": [{"b": events.EXECUTION}]}, [STATES]),
        (events.SES, ["ses:mail1"]),
        (events.logs(), []),
        (events.EDGE, []),
        (events.kafka(events.kafka_record()), []),
        ({"any": "thing"}, []),
        (None, []),
    ],
)
def test_an_event_tells_its_keys(event: Any, keys: list[str]) -> None:
    """Those of every service that had a part in it, in the order of its records."""
    assert keys_of(event) == keys


def test_a_whole_batch_has_a_key_for_every_record() -> None:
    """Ten thousand records give ten thousand keys, and bodies beyond the budget cost none of them."""
    event = events.sqs(*[{"TopicArn": events.TOPIC, "filler": "x" * 500}] * 10_000)

    assert [key for key in keys_of(event) if key.startswith("sqs:")] == [f"sqs:m{n}" for n in range(10_000)]


def test_a_whole_batch_of_changes_has_the_key_of_every_item() -> None:
    """Whole items are digested for the first hundred of them only."""
    records = [
        events.dynamodb_record({"id": {"N": str(n)}}, {"id": {"N": str(n)}, "a": {"S": "x"}}) for n in range(300)
    ]
    found = keys_of({"Records": records})

    assert {item_key("", TABLE, {"id": {"N": f"{n}.0"}}) for n in range(300)} <= set(found)
    assert len(found) == 400


def test_an_endless_envelope_ends() -> None:
    """A message in a message in a message …"""
    inner: Any = "x"
    for _ in range(12):
        inner = events.notification(inner)

    assert keys_of(events.sns(inner)) == ["sns:n1"]


def test_ids_of_another_kind_are_none() -> None:
    """A key is text of a length that a key may have."""
    event = events.sqs("x", "y", "z")
    event["Records"][0]["messageId"] = 7
    event["Records"][1]["messageId"] = "x" * 5000

    assert keys_of(event) == ["sqs:m2"]
