"""What others write on spans is masked as well: OpenTelemetry's API, its instrumentations, the handler itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from clew import engine, foreign_spans
from tests.tracer.sink import attributes

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from tests.tracer.sink import Sink

SECRET = "hunteR2Zq7x9"


def instrumentation() -> Tracer:
    """Another's tracer, of this test's provider: the process's own is that of the first test."""
    assert engine._engine is not None
    return engine._engine.provider._provider.get_tracer("http")


def test_spans_of_others_are_masked(sink: Sink, trace: Any) -> None:
    """Name, attributes, events, links and status; the rest, and their count of what was dropped, stays."""

    def handler(event: Any, context: object) -> int:
        other = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
        links = [Link(other, {"token": SECRET, "n": 1})]
        with instrumentation().start_as_current_span(f"GET /x?token={SECRET}", links=links) as span:
            span.set_attributes({
                "url.full": f"https://u:{SECRET}@a.example/?access_token={SECRET}&b=1",
                "http.request.header.authorization": [SECRET],
                "http.request.header.x-list": ["a", f"password={SECRET}"],
                "user.password": SECRET,
                "x.api.key": SECRET,
                "aws.s3.key": "shown",
                "messaging.kafka.message.key": "k",
                "db.query.text": "SELECT 1",
                "many": [1, 2],
                "big": "x" * 20_000,
                "ok": True,
            })  # fmt: skip
            span.add_event("sent", {"cookie": SECRET, "n": 1})
            span.set_status(StatusCode.ERROR, f"password={SECRET}")
        return 1

    trace(handler, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="10")(None, None)

    assert not any(SECRET.encode() in one.body for one in sink.received)
    span = next(span for span in sink.spans() if span.name.startswith("GET"))
    shown = attributes(span)
    assert span.name == "GET /x?token=****"
    assert "url.full" not in shown  # the eleventh: the oldest makes room
    assert span.dropped_attributes_count == 1
    assert shown["http.request.header.authorization"] == "****"
    assert shown["http.request.header.x-list"] == ["a", "password=****"]
    assert (shown["aws.s3.key"], shown["messaging.kafka.message.key"]) == ("shown", "k")
    assert (shown["db.query.text"], shown["many"], shown["ok"]) == ("SELECT 1", [1, 2], True)
    assert shown["big"].endswith("…[cut: 20000 bytes]")
    assert attributes(span.events[0]) == {"cookie": "****", "n": 1}
    assert attributes(span.links[0]) == {"token": "****", "n": 1}
    assert span.status.message == "password=****"
    assert span.end_time_unix_nano >= span.start_time_unix_nano > 0


def test_what_the_handler_writes_on_our_span_is_masked(sink: Sink, trace: Any) -> None:
    """Its attributes and the exceptions that it records; ours stay as they are."""

    def handler(event: Any, context: object) -> int:
        span = otel.get_current_span()
        span.set_attribute("user.token", SECRET)
        span.set_attribute("note", f"password={SECRET}")
        span.record_exception(ValueError(f"password={SECRET}"))
        span.add_event("exception", {"exception.message": f"password={SECRET}"})
        for name in ("error.message", "messaging.body", "rpc.request", "cloud.note", "aws.note"):
            span.set_attribute(name, f"password={SECRET}")
        span.set_attribute("aws.secret_access_key", SECRET)
        return 1

    trace(handler)({"rawPath": f"/reset/token={SECRET}", "requestContext": {"http": {"method": "GET"}}}, None)

    (span,) = sink.spans()
    assert not any(SECRET.encode() in one.body for one in sink.received)
    assert attributes(span)["user.token"] == "****"
    assert attributes(span)["note"] == "password=****"
    assert attributes(span.events[0])["exception.message"] == "password=****"
    assert attributes(span)["faas.trigger"]


def test_a_status_and_a_name_that_the_handler_gives_our_span_are_masked(sink: Sink, trace: Any) -> None:
    """Also where it writes nothing else."""

    def handler(event: Any, context: object) -> None:
        span = otel.get_current_span()
        if event["name"]:
            span.update_name(f"login password={SECRET}")
        else:
            span.set_status(otel.Status(otel.StatusCode.ERROR, f"password={SECRET}"))

    trace(handler)({"name": True}, None)
    trace(handler)({"name": False}, None)

    assert not any(SECRET.encode() in one.body for one in sink.received)
    assert [(span.name.startswith("login"), span.status.message) for span in sink.spans()] == [
        (True, ""),
        (False, "password=****"),
    ]


def test_an_error_while_a_span_is_masked_leaves_nothing_of_it(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span that cannot be masked is exported without what it says, never as it is."""

    def broken(*_: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(foreign_spans.SpanMask, "_text", broken)

    def handler(event: Any, context: object) -> int:
        otel.get_current_span().set_attribute("note", SECRET)
        with instrumentation().start_as_current_span("GET") as span:
            span.set_attribute("note", SECRET)
        return 1

    trace(handler)(None, None)

    foreign, own = sink.spans()
    assert (foreign.name, attributes(foreign)) == ("span", {})
    assert (own.name, attributes(own)["clew.event"]) == ("transcribe", "null")
    assert not any(SECRET.encode() in one.body for one in sink.received)


def test_an_export_is_bounded(sink: Sink, trace: Any) -> None:
    """However much others write on spans: what is beyond two million characters is cut short, and says so."""

    def handler(event: Any, context: object) -> int:
        for _ in range(300):
            with instrumentation().start_as_current_span("query") as span:
                span.set_attribute("db.query.text", "x" * 100_000)
        return 1

    trace(handler)(None, None)

    (request,) = [one for one in sink.received if one.path == "/v1/traces"]
    assert len(request.body) < 2_500_000
    texts = [attributes(span)["db.query.text"] for span in sink.spans() if span.name == "query"]
    assert len(texts) == 300
    assert all(text.endswith("…[cut: 100000 bytes]") for text in texts)
    assert len(texts[0]) > 16_000
    assert len(texts[-1]) < 300
