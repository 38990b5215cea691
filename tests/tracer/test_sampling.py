"""Which invocations are exported where a share is asked for."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import Status, StatusCode

from clew import engine
from clew.sampling import Sampling
from tests.tracer.sink import Sink, attributes

QUEUE = {
    "Records": [
        {
            "messageId": "m1",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
            "body": "x",
        }
    ]
}


def tracer() -> otel.Tracer:
    """This test's own: OpenTelemetry's is that of the process's first test."""
    assert engine._engine is not None
    return engine._engine.provider.tracer


def fine(event: Any, context: Any) -> Any:
    return "fine"


def fails(event: Any, context: Any) -> Any:
    raise ValueError("no")


def calls_in_vain(event: Any, context: Any) -> Any:
    with tracer().start_as_current_span("call") as span:
        span.set_status(Status(StatusCode.ERROR))


def reports(event: Any, context: Any) -> Any:
    otel.get_current_span().add_event("clew.issue", {"clew.issue.type": "odd"})


def lasts(event: Any, context: Any) -> Any:
    time.sleep(0.05)


def run(traced: Any, event: Any) -> None:
    with contextlib.suppress(ValueError):
        traced(event, None)


@pytest.mark.parametrize(
    ("handler", "kept"), [(fine, False), (fails, True), (calls_in_vain, True), (reports, True), (lasts, True)]
)
def test_what_tells_something_is_always_kept(sink: Sink, trace: Any, handler: Any, kept: bool) -> None:
    """The first of a kind is; after that failures of any sort and what is slow. It stands for itself alone."""
    traced = trace(handler, CLEW_SAMPLE_RATIO="0", CLEW_SAMPLE_SLOW="40" if handler is lasts else "60000")
    for _ in range(3):
        run(traced, {})

    roots = [span for span in sink.spans() if span.kind == 2]
    assert len(roots) == (3 if kept else 1)
    assert {attributes(span)["clew.sampling.ratio"] for span in roots} == {1.0}


def test_a_new_kind_is_kept_once(sink: Sink, trace: Any) -> None:
    """Another trigger is another kind, and so is another resource."""
    traced = trace(fine, CLEW_SAMPLE_RATIO="0", CLEW_SAMPLE_SLOW="60000")
    other = {"Records": [{**QUEUE["Records"][0], "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:returns"}]}
    for event in ({}, QUEUE, {}, QUEUE, other, other, QUEUE):
        traced(event, None)

    found = [attributes(span).get("clew.trigger.resource", "")[-7:] for span in sink.spans()]
    assert found == ["", ":orders", "returns"]


def test_what_is_left_out_is_not_lost(sink: Sink, trace: Any) -> None:
    """It is counted nowhere, and neither its spans nor its lines come with the next one."""

    def handler(event: Any, context: Any) -> None:
        print("line")  # noqa: T201  # that is what is captured
        with tracer().start_as_current_span("step"):
            if event.get("fail"):
                raise ValueError("no")

    traced = trace(handler, CLEW_SAMPLE_RATIO="0", CLEW_SAMPLE_SLOW="60000")
    for event in ({}, {}, {}, {"fail": True}):
        run(traced, event)

    spans = sink.spans()
    assert sorted(span.name for span in spans) == ["step", "step", "transcribe", "transcribe"]
    assert len(sink.lines()) == 2
    assert not any("clew.dropped.spans" in attributes(span) for span in spans)
    running = engine._engine
    assert running is not None
    assert running.delivery.dropped_spans == running.delivery.dropped_logs == 0


def test_functions_of_one_trace_decide_alike(sink: Sink, trace: Any) -> None:
    """The share is of traces: each is kept by all functions or by none."""
    headers = [
        f"00-{number:016x}{number * 0x9E3779B97F4A7C15 % 2**64:016x}-00f067aa0ba902b7-01" for number in range(1, 61)
    ]
    kept = []
    for _ in range(2):
        traced = trace(fine, CLEW_SAMPLE_RATIO="0.5", CLEW_SAMPLE_SLOW="60000")
        traced({}, None)  # the first of its kind
        sink.received.clear()
        for header in headers:
            traced({"headers": {"traceparent": header}, "requestContext": {"http": {}}, "version": "2.0"}, None)
        kept.append({span.trace_id for span in sink.spans()[1:]})
        assert {attributes(span)["clew.sampling.ratio"] for span in sink.spans()[1:]} == {0.5}

    assert kept[0] == kept[1]
    assert 15 < len(kept[0]) < 45


def test_the_share_is_what_was_asked_for() -> None:
    """As in OpenTelemetry, by the lower half of the trace's id."""
    sampling = Sampling(0.25, 1.0)
    ids = [number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128 for number in range(1, 4001)]

    assert sum(sampling.certain(one, 0.0) for one in ids) == pytest.approx(1000, abs=60)
    assert all(sampling.certain(one, 1.0) for one in ids)
    assert all(Sampling(1.0, 1.0).certain(one, 0.0) for one in ids)
    assert not any(Sampling(0.0, 1.0).certain(one, 0.0) for one in ids)


def test_everything_is_kept_unless_asked(sink: Sink, trace: Any) -> None:
    """And then no attribute says that it was sampled."""
    traced = trace(fine)
    for _ in range(3):
        traced({}, None)

    assert ["clew.sampling.ratio" in attributes(span) for span in sink.spans()] == [False] * 3
