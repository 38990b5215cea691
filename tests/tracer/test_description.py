"""When an event is described, and that it is told as it was before the handler."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as otel
from opentelemetry.attributes import BoundedAttributes

from clew import description, engine, invocation, lean_span
from clew.description import snapshot
from tests.tracer.sink import Sink, attributes

ORDER = {
    "version": "2.0",
    "rawPath": "/orders",
    "requestContext": {"apiId": "a1", "domainName": "a", "http": {"method": "POST", "path": "/orders"}},
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_a_snapshot_is_the_event(event: Any) -> None:
    """Whatever JSON holds, and none of its parts is the event's own."""
    kept = snapshot(event)

    assert kept is not None
    assert repr(kept.event()) == repr(event)
    if isinstance(event, list | dict):
        assert kept.event() is not event


class Around(dict[str, Any]):
    """What Powertools puts around an event."""


def deep() -> Any:
    event: Any = []
    for _ in range(5000):
        event = [event]
    return event


@pytest.mark.parametrize("event", [Around(a=1), {"a": object()}, {"a": Around()}, deep(), "x" * 1_000_001])
def test_what_cannot_be_kept(event: Any) -> None:
    """It is described before the handler."""
    assert snapshot(event) is None


@pytest.mark.parametrize("room", ["", "x" * 1_000_001])
def test_a_handler_may_change_its_event(sink: Sink, trace: Any, room: str) -> None:
    """What it leaves behind is no part of what set it off, however large that was."""

    def handler(event: dict[str, Any], context: object) -> None:
        event["requestContext"]["http"]["method"] = "DELETE"
        event["rawPath"] = "/elsewhere"
        del event["version"]

    event = {**json.loads(json.dumps(ORDER)), "room": room}
    trace(handler)(event, None)

    (span,) = sink.spans()
    found = attributes(span)
    assert (found["http.request.method"], found["url.path"]) == ("POST", "/orders")
    assert found["clew.event"].startswith('{"version":"2.0","rawPath":"/orders"')
    assert event["rawPath"] == "/elsewhere"


def test_the_event_of_a_handler_that_fails(sink: Sink, trace: Any) -> None:
    def handler(event: dict[str, Any], context: object) -> None:
        event.clear()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        trace(handler)({"id": 7}, None)

    (span,) = sink.spans()
    assert attributes(span)["clew.event"] == '{"id":7}'
    assert attributes(span)["error.type"] == "ValueError"


def test_after_the_handler(sink: Sink, trace: Any) -> None:
    """What the event tells is not yet on the span while the handler runs; the export has it."""

    def handler(event: object, context: object) -> None:
        running = engine.running()
        assert running is not None
        seen.append(dict(running.span.attributes))  # type: ignore[attr-defined]  # of the tracer's own class

    seen: list[dict[str, Any]] = []
    trace(handler)({"id": 7}, None)

    (span,) = sink.spans()
    assert seen == [{}]
    assert attributes(span)["clew.event"] == '{"id":7}'


def test_it_is_described_once(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever comes first, the handler's end or an export before: the other waits for it."""
    described: list[object] = []

    class Slow(description.Description):
        __slots__ = ()

        def __init__(self, event: object, *rest: Any) -> None:
            described.append(event)
            begun.set()
            assert go_on.wait(20)
            super().__init__(event, *rest)

    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(invocation, "Description", Slow)
    traced = trace(lambda event, context: None)

    def early() -> None:
        running = engine.running()
        assert running is not None
        running.describe()

    def handler(event: object, context: object) -> None:
        other = threading.Thread(target=early)
        other.start()
        assert begun.wait(20)
        threading.Timer(0.1, go_on.set).start()

    traced = trace(handler)
    traced({"id": 7}, None)

    (span,) = sink.spans()
    assert described == [{"id": 7}]
    assert attributes(span)["clew.event"] == '{"id":7}'


REST = {
    "resource": "/{proxy+}",
    "path": "/orders/7",
    "httpMethod": "GET",
    "requestContext": {"apiId": "a1", "stage": "prod", "domainName": "a", "requestId": "r1"},
}


def test_what_the_function_wrote_stays(sink: Sink, trace: Any) -> None:
    """A framework knows the route better than the gateway in front of it."""

    def handler(event: object, context: object) -> None:
        otel.get_current_span().set_attribute("http.route", "/orders/{id}")

    trace(handler)(dict(REST), None)

    (span,) = sink.spans()
    assert attributes(span)["http.route"] == "/orders/{id}"
    assert attributes(span)["clew.trigger.type"] == "apigateway"


def test_a_limit_leaves_out_what_came_first(sink: Sink, trace: Any) -> None:
    """Not what the function wrote later."""

    def handler(event: object, context: object) -> None:
        for number in range(10):
            otel.get_current_span().set_attribute(f"own.{number}", number)

    trace(handler, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="16")(dict(REST), None)

    (span,) = sink.spans()
    assert {f"own.{number}" for number in range(10)} <= set(attributes(span))


def test_a_function_that_ends_its_own_span(sink: Sink, trace: Any) -> None:
    """It is exported with what ended next, and tells what the event does."""

    def handler(event: dict[str, Any], context: object) -> None:
        if "resource" in event:
            otel.get_current_span().end()

    traced = trace(handler)
    traced(dict(REST), None)
    traced({}, None)

    assert [attributes(span)["clew.trigger.type"] for span in sink.spans()] == ["apigateway", "direct"]


def test_while_the_function_writes_on_its_span(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint comes in the midst of it: neither loses what the other writes."""

    class Slow(BoundedAttributes):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            if running := engine.running():
                other = threading.Thread(target=running.describe)
                other.start()
                other.join()

    def handler(event: object, context: object) -> None:
        otel.get_current_span().set_attribute("own", 1)

    monkeypatch.setattr(lean_span, "BoundedAttributes", Slow)
    trace(handler)(dict(REST), None)

    (span,) = sink.spans()
    assert attributes(span)["own"] == 1
    assert attributes(span)["clew.trigger.type"] == "apigateway"


def test_a_signal_calls_a_traced_handler_meanwhile(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the thread that describes, which must not wait for itself."""

    class Interrupted(description.Description):
        __slots__ = ()

        def __init__(self, event: object, *rest: Any) -> None:
            if event == {"outer": 1}:
                signal.raise_signal(signal.SIGUSR1)
            super().__init__(event, *rest)

    monkeypatch.setattr(invocation, "Description", Interrupted)
    traced = trace(lambda event, context: None)

    def late(number: int, frame: object) -> None:
        raise TimeoutError("it waits for itself")

    before = signal.signal(signal.SIGUSR1, lambda *_: traced({"inner": 1}, None)), signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    try:
        traced({"outer": 1}, None)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGALRM, before[1])

    assert {attributes(span)["clew.event"] for span in sink.spans()} == {'{"outer":1}', '{"inner":1}'}


def test_a_copy_that_cannot_be_read(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as where the handler left no memory: what the event does not tell is told all the same."""

    def event(self: description.Snapshot) -> object:
        raise MemoryError("no room")

    monkeypatch.setattr(description.Snapshot, "event", event)
    trace(lambda event, context: "done")(dict(REST), type("Context", (), {"aws_request_id": "r1"})())

    (span,) = sink.spans()
    found = attributes(span)
    assert (found["faas.invocation_id"], found["clew.return_value"]) == ("r1", '"done"')
    assert "clew.trigger.type" not in found
