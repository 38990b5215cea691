"""One span of `clew.span`, from its begin to its end. Loads nothing that is not loaded anyway."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from clew.guard import Guard

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from clew.invocation import Invocation

_MAX_NAME = 1024
_MAX_ITEMS = 100
_INT64 = 1 << 63


def begin(name: str, attributes: dict[str, Any]) -> SpanEntry | None:
    """A span under the current one. None where none would be exported: the caller goes on without."""
    engine = sys.modules.get("clew.engine")
    running = getattr(engine, "running", None)
    invocation: Invocation | None = running() if running is not None else None
    if invocation is None:
        invocation = getattr(sys.modules.get("clew.service"), "scope", None)
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None or getattr(api, "SpanKind", None) is None:
        return None
    if invocation is None:
        span = api.get_tracer("clew").start_span(name[:_MAX_NAME])
    elif invocation.span.is_recording():
        span = invocation.start_span(name[:_MAX_NAME], {}, api.SpanKind.INTERNAL)
    else:
        return None
    if not span.is_recording():
        return None
    entry = SpanEntry(span, api, invocation)
    for key, value in attributes.items():
        with Guard("setting an attribute"):  # the span has begun, and goes on without it
            entry.set_attribute(key, value)
    return entry


class SpanEntry:
    """A span that has begun. `api` is the module `opentelemetry.trace`."""

    __slots__ = ("_api", "_invocation", "_span", "_token")

    def __init__(self, span: Span, api: Any, invocation: Invocation | None) -> None:
        self._span = span
        self._api = api
        self._invocation = invocation
        self._token: Any = None

    @property
    def current(self) -> bool:
        return self._api.get_current_span() is self._span

    def attach(self) -> None:
        """Be what new spans are children of."""
        context: Any = sys.modules["opentelemetry.context"]
        self._token = context.attach(self._api.set_span_in_context(self._span))

    def detach(self) -> None:
        token, self._token = self._token, None
        # A generator may be closed in another context than the one it ran in, of which OpenTelemetry would complain.
        if token is not None and self.current:
            context: Any = sys.modules.get("clew.contexts") or sys.modules["opentelemetry.context"]
            context.detach(token)

    def set_attribute(self, key: str, value: Any) -> None:
        if value is not None and self._span.is_recording():
            self._span.set_attribute(str(key)[:_MAX_NAME], self._shown(key, value))

    def _shown(self, key: str, value: Any) -> Any:
        """The value as OpenTelemetry takes it, and as it may leave the process."""
        if value is True or value is False:
            return value
        invocation = self._invocation
        if invocation is None:
            return value  # the function's own OpenTelemetry decides
        renderer = invocation.annotations.renderer
        if renderer.secrets.named_by(key):
            from clew.secrets import MASK  # noqa: PLC0415  # 0.3 ms of INIT, also of untraced functions

            return MASK
        kind = type(value)
        if kind is float or (kind is int and -_INT64 <= value < _INT64):
            return value
        if kind is str:
            return renderer.line(value, invocation.payload_limit)
        if kind in {list, tuple} and 0 < len(value) <= _MAX_ITEMS:
            kinds = set(map(type, value))
            if kinds == {str}:
                return [renderer.line(item, invocation.payload_limit) for item in value]
            if kinds in ({bool}, {float}) or (kinds == {int} and all(-_INT64 <= item < _INT64 for item in value)):
                return list(value)
        return invocation.render(value, "span").cut(invocation.payload_limit)

    def end(self, error: BaseException | None) -> None:
        """Say what ended it, and end."""
        self.detach()
        if error is not None and not isinstance(error, GeneratorExit) and self._span.is_recording():
            self._fail(error)
        self._span.end()

    def _fail(self, error: BaseException) -> None:
        invocation = self._invocation
        if invocation is None:
            self._span.record_exception(error)
            self._span.set_status(self._api.Status(self._api.StatusCode.ERROR, f"{type(error).__name__}: {error}"))
            return
        from clew.failures import with_traceback, without_our_frames  # noqa: PLC0415  # only where something failed

        with_traceback(error, without_our_frames(error))
        attributes = invocation.exception_attributes(error)
        self._span.set_attribute("error.type", type(error).__name__[:_MAX_NAME])
        self._span.add_event("exception", attributes)
        invocation.set_error(self._span, attributes["exception.message"])
