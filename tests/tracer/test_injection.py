"""Trace context in what AWS calls send: only beside the caller's own data, and signed with it."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from clew.injection import injected
from tests.tracer.aws_answers import answered, is_signed
from tests.tracer.sink import Sink

CONTEXT = SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=False, trace_flags=TraceFlags(1)
)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
PUBLISHED = b"<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>"
UNAVAILABLE = {
    "sqs": (503, {"__type": "ServiceUnavailable", "message": "wait"}),
    "lambda": (429, {"Type": "User", "message": "Rate exceeded"}),
    "sns": (400, b"<ErrorResponse><Error><Code>Throttling</Code><Message>wait</Message></Error></ErrorResponse>"),
}


class Context:
    aws_request_id = "request-1"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:transcribe"


def run(trace: Any, handler: Any, **environ: str) -> Any:
    return trace(lambda event, context: handler(), **environ)({}, Context())


def expected(sink: Sink, name: str) -> str:
    (span,) = [span for span in sink.spans() if span.name == name]
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"


def text_attribute(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def test_a_message_carries_its_call_as_the_parent(sink: Sink, trace: Any) -> None:
    """What the queue's consumer gets makes its invocation a child of the call; the caller's dict is what it was."""
    queue, answers = answered("sqs", (200, {"MessageId": "m-1"}))
    given = {"QueueUrl": QUEUE, "MessageBody": "x", "MessageAttributes": {"color": text_attribute("red")}}
    before = copy.deepcopy(given)

    run(trace, lambda: queue.send_message(**given))
    parent = expected(sink, "SQS.SendMessage")
    attributes = answers.sent["MessageAttributes"]
    assert attributes == {"color": text_attribute("red"), "traceparent": text_attribute(parent)}
    assert given == before
    assert is_signed(answers.requests[0], "sqs")

    message = {"stringValue": attributes["traceparent"]["StringValue"], "dataType": "String"}
    record = {"eventSource": "aws:sqs", "messageId": "m-1", "body": "x", "messageAttributes": {"traceparent": message}}
    trace(lambda event, context: None)({"Records": [record]}, Context())
    consumer = sink.spans()[-1]
    assert (consumer.trace_id.hex(), consumer.parent_span_id.hex()) == tuple(parent.split("-")[1:3])


@pytest.mark.parametrize(
    ("service", "operation", "given"),
    [
        ("sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": "x"}),
        ("sns", "publish", {"TopicArn": TOPIC, "Message": "x"}),
        ("lambda", "invoke", {"FunctionName": "f", "Payload": b"{}"}),
    ],
)
def test_every_attempt_is_signed_as_it_is_sent(
    sink: Sink, trace: Any, service: str, operation: str, given: dict[str, Any]
) -> None:
    """After errors botocore sends again: the same context, and a signature of just those bytes and headers."""
    trouble, answer = UNAVAILABLE[service], (200, PUBLISHED if service == "sns" else {})
    client, answers = answered(service, trouble, trouble, answer)
    run(trace, lambda: getattr(client, operation)(**given) and None)

    assert len(answers.requests) == 3
    assert all(is_signed(request, service) for request in answers.requests)
    assert len({request.body for request in answers.requests}) == 1
    assert len({request.headers.get("X-Amz-Client-Context") for request in answers.requests}) == 1
    plain, before = answered(service, answer)
    getattr(plain, operation)(**given)
    if service == "lambda":  # whose place is a header, which the signature includes
        assert before.requests[0].body == answers.requests[0].body
        assert "x-amz-client-context" in str(answers.requests[0].headers["Authorization"])
    else:
        assert before.requests[0].body != answers.requests[0].body


def test_every_message_of_a_batch_has_it(sink: Sink, trace: Any) -> None:
    """Each entry gets the call's context; an entry that has one of its own keeps it."""
    queue, answers = answered("sqs", (200, {"Successful": [], "Failed": []}))
    own = {"TraceParent": text_attribute("mine")}
    entries: list[dict[str, Any]] = [
        {"Id": "1", "MessageBody": "a"},
        {"Id": "2", "MessageBody": "b", "MessageAttributes": own},
    ]
    run(trace, lambda: queue.send_message_batch(QueueUrl=QUEUE, Entries=entries) and None)

    parent = text_attribute(expected(sink, "SQS.SendMessageBatch"))
    assert [entry.get("MessageAttributes") for entry in answers.sent["Entries"]] == [{"traceparent": parent}, own]
    assert "MessageAttributes" not in entries[0]


