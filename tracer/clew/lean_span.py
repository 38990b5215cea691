"""Spans for what is made most often: invocations and calls that are recorded whatever a sampler would say.

OpenTelemetry's own asks a sampler, counts, checks every attribute, and keeps lists with locks for events and links: a
third of what an invocation without calls took before its response, and of a call. These make the same finished span of
OpenTelemetry's public class, and do as its own does wherever the function's code writes on them.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from time import time_ns  # now: a function may replace it
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from clew.contexts import SPAN_KEY, current_context
from clew.protobuf import block, key_values, utf8, varint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link

_UNSET = Status()
# OpenTelemetry's own limits.
_MAX_ATTRIBUTES = _MAX_EVENTS = 128
_SAMPLED = TraceFlags.SAMPLED
# Of OTLP's fields: ids in the order of the network, times and flags in protobuf's.
_IDS = Struct(">2sQQ2sQ2sQ").pack
_ROOT_IDS = Struct(">2sQQ2sQ").pack
_TIMES = Struct("<BQBQ").pack
_FLAGS = Struct("<2sI").pack
_LOW = (1 << 64) - 1
# SpanFlags: the low byte is W3C's trace flags; these two say that "is remote" is known, and that it is true.
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_RANDOM: int = getattr(TraceFlags, "RANDOM_TRACE_ID", 0)  # an SDK of before 2026 knows no such flag


@lru_cache(maxsize=16)
def _titled(name: str, kind: SpanKind) -> bytes:
    """Name and kind, encoded."""
    return block(b"\x2a", utf8(name)) + b"\x30" + varint(kind.value + 1)


class Told:
    """What is told alike of many spans, encoded once: the name, the kind and the first attributes."""

    __slots__ = ("attributes", "encoded", "name", "titled")

    def __init__(self, name: str, kind: SpanKind, attributes: dict[str, Any]) -> None:
        self.name = name
        self.attributes = attributes
        self.titled = _titled(name, kind)
        self.encoded = key_values(b"\x4a", attributes)


class SpanBuffer(SpanProcessor):
    """A span processor that keeps the spans of the running invocation: the open ones, and those that ended.

    Where it is the only processor, the tracer's own spans come and go without one (see `LeanSpan`).
    """

    def __init__(self, max_spans: int) -> None:
        self._max_spans = max_spans
        self.keeps_roots = False  # of a program: what began a trace of its own is kept whatever the number
        self.open: dict[int, Any] = {}
        self.ended: list[Any] = []
        self.dropped = 0

    def on_start(self, span: trace.Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # the SDK's
        self.open[span.get_span_context().span_id] = span

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is None:
            return
        self.open.pop(context.span_id, None)
        if context.trace_flags.sampled:
            self.keep(span)

    def keep(self, span: ReadableSpan | LeanSpan) -> None:
        """Have it exported, if there is room."""
        if len(self.ended) < self._max_spans or self._kept_always(span):
            self.ended.append(span)
        else:
            self.dropped += 1

    def _kept_always(self, span: ReadableSpan | LeanSpan) -> bool:
        """Whether it is an invocation, or what stands for one."""
        root = span.parent is None or span.parent.is_remote
        return root and (self.keeps_roots or span.kind is SpanKind.SERVER)

    def take(self) -> list[Any]:
        """The spans that ended since the last call."""
        ended, self.ended = self.ended, []
        return ended

    def take_dropped(self) -> int:
        """How many ended that there was no room for, since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    def shutdown(self) -> None:
        """Nothing is kept beyond an invocation."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002  # the SDK's signature
        """The end of the invocation exports, within its bound; a flush by the handler has nothing to wait for."""
        return True


def start_root(
    tracer: Any, name: str, around: Context | None, links: Sequence[Link], start_time: int
) -> LeanSpan | None:
    """A server span below what `around` (by default the current context) holds, or a trace's first; None if whoever
    sent its parent does not sample.
    """
    context = current_context() if around is None else around
    parent = trace.get_current_span(context).get_span_context() if SPAN_KEY in context else None
    if parent is None or not parent.is_valid:
        span = LeanSpan(tracer, None, SpanKind.SERVER, start_time)
    elif not parent.trace_flags & _SAMPLED:
        return None
    else:
        span = LeanSpan(tracer, parent, SpanKind.SERVER, start_time)
    span.name = name
    if links:
        span.links = list(links)
    span.begin(around)
    return span


def start_call(tracer: Any, parent: SpanContext | LeanSpan, told: Told, attributes: dict[str, Any]) -> LeanSpan:
    """A client span. `parent` is recorded, local, and of the same provider. `attributes`, besides those that are
    `told`, are the span's from then on.
    """
    span = LeanSpan(tracer, parent, SpanKind.CLIENT, time_ns())
    span.name = told.name
    span.told = told
    span.own = attributes
    span.begin(None)
    return span


def put(span: trace.Span, attributes: dict[str, Any]) -> None:
    """Attributes of the tracer's own, which are what attributes may be: of a lean span that is not asked again."""
    if type(span) is LeanSpan and span.end_time is None and type(span.own) is dict:
        span.own.update(attributes)
    else:
        span.set_attributes(attributes)


def describe(span: trace.Span, attributes: dict[str, Any]) -> None:
    """The same of what an event tells, at any time and in one step, because the function may be writing on the span in
    another thread, or have ended it. What the function itself has written stays.
    """
    if type(span) is LeanSpan:
        span.described = attributes
    else:
        span.set_attributes(attributes)


