"""Trace context that comes with events: one parent where there is one sender, links where there are many."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import propagate
from opentelemetry import trace as ot
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from clew.propagation import Propagation, _usual_context
from tests.tracer import events
from tests.tracer.events import PARENT, TRACE
from tests.tracer.sink import Sink

W3C = ("tracecontext", "baggage")
OTHER = "00-11111111111111111111111111111111-2222222222222222-01"
X_RAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
WITH_CONTEXT = events.sqs_attributes(traceparent=PARENT)


def parent_of(event: Any, context: Any = None, names: tuple[str, ...] = W3C) -> str:
    found = Propagation(names).parent(event, context)
    return f"{ot.get_current_span(found).get_span_context().trace_id:032x}" if found is not None else ""


def linked(event: Any) -> list[str]:
    return [f"{link.context.trace_id:032x}" for link in Propagation(W3C).links(event)]


def record(**fields: Any) -> dict[str, Any]:
    return {"Records": [events.sqs_record("x", **fields)]}


@pytest.mark.parametrize(
    "event",
    [
        events.REST,
        {**events.REST, "headers": None},
        {**events.REST, "multiValueHeaders": None},
        events.HTTP,
        events.BALANCER,
        events.BALANCER_MULTI,
        events.LATTICE,
        events.EDGE,
        events.RESOLVER,
        [events.RESOLVER, events.RESOLVER],
        events.APPSYNC_AUTHORIZER,
        {"mine": 1, "headers": {"traceparent": PARENT}},
        record(messageAttributes=WITH_CONTEXT),
        [events.sqs_record("x", messageAttributes=WITH_CONTEXT)],
        events.sns("x", traceparent=PARENT),
        events.sqs(events.notification("x", traceparent=PARENT)),
        events.eventbridge(detail={"traceparent": PARENT, "tracestate": "a=1"}),
        events.sqs(events.eventbridge(detail={"traceparent": PARENT})),
        events.sns(events.eventbridge(detail={"traceparent": PARENT})),
        events.kafka(events.kafka_record(traceparent=PARENT)),
        events.kafka(events.kafka_record(TraceParent=PARENT)),
        [{"eventSource": "aws:kafka", **events.kafka_record(traceparent=PARENT)}],
        events.rabbit({"headers": {"traceparent": {"bytes": events.numbers(PARENT)}}}),
        events.rabbit({"headers": {"traceparent": PARENT}}),
        events.active(traceparent=PARENT),
    ],
)
def test_the_one_sender_is_the_parent(event: Any) -> None:
    """Wherever its service has a place for the fields."""
    assert parent_of(event) == TRACE


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        [],
        "x",
        events.sqs("traceparent"),
        events.eventbridge(detail={"traceparent": "mine"}),
        events.eventbridge(detail={"traceparent": 7}),
        events.eventbridge(detail="x"),
        {"detail": {"traceparent": PARENT}},
        {"traceparent": PARENT},
        {**events.REST, "headers": {"traceparent": "00-0-0-01"}, "multiValueHeaders": None},
        {"headers": ["traceparent"], "requestContext": {}},
        record(messageAttributes={"traceparent": PARENT}),
        record(messageAttributes=[PARENT]),
        events.kafka(events.kafka_record() | {"headers": [{"traceparent": ["a", None]}, "x", None]}),
        events.kafka(events.kafka_record() | {"headers": [{"traceparent": [255, 254]}]}),
        events.rabbit({"headers": {"traceparent": {"bytes": None}}}),
        events.kinesis({"traceparent": PARENT}),
    ],
)
def test_what_is_no_context_is_no_parent(event: Any) -> None:
    """Neither text in the customer's own data nor fields that no propagator would write."""
    assert parent_of(event) == ""


def lambda_context(client_context: Any) -> LambdaContext:
    return LambdaContext("id", client_context, None, 0)


@pytest.mark.parametrize(
    "client_context",
    [
        {"custom": {"traceparent": PARENT}},
        {"w3c": {"traceparent": PARENT}},
        {"custom": {"Traceparent": PARENT, "other": 7}, "env": {}},
        {"custom": {"traceparent": OTHER}, "w3c": {"traceparent": PARENT}},
    ],
)
def test_a_direct_call_carries_it_in_the_client_context(client_context: Any) -> None:
    """As AWS's own runtime client gives it to the handler. It comes before any header in the payload."""
    event = {"headers": {"traceparent": OTHER}}
    assert parent_of(event, lambda_context(client_context)) == TRACE


@pytest.mark.parametrize("client_context", [None, {}, {"custom": None}, {"custom": {"traceparent": 7}}, {"w3c": []}])
def test_a_client_context_without_it_is_none(client_context: Any) -> None:
    """And neither is one of another kind."""
    assert parent_of({}, lambda_context(client_context)) == ""
    assert parent_of({}, SimpleNamespace(client_context=client_context, w3c="x")) == ""


