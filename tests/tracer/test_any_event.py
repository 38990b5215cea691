"""Whatever an event holds: reading it never raises, never changes it, and gives what a span can hold."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.batches import failed_records
from clew.consumed_keys import consumed_keys
from clew.failed_events import failed_events
from clew.propagation import Propagation
from clew.records import batch_size, oldest_record
from clew.triggers import Trigger, find_trigger, http_attributes, http_status
from tests.tracer import events

NAMES = [
    *("Records", "requestContext", "detail-type", "source", "detail", "eventSource", "EventSource", "Sns", "body"),
    *("awslogs", "data", "info", "request", "headers", "records", "events", "messages", "messageAttributes", "s3"),
    *("DurableExecutionArn", "traceparent", "kinesis", "dynamodb", "Keys", "userPoolId", "session", "context", "bot"),
    *("RequestID", "ErrorCode", "ErrorMessage", "functionArn", "condition", "responseContext", "timestamp", "Value"),
    *("cf", "config", "attributes", "AWSTraceHeader", "mail", "tasks", "batchItemFailures", "itemIdentifier"),
]
WORDS = [
    *("aws:s3", "aws:sqs", "aws:sns", "aws:kinesis", "aws:dynamodb", "aws:kafka", "aws:rmq", "aws:amq", "aws:docdb"),
    *("aws:ses", "aws.s3", "Scheduled Event", events.PARENT, events.EXECUTION, events.TABLE, "arn:", "H4sIAAAA", "eyJ"),
    '{"TopicArn": "x", "Type": "Notification"}',
    "\ud800",
]


class Opaque:
    """What is no JSON, and the same in a copy."""

    def __deepcopy__(self, _: Any) -> Opaque:
        return self


OPAQUE = Opaque()
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
    | st.binary(max_size=4)
    | st.just(OPAQUE)
)
KEYS = st.sampled_from(NAMES) | st.text(max_size=4) | st.integers() | st.none()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
SENT = [
    value
    for name, value in vars(events).items()
    if name.isupper() and isinstance(value, dict) and name not in {"HEADERS", "MULTI_HEADERS"}
] + [
    events.s3(),
    events.sqs("x", events.s3(), events.notification(events.eventbridge(), traceparent=events.PARENT)),
    events.sns(events.s3(), traceparent=events.PARENT),
    events.eventbridge("lambda", events.destination()),
    {"Records": [events.sqs_record("x", messageAttributes=events.sqs_attributes(**events.dead_letter()))]},
    events.sns("x", **events.dead_letter()),
    events.kinesis({}, events.eventbridge()),
    {"Records": [events.dynamodb_record({"id": {"S": "1"}}, {"n": {"N": "1"}, "l": {"L": [{"SS": ["a"]}]}})]},
    events.kafka(events.kafka_record(traceparent=events.PARENT), events.kafka_record()),
    events.rabbit({"headers": {"traceparent": {"bytes": [1]}}}),
    events.active(traceparent=events.PARENT),
    events.logs(),
    events.durable(events.sqs("x")),
    [events.sqs_record("x")],
    [events.RESOLVER],
]
PROPAGATION = Propagation(("tracecontext", "baggage"))


def read(event: Any, result: Any) -> None:
    """All that an invocation asks of an event."""
    before = copy.deepcopy(event)
    trigger = find_trigger(event, "eu-west-1", "123456789012")
    assert isinstance(trigger, Trigger)
    assert all(isinstance(part, str) for part in (trigger.type, trigger.faas, trigger.resource))
    PROPAGATION.parent(event, event)
    PROPAGATION.links(event)
    assert all(isinstance(value, str) for value in http_attributes(event, trigger).values())
    results: list[Any] = []
    assert all(isinstance(key, str) for key in consumed_keys(event, trigger, results))
    assert all(isinstance(json.loads(one).get("request_id", ""), str) for one in failed_events(results, str))
    assert all(isinstance(key, str) for key in consumed_keys(event, Trigger("sqs", "pubsub")))
    assert isinstance(batch_size(event, trigger.type), (int, type(None)))
    assert all(
        isinstance(oldest_record(event, kind), (int, type(None))) for kind in ("sqs", "kinesis", "dynamodb", "kafka")
    )
    for kind in ("sqs", "kinesis", "dynamodb", "kafka", trigger.type):
        assert all(isinstance(id, str) for id in failed_records(event, result, kind))
    assert isinstance(http_status(result, trigger), (int, type(None)))
    assert repr(event) == repr(before)


@settings(max_examples=300, deadline=None)
@given(VALUES, VALUES)
def test_any_value_can_be_an_event(event: Any, result: Any) -> None:
    """A function may be called with anything, by anybody."""
    read(event, result)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_any_part_of_an_event_can_be_odd(data: st.DataObject) -> None:
    """What a service sends, with one part replaced: its shape is nobody's promise."""
    event = copy.deepcopy(data.draw(st.sampled_from(SENT)))
    value: Any = event
    holder: Any = None
    name: Any = None
    for _ in range(data.draw(st.integers(1, 8))):
        if not isinstance(value, (dict, list)) or not value:
            break
        holder = value
        name = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        value = value[name]
    assert holder is not None
    holder[name] = data.draw(VALUES)
    read(event, {"batchItemFailures": [{"itemIdentifier": data.draw(VALUES)}]})
