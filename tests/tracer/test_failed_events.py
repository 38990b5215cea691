"""What Lambda sends on of invocations that failed: destinations' records and dead letters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clew.consumed_keys import consumed_keys
from clew.failed_events import MAX_FAILURES, failed_events
from clew.triggers import find_trigger
from tests.tracer import events
from tests.tracer.events import ACCOUNT, FUNCTION, REGION
from tests.tracer.sink import Sink, attributes

LATEST = f"{FUNCTION}:$LATEST"
GAVE_UP = "2026-05-28T10:00:00.000Z"
FAILED = {
    "request_id": "i1",
    "function": LATEST,
    "condition": "RetriesExhausted",
    "attempts": 3,
    "error_code": "200",
    "function_error": "Unhandled",
    "time": GAVE_UP,
}
REFUSED = {
    "request_id": "i1",
    "function": LATEST,
    "condition": "EventAgeExceeded",
    "attempts": 0,
    "error_code": "429",
    "time": GAVE_UP,
}
LETTER = {"request_id": "i7", "error_code": "429", "error_message": "Rate Exceeded."}


def letter(request_id: str = "i7", code: str = "429", message: str = "Rate Exceeded.") -> dict[str, Any]:
    """A message of a dead-letter queue: its body is the event, as it was."""
    told = events.sqs_attributes(**events.dead_letter(code, message, request_id))
    sent = {"ApproximateReceiveCount": "1", "SentTimestamp": "1779962400000"}
    return events.sqs_record({"any": "event"}, messageAttributes=told, attributes=sent)


def read(event: Any) -> list[dict[str, Any]]:
    results: list[Any] = []
    consumed_keys(event, find_trigger(event, REGION, ACCOUNT), results)
    return [json.loads(failure) for failure in failed_events(results, str)]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (events.destination(), [FAILED]),
        (events.THROTTLED_DESTINATION, [REFUSED]),
        (events.sqs(events.THROTTLED_DESTINATION, events.destination()), [REFUSED, FAILED]),
        (events.sqs(events.notification(events.THROTTLED_DESTINATION)), [REFUSED]),
        (events.sns(events.THROTTLED_DESTINATION), [REFUSED]),
        (events.eventbridge("lambda", events.THROTTLED_DESTINATION), [REFUSED]),
        (events.BATCH_DESTINATION, [{**FAILED, "condition": "RetryAttemptsExhausted"}]),
        ({"Records": [letter()]}, [{**LETTER, "time": "1779962400000"}]),
        ({"Records": [letter("a", "200", "no"), letter("b")]},
         [
             {"request_id": "a", "error_code": "200", "error_message": "no", "time": "1779962400000"},
             {**LETTER, "request_id": "b", "time": "1779962400000"},
         ]),
        (events.sns("x", **events.dead_letter()), [LETTER]),
        (events.sqs(events.notification("x", **events.dead_letter())), [LETTER]),
        (events.sns("x", **events.dead_letter(code="", message="Function not invoked.")),
         [{"request_id": "i7", "error_message": "Function not invoked."}]),
        (events.destination("Success"), []),
        (events.sns("x", RequestID="mine"), []),
        (events.sqs("x"), []),
        (events.REST, []),
    ],
)  # fmt: skip
def test_what_lambda_tells(event: Any, told: list[dict[str, Any]]) -> None:
    """One for each message that holds a failed invocation; none of one's own attribute with the same name."""
    assert read(event) == told


def test_a_batch_tells_of_a_hundred() -> None:
    """And links all of them."""
    event = {"Records": [letter(f"r{number}") for number in range(500)]}

    assert [failure["request_id"] for failure in read(event)] == [f"r{number}" for number in range(MAX_FAILURES)]
    assert len(consumed_keys(event, find_trigger(event, REGION, ACCOUNT))) == 501


def test_an_invocation_tells_it_masked(sink: Sink, trace: Any) -> None:
    """The message of a dead letter is what the function raised."""
    told = events.sns("x", **events.dead_letter("200", "login failed: password=hunter2 " + "x" * 2_000))
    trace(lambda event, context: None)(told, None)

    found = attributes(sink.spans()[0])
    (failure,) = map(json.loads, found["clew.trigger.failures"])
    assert failure["request_id"] == "i7"
    assert failure["error_message"].startswith("login failed: password=****")
    assert len(failure["error_message"]) == 256
    assert "lambda-result:i7" in found["clew.link.keys"]