GOOD = r"00-([0-9a-f]{32}|0{32})-([0-9a-f]{16}|0{16})-[0-9a-f]{2}"
ODD = r"[ ]?(00|01|ff|0_)-[0-9a-fA-F_+]{31,33}-(0{16}|[0-9a-f+]{16})-([0-9a-f]{2}|_1)(-x)?"


@given(st.from_regex(GOOD, fullmatch=True) | st.from_regex(ODD, fullmatch=True) | st.text())
def test_what_is_read_at_once_is_read_alike(header: str) -> None:
    """As by OpenTelemetry's own propagator, which takes longer."""
    carrier = {"traceparent": header}
    theirs = ot.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    ours = _usual_context(carrier)

    if ours is not None:
        assert ot.get_current_span(ours).get_span_context() == theirs
    else:
        assert not (theirs.is_valid and header.startswith("00-") and len(header) == 55)


def test_a_batch_has_links() -> None:
    """One for each sender, in order; messages of one sender have one."""
    bodies = [
        events.sqs_record("x", 0, messageAttributes=WITH_CONTEXT),
        events.sqs_record("x", 1, messageAttributes=WITH_CONTEXT),
        events.sqs_record("x", 2),
        events.sqs_record(events.notification("x", traceparent=OTHER), 3),
        events.sqs_record("x", 4, attributes={"AWSTraceHeader": X_RAY}),
    ]
    event = {"Records": bodies}

    assert parent_of(event) == ""
    assert linked(event) == [TRACE, "1" * 32, "5759e988bd862e3fe1be46a994272793"]
    assert linked(bodies) == linked(event)
    assert linked(events.kafka(events.kafka_record(traceparent=PARENT), events.kafka_record(traceparent=OTHER))) == [
        TRACE,
        "1" * 32,
    ]


def test_a_list_is_what_its_first_record_says() -> None:
    """As for the trigger: one that begins with something else is no batch of messages."""
    records = [
        events.sqs_record("x", messageAttributes=events.sqs_attributes(traceparent=one)) for one in (PARENT, OTHER)
    ]

    assert linked(records) == [TRACE, "1" * 32]
    assert linked([None, *records]) == [TRACE, "1" * 32]
    assert linked([{}, *records]) == []
    assert linked({"Records": [{}, *records]}) == [TRACE, "1" * 32]


def test_a_batch_has_no_more_links_than_a_span_may_have() -> None:
    """And a batch of ten thousand is not read to its end for them."""
    senders = [f"00-{number:032x}-2222222222222222-01" for number in range(1, 301)]
    records = [events.sqs_record("x", messageAttributes=events.sqs_attributes(traceparent=one)) for one in senders]

    assert linked({"Records": records}) == [one.split("-")[1] for one in senders[:128]]


@pytest.mark.parametrize("header", [X_RAY, "Root=1-5759e988;Parent=x", "x", "", 7, None])
def test_the_header_of_x_ray_is_a_link_at_most(header: Any) -> None:
    """Its parent may be a segment that no collector of ours has."""
    event = record(attributes={"AWSTraceHeader": header})

    assert parent_of(event) == ""
    assert linked(event) == (["5759e988bd862e3fe1be46a994272793"] if header == X_RAY else [])


def test_an_invocation_of_kafka_is_linked(sink: Sink, trace: Any) -> None:
    """Through the decorator: a batch of two senders belongs to neither's trace, and is linked to both."""
    event = events.kafka(events.kafka_record(traceparent=PARENT), events.kafka_record(traceparent=OTHER))
    before = json.dumps(event)
    trace(lambda event, context: None)(event, None)

    (span,) = sink.spans()
    assert [link.trace_id.hex() for link in span.links] == [TRACE, "1" * 32]
    assert span.trace_id.hex() not in {TRACE, "1" * 32}
    assert json.dumps(event) == before


class Short(TextMapPropagator):
    """A propagator that OTEL_PROPAGATORS may name: `b3: <trace id>-<span id>`."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Any:
        (value,) = getter.get(carrier, "b3") or ["0-0"]
        trace_id, _, span_id = value.partition("-")
        sender = ot.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True)
        return ot.set_span_in_context(ot.NonRecordingSpan(sender), context)

    def inject(self, *_: Any, **__: Any) -> None:
        """Not asked for."""

    @property
    def fields(self) -> set[str]:
        return {"b3"}


@pytest.mark.parametrize(
    "event",
    [
        record(messageAttributes=events.sqs_attributes(b3=f"{TRACE}-2222222222222222")),
        events.sqs(events.notification("x", b3=f"{TRACE}-2222222222222222")),
        events.kafka(events.kafka_record(b3=f"{TRACE}-2222222222222222")),
        {**events.REST, "headers": {"B3": f"{TRACE}-2222222222222222"}},
    ],
)
def test_other_propagators_read_the_same_places(event: Any) -> None:
    """By the names of their own fields."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Short())
    try:
        assert parent_of(event, names=("b3",)) == TRACE
    finally:
        propagate.set_global_textmap(before)
