"""Spans for what is made most often: invocations and calls that are recorded whatever a sampler would say.

OpenTelemetry's own asks a sampler, counts, checks every attribute, and keeps lists with locks for events and links: a
third of what an invocation without calls took before its response, and of a call. These make the same finished span of
OpenTelemetry's public class, and do as its own does wherever the function's code writes on them.
"""

from __future__ import annotations

from time import time_ns  # now: a function may replace it
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link

_UNSET = Status()
# OpenTelemetry's own limits.
_MAX_ATTRIBUTES = _MAX_EVENTS = 128
_SAMPLED = TraceFlags.SAMPLED
_RANDOM: int = getattr(TraceFlags, "RANDOM_TRACE_ID", 0)  # an SDK of before 2026 knows no such flag


def start_root(
    tracer: Any, name: str, around: Context | None, links: Sequence[Link], start_time: int
) -> LeanSpan | None:
    """A server span below what `around` (by default the current context) holds, or a trace's first; None if whoever
    sent its parent does not sample.
    """
    parent: SpanContext | None = trace.get_current_span(around).get_span_context()
    if parent is None or not parent.is_valid:
        parent = None
        ids = tracer.id_generator
        context = SpanContext(
            ids.generate_trace_id(), ids.generate_span_id(), False, TraceFlags(_SAMPLED | _RANDOM), None
        )
    elif not parent.trace_flags & _SAMPLED:
        return None
    else:
        context = _below(parent, tracer)
    span = LeanSpan(tracer, name, context, parent, SpanKind.SERVER, {}, start_time)
    span.links += links
    span.begin(around)
    return span


def start_call(tracer: Any, name: str, parent: SpanContext, attributes: dict[str, Any]) -> LeanSpan:
    """A client span. `parent` is recorded, local, and of the same provider. `attributes` is the span's from then on."""
    span = LeanSpan(tracer, name, _below(parent, tracer), parent, SpanKind.CLIENT, attributes, time_ns())
    span.begin(None)
    return span


def put(span: trace.Span, attributes: Mapping[str, Any]) -> None:
    """Attributes of the tracer's own, which are what attributes may be: of a lean span that is not asked again."""
    if type(span) is LeanSpan and span.end_time is None and type(span.attributes) is dict:
        span.attributes.update(attributes)
    else:
        span.set_attributes(attributes)


class LeanSpan(trace.Span):
    """An open span, which also reads like OpenTelemetry's: for exports of what is not finished."""

    def __init__(  # noqa: PLR0917  # what a span consists of
        self,
        tracer: Any,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int,
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.kind = kind
        self.attributes: Any = attributes
        self.events: list[Any] = []
        self.links: list[Link] = []
        self.status = _UNSET
        self.resource = tracer.resource
        self.instrumentation_scope = tracer._instrumentation_scope
        self.start_time = start_time
        self.end_time: int | None = None
        self._processor = tracer.span_processor

    def begin(self, around: Context | None) -> None:
        self._processor.on_start(self, parent_context=around)

    def end(self, end_time: int | None = None) -> None:
        if self.end_time is not None:
            return
        self.end_time = end_time if end_time is not None else time_ns()
        self._processor.on_end(
            ReadableSpan(
                self.name,
                self.context,
                self.parent,
                self.resource,
                self.attributes,
                self.events,
                self.links,
                self.kind,
                status=self.status,
                start_time=self.start_time,
                end_time=self.end_time,
                instrumentation_scope=self.instrumentation_scope,
            )
        )

    def get_span_context(self) -> SpanContext:
        return self.context

    def is_recording(self) -> bool:
        return self.end_time is None

    # What follows is called by the function's own code, which may give anything.

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        if self.end_time is None:
            if type(self.attributes) is dict:
                self.attributes = BoundedAttributes(_MAX_ATTRIBUTES, self.attributes, immutable=False)
            self.attributes[key] = value

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        if self.end_time is None and len(self.events) < _MAX_EVENTS:
            self.events.append(Event(name, BoundedAttributes(_MAX_ATTRIBUTES, attributes), timestamp))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        if self.end_time is None and len(self.links) < _MAX_EVENTS:
            self.links.append(trace.Link(context, BoundedAttributes(_MAX_ATTRIBUTES, attributes)))

    def update_name(self, name: str) -> None:
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self.end_time is not None or self.status.status_code is StatusCode.OK:
            return
        chosen = status if isinstance(status, Status) else Status(status, description)
        if chosen.status_code is not StatusCode.UNSET:
            self.status = chosen

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        from traceback import format_exception  # noqa: PLC0415  # a failure

        kind = type(exception)
        module = "" if kind.__module__ in {None, "builtins"} else f"{kind.__module__}."
        details = {
            "exception.type": f"{module}{kind.__qualname__}",
            "exception.message": str(exception),
            "exception.stacktrace": "".join(format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**details, **(attributes or {})}, timestamp)


def _below(parent: SpanContext, tracer: Any) -> SpanContext:
    flags = TraceFlags(_SAMPLED | parent.trace_flags & _RANDOM)
    return SpanContext(parent.trace_id, tracer.id_generator.generate_span_id(), False, flags, parent.trace_state)