def test_it_can_be_switched_off(trace: Any) -> None:
    """CLEW_INJECT_CONTEXT=false: requests are the same byte for byte as without the tracer."""
    calls: list[tuple[str, Any, Any]] = [
        ("sqs", lambda one: one.send_message(QueueUrl=QUEUE, MessageBody="x"), {"MessageId": "m"}),
        ("sns", lambda one: one.publish(TopicArn=TOPIC, Message="x"), PUBLISHED),
        ("lambda", lambda one: one.invoke(FunctionName="f", ClientContext="e30="), {}),
    ]
    for service, call, answer in calls:
        client, answers = answered(service, (200, answer))
        call(client)
        run(trace, lambda call=call, client=client: call(client) and None, CLEW_INJECT_CONTEXT="false")
        plain, traced = answers.requests
        assert plain.body == traced.body
        different = {"amz-sdk-invocation-id", "x-amz-date", "authorization"}
        assert {name: value for name, value in plain.headers.items() if name.lower() not in different} == {
            name: value for name, value in traced.headers.items() if name.lower() not in different
        }


def test_what_is_not_sampled_says_so(sink: Sink, trace: Any) -> None:
    """The consumer of an invocation that is not exported is told that its parent is not there."""
    queue, answers = answered("sqs", (200, {"MessageId": "m-1"}))
    run(trace, lambda: queue.send_message(QueueUrl=QUEUE, MessageBody="x") and None, OTEL_TRACES_SAMPLER="always_off")

    value = answers.sent["MessageAttributes"]["traceparent"]["StringValue"]
    assert value.startswith("00-")
    assert int(value[-2:], 16) & 1 == 0
    assert not sink.spans()


@pytest.mark.parametrize(
    ("service", "call", "answer"),
    [
        ("events", lambda one: one.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}]), {}),
        (
            "stepfunctions",
            lambda one: one.start_execution(
                stateMachineArn="arn:aws:states:eu-west-1:123456789012:stateMachine:m", input="{}"
            ),
            {"executionArn": "arn:aws:states:eu-west-1:123456789012:execution:m:1", "startDate": 1},
        ),
        ("s3", lambda one: one.put_object(Bucket="b", Key="k", Body=b"x", Metadata={"a": "b"}), b""),
        ("kinesis", lambda one: one.put_record(StreamName="s", Data=b"x", PartitionKey="p"), {}),
        ("sns", lambda one: one.publish(PhoneNumber="+15550100", Message="x"), PUBLISHED),
        ("sns", lambda one: one.publish(TargetArn=f"{TOPIC[:-6]}endpoint/GCM/app/1", Message="x"), PUBLISHED),
        ("lambda", lambda one: one.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}"), {}),
    ],
)
def test_where_there_is_no_place_for_it_nothing_is_changed(trace: Any, service: str, call: Any, answer: Any) -> None:
    """Details, inputs, records, metadata, text messages and asynchronous invocations are sent as they are."""
    client, answers = answered(service, (200, answer))
    call(client)
    run(trace, lambda: call(client) and None)
    plain, traced = answers.requests
    bodies = [one.body.read() if hasattr(one.body, "read") else one.body for one in (plain, traced)]
    assert bodies[0] == bodies[1]
    assert set(plain.headers) == set(traced.headers)


def test_a_stubbers_expectation_is_of_what_the_handler_gave(trace: Any) -> None:
    """A function's own test that names the parameters it expects passes with the tracer too."""
    queue, _ = answered("sqs")
    given = {"QueueUrl": QUEUE, "MessageBody": "x"}
    with Stubber(queue) as stub:
        stub.add_response("send_message", {"MessageId": "m"}, given)
        assert run(trace, lambda: queue.send_message(**given)["MessageId"]) == "m"


def test_lambdas_runtime_finds_it(sink: Sink, trace: Any) -> None:
    """Lambda's own context object gives it by `w3c()` and hides it; `custom` is there to be looked into."""
    client, answers = answered("lambda", (200, {}))
    run(trace, lambda: client.invoke(FunctionName="f") and None)
    carried = json.loads(base64.b64decode(answers.requests[0].headers["X-Amz-Client-Context"]))

    context = LambdaContext("id", carried, None, 0)
    assert context.w3c() == {"traceparent": expected(sink, "Lambda.Invoke")}
    assert context.client_context.custom == {}


