"""The tracer's own spans do what OpenTelemetry's own do, whatever is written on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from clew.encoder import encode_spans
from clew.lean_span import LeanSpan, SpanBuffer, Told, put, start_call, start_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

SENDER = SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(1))


ODD: Any = object()


def _fail(span: Span) -> None:
    try:
        json.loads("{")
    except ValueError as error:
        span.record_exception(error, {"order": 7}, timestamp=5)


WRITTEN: dict[str, Callable[[Span], object]] = {
    "attributes": lambda span: span.set_attributes({"a": 1, "b": "x", "c": 2.5, "d": True, "e": ["x", "y"]}),
    "an attribute again": lambda span: (span.set_attribute("a", 1), span.set_attribute("a", 2)),
    "no attributes": lambda span: span.set_attributes({"": 1, "a": ODD, "b": [1, "x"]}),
    "too many attributes": lambda span: [span.set_attribute(f"a{number}", number) for number in range(300)],
    "an event": lambda span: span.add_event("retry", {"attempt": 2, "odd": ODD}, timestamp=5),
    "a link": lambda span: span.add_link(SENDER, {"why": "batch"}),
    "a name": lambda span: span.update_name("other"),
    "a status": lambda span: span.set_status(StatusCode.ERROR, "broken"),
    "a whole status": lambda span: span.set_status(Status(StatusCode.ERROR, "broken")),
    "a status that is final": lambda span: (span.set_status(StatusCode.OK), span.set_status(StatusCode.ERROR, "late")),
    "a status that is none": lambda span: (span.set_status(StatusCode.ERROR, "x"), span.set_status(StatusCode.UNSET)),
    "an exception": _fail,
    "something after its end": lambda span: (span.end(30), span.set_attribute("late", 1), span.add_event("late")),
}


def _provider() -> tuple[TracerProvider, InMemorySpanExporter]:
    provider, kept = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return provider, kept


def _told(kept: InMemorySpanExporter) -> dict[str, Any]:
    (span,) = kept.get_finished_spans()
    told: dict[str, Any] = json.loads(span.to_json())
    told["context"].pop("span_id")
    return told


@pytest.mark.parametrize("write", WRITTEN.values(), ids=list(WRITTEN))
def test_what_is_written_on_them_reads_as_on_opentelemetrys(write: Callable[[Span], object]) -> None:
    """To the letter of the JSON that the SDK makes of the finished span."""
    around = trace.set_span_in_context(trace.NonRecordingSpan(SENDER))
    told = []
    for lean in (False, True):
        provider, kept = _provider()
        tracer = provider.get_tracer("clew")
        links = [trace.Link(SENDER, {})]
        span: Span | None
        if lean:
            span = start_root(tracer, "orders", around, links, 10)
        else:
            span = tracer.start_span("orders", around, SpanKind.SERVER, links=links, start_time=10)
        assert span is not None
        write(span)
        span.end(20)
        told.append(_told(kept))

    assert told[0] == told[1]


def test_a_root_has_a_trace_of_its_own() -> None:
    """With the flags that the SDK gives one, and no parent."""
    provider, _ = _provider()
    tracer = provider.get_tracer("clew")
    own, lean = tracer.start_span("orders"), start_root(tracer, "orders", None, [], 10)

    assert lean is not None
    assert lean.parent is None
    assert lean.get_span_context().is_valid
    assert lean.get_span_context().trace_flags == own.get_span_context().trace_flags


def test_there_is_none_below_what_is_not_sampled() -> None:
    """Whoever sent the parent decided that."""
    provider, _ = _provider()
    unsampled = trace.NonRecordingSpan(SpanContext(7, 9, is_remote=True))

    assert start_root(provider.get_tracer("clew"), "orders", trace.set_span_in_context(unsampled), [], 10) is None


def test_our_own_attributes_join_those_of_the_function() -> None:
    """In whatever order they come; after the end none does."""
    provider, kept = _provider()
    told = Told("s3.GetObject", SpanKind.CLIENT, {"cloud.region": "eu-west-1"})
    span = start_call(provider.get_tracer("clew"), SENDER, told, {"ours": 1})
    span.set_attribute("theirs", 2)
    put(span, {"ours": 3, "more": [4]})
    span.end(20)
    put(span, {"ours": 5})

    assert _told(kept)["attributes"] == {"cloud.region": "eu-west-1", "ours": 3, "theirs": 2, "more": [4]}
    assert told.attributes == {"cloud.region": "eu-west-1"}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=list(WRITTEN))
@pytest.mark.parametrize("kind", ["invocation", "called", "call", "nested"])
def test_their_bytes_are_those_of_opentelemetrys(kind: str, write: Callable[[Span], object]) -> None:
    """Encoded by themselves, in fewer steps, or as any other span."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanBuffer(10))
    tracer = provider.get_tracer("clew", "1")
    around = trace.set_span_in_context(trace.NonRecordingSpan(SENDER))
    span = start_root(tracer, "orders", around if kind == "called" else Context(), [], 10)
    assert span is not None
    told = Told("S3.GetObject", SpanKind.CLIENT, {"cloud.region": "eu-west-1", "rpc.method": "S3/GetObject"})
    for _ in range(["call", "nested"].index(kind) + 1 if kind in {"call", "nested"} else 0):
        span = start_call(tracer, span, told, {})
    put(span, {"clew.link.keys": ["a", "b"], "http.response.status_code": 200})
    write(span)
    put(span, {"clew.response": "{}"})
    span.end(20)
    ended: Any = span

    assert encode_spans(b"", [ended]) == encode_spans(b"", [span.readable()])


def test_no_other_span_is_made_where_nobody_asks() -> None:
    """A buffer alone gets the span itself; beside another processor it gets what that gets."""
    provider, kept = _provider()
    buffer = SpanBuffer(10)
    alone = TracerProvider(shutdown_on_exit=False)
    for one in (provider, alone):
        one.add_span_processor(buffer)
        span = start_root(one.get_tracer("clew"), "orders", Context(), [], 10)
        assert span is not None
        assert list(buffer.open.values()) == [span]
        span.end(20)
        assert not buffer.open

    readable, lean = buffer.take()
    assert type(lean) is LeanSpan
    assert isinstance(readable, ReadableSpan)
    assert kept.get_finished_spans() == (readable,)
