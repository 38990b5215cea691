"""A span for what is made most often: a call's, within an invocation that is recorded.

OpenTelemetry's own asks a sampler, counts, and keeps lists with locks for events and links: 35 of the 105 µs that a
call once cost in a warm function. This one makes the same finished span of OpenTelemetry's public class.
"""

from __future__ import annotations

from time import time_ns  # now: a function may replace it
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Link

_UNSET = Status()
_TYPES = (str, bool, int, float)
_MAX_EVENTS = 128


class CallSpan(trace.Span):
    """An open client span, which also reads like OpenTelemetry's: for exports of what is not finished.

    `parent` is recorded, local, and of the same provider, so that no sampler needs to be asked. `attributes` is
    the span's from then on.
    """

    def __init__(self, name: str, parent: Any, attributes: dict[str, Any], tracer: Any) -> None:
        above = parent.get_span_context()
        self.name = name
        self.parent: SpanContext = above
        self.context = SpanContext(
            above.trace_id, tracer.id_generator.generate_span_id(), False, above.trace_flags, above.trace_state
        )
        self.attributes = attributes
        self.events: list[Any] = []
        self.links: list[Link] = []
        self.kind = SpanKind.CLIENT
        self.status = _UNSET
        self.resource = parent.resource
        self.instrumentation_scope = tracer._instrumentation_scope
        self.end_time: int | None = None
        self._processor = tracer.span_processor
        self.start_time = time_ns()
        self._processor.on_start(self)

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

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        """From the function's own code, which may give anything: what is no attribute is left out."""
        if self.end_time is not None or type(key) is not str or not key:
            return
        if isinstance(value, (list, tuple)):
            value = [one for one in value if isinstance(one, _TYPES)]
        elif not isinstance(value, _TYPES):
            return
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        if self.end_time is None and len(self.events) < _MAX_EVENTS:
            self.events.append(Event(name, attributes, timestamp))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        if self.end_time is None and len(self.links) < _MAX_EVENTS:
            self.links.append(trace.Link(context, attributes))

    def update_name(self, name: str) -> None:
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self.end_time is None and self.status.status_code is not StatusCode.OK:
            self.status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        details = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**details, **(attributes or {})}, timestamp)