def test_a_client_context_of_the_callers_own_is_kept_byte_for_byte() -> None:
    """Blanks, order, odd numbers and repeated names stay; one member is added."""
    own = ' {"custom": {"b": 1.0, "a": 1e2, "a": "ä"},\n "env": null } '
    encoded = base64.b64encode(own.encode()).decode()
    changed = injected("lambda", "Invoke", {"FunctionName": "f", "ClientContext": encoded}, CONTEXT)
    whole = base64.b64decode(changed["ClientContext"]).decode()

    assert whole.startswith(own.rstrip()[:-1])
    assert json.loads(whole)["w3c"] == {"traceparent": TRACEPARENT}
    empty = injected("lambda", "Invoke", {"ClientContext": base64.b64encode(b"{}").decode()}, CONTEXT)
    assert json.loads(base64.b64decode(empty["ClientContext"])) == {"w3c": {"traceparent": TRACEPARENT}}


@pytest.mark.parametrize(
    "given",
    [
        {"InvocationType": "Event"},
        {"InvocationType": "DryRun"},
        {"DurableExecutionName": "once"},
        {"ClientContext": "not base64!"},
        {"ClientContext": base64.b64encode(b"[1]").decode()},
        {"ClientContext": base64.b64encode(b'{"w3c": {"traceparent": "mine"}}').decode()},
        {"ClientContext": base64.b64encode(b'{"custom": "' + b"x" * 2600 + b'"}').decode()},
        {"ClientContext": "A" * 100_000},
        {"ClientContext": 7},
        {"ClientContext": None},
        {"ClientContext": ""},
    ],
)
def test_client_contexts_that_are_left_alone(given: dict[str, Any]) -> None:
    """Of invocations that have none, that are the caller's to repeat, or that are no JSON or would be too long."""
    params = {"FunctionName": "f", **given}
    assert injected("lambda", "Invoke", params, CONTEXT) is params


def test_attributes_end_at_ten() -> None:
    """SQS takes ten. A state goes with its parent or not at all."""
    context = SpanContext(1, 2, False, TraceFlags(1), TraceState([("vendor", "x")]))
    for count, names in [(8, {"traceparent", "tracestate"}), (9, {"traceparent"}), (10, set()), (11, set())]:
        given = {"MessageBody": "x", "MessageAttributes": {str(n): text_attribute("v") for n in range(count)}}
        attributes = injected("sqs", "SendMessage", given, context)["MessageAttributes"]
        assert set(attributes) - set(given["MessageAttributes"]) == names


@pytest.mark.parametrize("size", [960, 1024, 2000, 260_000, 1_000_000])
def test_a_message_near_a_limit_is_left_alone(size: int) -> None:
    """Neither SQS' limit nor a queue's own, which is a multiple of 1,024 bytes, is passed because of the tracer."""
    given = {"MessageBody": "x" * size}
    assert injected("sqs", "SendMessage", given, CONTEXT) is given
    assert injected("sqs", "SendMessage", {"MessageBody": "x" * 1100}, CONTEXT)["MessageAttributes"]


plain: Any = st.none() | st.integers() | st.text(max_size=8) | st.binary(max_size=8)
message: Any = st.dictionaries(
    st.sampled_from(["MessageBody", "Message", "MessageAttributes"]),
    plain | st.dictionaries(st.sampled_from(["a", "traceparent"]), plain | st.just({"StringValue": 1}), max_size=2),
    max_size=3,
)
odd: Any = plain | message | st.lists(plain | message, max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(
        [("sqs", "SendMessage"), ("sqs", "SendMessageBatch"), ("sns", "PublishBatch"), ("lambda", "Invoke")]
    ),
    st.dictionaries(st.sampled_from(["Entries", "MessageAttributes", "ClientContext", "MessageBody"]), odd),
)
def test_odd_parameters_are_neither_changed_nor_a_failure(operation: tuple[str, str], params: dict[str, Any]) -> None:
    """botocore will say what is wrong with them; without what was added they are the caller's."""
    before = copy.deepcopy(params)
    after = injected(*operation, params, CONTEXT)
    assert params == before
    for name, value in before.items():
        if name == "MessageAttributes" and isinstance(value, dict):
            assert value.items() <= after[name].items()
        elif name not in {"Entries", "ClientContext"}:
            assert after[name] == value
