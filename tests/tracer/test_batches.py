"""How large a batch was, and which of its records the handler gave back."""

from __future__ import annotations

from typing import Any

import pytest

from clew.batches import failed_records
from clew.records import batch_size, oldest_record
from clew.triggers import find_trigger
from tests.tracer import events
from tests.tracer.events import ACCOUNT, REGION
from tests.tracer.sink import Sink, attributes

SQS = events.sqs("x", "y", "z")
KINESIS = events.kinesis({}, {})
DYNAMODB = {"Records": [events.dynamodb_record({"id": {"S": "1"}})]}
KAFKA = events.kafka(events.kafka_record(15), events.kafka_record(16) | {"partition": 1})


def type_of(event: Any) -> str:
    return find_trigger(event, REGION, ACCOUNT).type


def failures(*ids: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": id} for id in ids]}


@pytest.mark.parametrize(
    ("event", "size"),
    [
        (SQS, 3),
        ([*SQS["Records"]], 3),
        (KINESIS, 2),
        (DYNAMODB, 1),
        (KAFKA, 2),
        (events.rabbit({}, {}), 2),
        (events.active(), 1),
        (events.DOCUMENTDB, 1),
        (events.s3(), None),
        (events.sns("x"), None),
        (events.REST, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_batch_has_a_size(event: Any, size: int | None) -> None:
    """Of triggers that deliver batches, also when it is one record."""
    assert batch_size(event, type_of(event)) == size


def _sent(record: dict[str, Any], field: str, name: str, value: object) -> dict[str, Any]:
    return {**record, field: {**record.get(field, {}), name: value}}


@pytest.mark.parametrize(
    ("records", "oldest_ms"),
    [
        (
            [_sent(SQS["Records"][0], "attributes", "SentTimestamp", ms) for ms in ("1790000000500", "1790000000123")],
            123,
        ),
        ([_sent(SQS["Records"][0], "attributes", "SentTimestamp", "soon"), *SQS["Records"]], None),
        ([_sent(KINESIS["Records"][0], "kinesis", "approximateArrivalTimestamp", 1790000000.25)], 250),
        ([{**KINESIS["Records"][0], "approximateArrivalTimestamp": 1790000000.5}], 500),
        ([_sent(KINESIS["Records"][0], "kinesis", "approximateArrivalTimestamp", float("nan"))], None),
        ([_sent(DYNAMODB["Records"][0], "dynamodb", "ApproximateCreationDateTime", 1790000000)], 0),
        ([_sent(DYNAMODB["Records"][0], "dynamodb", "ApproximateCreationDateTime", True)], None),
        ([_sent(SQS["Records"][0], "attributes", "SentTimestamp", 10**30)], None),
    ],
)
def test_the_oldest_record_tells_how_long_messages_wait(records: list[Any], oldest_ms: int | None) -> None:
    """By the time at which it was sent or arrived, in whichever unit the service gives it."""
    expected = None if oldest_ms is None else 1_790_000_000_000_000_000 + oldest_ms * 1_000_000
    for event in ({"Records": records}, records):  # the latter as Pipes send them
        assert oldest_record(event, type_of(event)) == expected


def test_the_oldest_record_of_kafka() -> None:
    """Its records are in groups; what is no event has none."""
    event = events.kafka(*(events.kafka_record(15) | {"timestamp": 1_790_000_000_000 + number} for number in (7, 3)))
    assert oldest_record(event, type_of(event)) == 1_790_000_000_003_000_000
    assert oldest_record(None, "sqs") is None
    assert oldest_record({"Records": [1, None]}, "sqs") is None


@pytest.mark.parametrize(
    ("event", "result", "failed"),
    [
        (SQS, failures("m1"), ["m1"]),
        (SQS, failures("m1", "m2", "m1"), ["m1", "m2"]),
        (KINESIS, failures("491"), ["491"]),
        (DYNAMODB, failures("111"), ["111"]),
        (KAFKA, failures({"partition": "orders-0", "offset": 15}), ["orders-0/15"]),
        # Taken by Lambda for a success.
        (SQS, None, []),
        (SQS, {}, []),
        (SQS, failures(), []),
        (SQS, {"batchItemFailures": None}, []),
        (SQS, "done", []),
        # Taken by Lambda for the failure of all.
        (SQS, failures(""), ["m0", "m1", "m2"]),
        (SQS, failures("m1", None), ["m0", "m1", "m2"]),
        (SQS, {"batchItemFailures": [{"messageId": "m1"}]}, ["m0", "m1", "m2"]),
        (SQS, {"batchItemFailures": ["m1"]}, ["m0", "m1", "m2"]),
        (SQS, {"batchItemFailures": {"itemIdentifier": "m1"}}, ["m0", "m1", "m2"]),
        (KINESIS, failures(""), ["490", "491"]),
        (DYNAMODB, failures(None), ["111"]),
        (KAFKA, failures(None), ["orders-0/15", "orders-1/16"]),
        # Nobody reads it.
        (events.s3(), failures("m1"), []),
        (events.REST, failures("m1"), []),
        (events.rabbit({}), failures("m1"), []),
        ({"any": "thing"}, failures("m1"), []),
    ],
)
def test_a_result_gives_records_back(event: Any, result: Any, failed: list[str]) -> None:
    """As Lambda reads it: no id that it can read means all of them."""
    assert failed_records(event, result, type_of(event)) == failed


def test_no_more_than_a_thousand_are_named() -> None:
    """Of those that were given back, and of a whole batch."""
    event = events.sqs(*["x"] * 3000)

    assert failed_records(event, failures(*(f"m{n}" for n in range(3000))), "sqs") == [f"m{n}" for n in range(1000)]
    assert failed_records(event, failures(""), "sqs") == [f"m{n}" for n in range(1000)]


def test_an_invocation_tells_what_it_gave_back(sink: Sink, trace: Any) -> None:
    """The invocation has not failed: it ran, and says what is to be tried again."""
    trace(lambda event, context: failures("m1"))(SQS, None)

    found = attributes(sink.spans()[0])
    assert found["clew.batch.size"] == 3
    assert found["clew.batch.failed"] == ["m1"]
    assert "error.type" not in found
