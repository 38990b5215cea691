"""What stands in for an invocation where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor

from clew.annotations import Annotations
from clew.guard import Guard
from clew.invocation import Invocation
from clew.logs import Lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

    from clew.encoder import LogRecord
    from clew.engine import Engine
    from clew.payload import Payload
    from clew.provider import Provider

_MOST_LINES = 2048
_UNKNOWN = trace.SpanContext(0, 0, False)


class Scope(Invocation):
    """Calls and spans that no invocation is around: they are children of the current span, or roots."""

    def __init__(self, engine: Engine, touch: Callable[[], None]) -> None:
        # Not the invocation's own: that begins a span.
        self._engine = engine
        self.settings = settings = engine.settings
        self.request_id = self._account = ""
        self.span: Span = _Nothing(_UNKNOWN)
        self.context = Context()
        self.annotations = Annotations(self.span, engine.renderer)
        self.lines = ScopeLines(engine, touch) if settings.capture_logs else None

    @property
    def captures_payloads(self) -> bool:
        return self.settings.capture_payloads

    def render(self, value: object, place: str) -> Payload:
        return self._engine.renderer.render(value, place)

    @property
    def waiting(self) -> int:
        """How many lines there are to export."""
        return self.lines.waiting if isinstance(self.lines, ScopeLines) else 0

    def take(self) -> tuple[list[LogRecord], int]:
        """The lines until now, and how many more there were."""
        return self.lines.take() if self.lines is not None else ([], 0)

    def keep(self, records: list[LogRecord]) -> None:
        """Lines that could not be exported now."""
        if isinstance(self.lines, ScopeLines):
            self.lines.keep(records)


class _Nothing(trace.NonRecordingSpan):
    """The span that is not there. It records, so that what asks whether anything is traced goes on."""

    def is_recording(self) -> bool:
        return True


class _Line(list[Any]):
    """A line that knows its span."""

    context: trace.SpanContext = _UNKNOWN


class ScopeLines(Lines):
    """Lines of a process, each of the span that is current where it is printed or logged."""

    def __init__(self, engine: Engine, touch: Callable[[], None]) -> None:
        self._touch = touch
        super().__init__(engine.renderer, _MOST_LINES, 0, 0, 0)

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._records)

    def _add(self, waiting: list[Any]) -> list[Any] | None:
        line = _Line(waiting)
        line.context = trace.get_current_span().get_span_context()
        self._touch()
        return super()._add(line)

    def _finished(self, waiting: list[Any]) -> LogRecord:
        record = super()._finished(waiting)
        context = getattr(waiting, "context", _UNKNOWN)
        if context.is_valid:
            record.trace_id, record.span_id = context.trace_id, context.span_id
            record.trace_flags = int(context.trace_flags)
        return record

    def take(self) -> tuple[list[LogRecord], int]:
        taken = super().take()
        self._taken = self._bytes = 0
        return taken

    def keep(self, records: list[LogRecord]) -> None:
        """What was taken and not exported comes first again."""
        self._records[:0] = records
        self._taken += len(records)
        self._bytes += sum(len(record.body) for record in records)


class _Touching(SpanProcessor):
    """Tells of every span that ends."""

    def __init__(self, touch: Callable[[], None]) -> None:
        self._touch = touch

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002  # the SDK's signature
        self._touch()


def share(provider: Provider, touch: Callable[[], None]) -> None:
    """Be the process's provider, until the program sets one of its own: that then takes the place, as without us."""
    provider.add(_Touching(touch))
    provider.share()
    original = trace.set_tracer_provider

    def set_tracer_provider(tracer_provider: trace.TracerProvider) -> None:
        with Guard("giving way to a tracer provider"):
            if type(trace._TRACER_PROVIDER).__module__ == "clew.provider":
                trace._TRACER_PROVIDER = None
                trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()
        original(tracer_provider)

    trace.set_tracer_provider = set_tracer_provider