class LeanSpan(trace.Span):
    """A span, which also reads like OpenTelemetry's finished ones: for exports of what is not finished, and because
    making one of those takes as long as all the rest of a span.
    """

    is_remote = False  # as a parent, which a SpanContext may be too

    def __init__(self, tracer: Any, parent: SpanContext | LeanSpan | None, kind: SpanKind, start_time: int) -> None:
        self._tracer = tracer
        self._parent = parent
        self._context: SpanContext | None = None
        if parent is None:
            self.trace_id: int = tracer.id_generator.generate_trace_id()
            self.trace_flags: int = _SAMPLED | _RANDOM
            self.trace_state: Any = None
        else:
            self.trace_id = parent.trace_id
            self.trace_flags = _SAMPLED | parent.trace_flags & _RANDOM
            self.trace_state = parent.trace_state
        self.span_id: int = tracer.id_generator.generate_span_id()
        self.name = ""
        self.kind = kind
        self.told: Told | None = None
        self.described: dict[str, Any] = {}
        self.own: Any = {}
        self.events: Sequence[Any] = ()
        self.links: Sequence[Link] = ()
        self.status = _UNSET
        self.start_time = start_time
        self.end_time: int | None = None

    @property
    def context(self) -> SpanContext:
        """Made when somebody asks: it takes 2 µs, and nobody does for most calls."""
        context = self._context
        if context is None:
            flags = TraceFlags(self.trace_flags)
            context = self._context = SpanContext(self.trace_id, self.span_id, False, flags, self.trace_state)
        return context

    @property
    def parent(self) -> SpanContext | None:
        parent = self._parent
        return parent.context if type(parent) is LeanSpan else parent  # type: ignore[return-value]  # one of both

    @property
    def attributes(self) -> Any:
        if self.told is not None:
            return {**self.told.attributes, **self.own}
        return {**self.described, **self.own} if self.described else self.own

    @property
    def dropped_attributes(self) -> int:
        return self.own.dropped if type(self.own) is BoundedAttributes else 0

    @property
    def resource(self) -> Any:
        return self._tracer.resource

    @property
    def instrumentation_scope(self) -> Any:
        return self._tracer._instrumentation_scope

    def begin(self, around: Context | None) -> None:
        processor = self._tracer.span_processor
        # Our buffer, if the function has added no processor to it.
        processors: Sequence[Any] = getattr(processor, "_span_processors", ())
        if len(processors) == 1 and type(processors[0]) is SpanBuffer:
            processors[0].open[self.span_id] = self
        else:
            processor.on_start(self, parent_context=around)

    def end(self, end_time: int | None = None) -> None:
        if self.end_time is not None:
            return
        self.end_time = end_time if end_time is not None else time_ns()
        processor = self._tracer.span_processor
        processors: Sequence[Any] = getattr(processor, "_span_processors", ())
        if len(processors) == 1 and type(processors[0]) is SpanBuffer:
            buffer = processors[0]
            buffer.open.pop(self.span_id, None)
            buffer.keep(self)
        else:
            processor.on_end(self.readable())

    def readable(self) -> ReadableSpan:
        """As the SDK hands out what has ended."""
        return ReadableSpan(
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

    def is_call(self) -> bool:
        """Whether it is a call's, on which nobody else has written and which did not fail."""
        return self.told is not None and self.status is _UNSET and not (self.events or self.links)

    def encoded(self) -> bytes | None:
        """OTLP's Span, of one that has nothing but attributes; None for `clew.encoder` to go through all of it."""
        if (
            self.events or self.links or self.trace_state or self.status is not _UNSET or type(self.own) is not dict
            or self.end_time is None
        ):  # fmt: skip
            return None
        parent, told = self._parent, self.told
        if told is None:
            titled, known = _titled(self.name, self.kind), b""
        else:
            titled, known = told.titled, told.encoded
        flags = self.trace_flags | _HAS_IS_REMOTE
        high, low = self.trace_id >> 64, self.trace_id & _LOW
        if parent is None:
            ids = _ROOT_IDS(b"\x0a\x10", high, low, b"\x12\x08", self.span_id)
        else:
            ids = _IDS(b"\x0a\x10", high, low, b"\x12\x08", self.span_id, b"\x22\x08", parent.span_id)
            if parent.is_remote:
                flags |= _IS_REMOTE
        return b"".join((
            ids,
            titled,
            _TIMES(0x39, self.start_time & _LOW, 0x41, self.end_time & _LOW),
            known,
            key_values(b"\x4a", {**self.described, **self.own} if self.described else self.own),
            _FLAGS(b"\x85\x01", flags),
        ))  # fmt: skip

    def get_span_context(self) -> SpanContext:
        return self.context

    def is_recording(self) -> bool:
        return self.end_time is None

    def _open(self) -> None:
        """Something of it is no longer what is told alike of others."""
        if self.told is not None:
            self.own, self.told = self.attributes, None

    # What follows is called by the function's own code, which may give anything.

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        if self.end_time is None:
            if type(self.own) is dict:
                self._open()
                self.own = BoundedAttributes(_MAX_ATTRIBUTES, self.own, immutable=False)
            self.own[key] = value

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        if self.end_time is None and len(self.events) < _MAX_EVENTS:
            event = Event(name, BoundedAttributes(_MAX_ATTRIBUTES, attributes), timestamp)
            self.events = [*self.events, event]

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        if self.end_time is None and len(self.links) < _MAX_EVENTS:
            self.links = [*self.links, trace.Link(context, BoundedAttributes(_MAX_ATTRIBUTES, attributes))]

    def update_name(self, name: str) -> None:
        if self.end_time is None:
            self._open()
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
