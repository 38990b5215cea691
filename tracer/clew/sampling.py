"""Which invocations are exported, decided when they end: CLEW_SAMPLE_RATIO.

An invocation that tells something is always kept: one that failed or in which something failed, that was slow, that
started cold, or the first of its kind in this environment. Of the others a share is kept, by their trace's id, so that
all functions of a transaction that passes trace context on decide alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOW_BITS = (1 << 64) - 1
_MAX_KINDS = 1000
_TELLING = ("clew.batch.failed", "clew.call.failed_entries")


class Sampling:
    """One per process, where not all are kept. `ratio` is the share of those kept anyway, `slow` is seconds."""

    def __init__(self, ratio: float, slow: float) -> None:
        self._ratio = ratio
        self._slow = slow
        # The same bits as OpenTelemetry's TraceIdRatioBased: W3C says that these are random.
        self._bound = round(ratio * (1 << 64))
        self._kinds: set[tuple[object, ...]] = set()

    def certain(self, trace_id: int, seconds: float) -> bool:
        """Whether an invocation that has run for so long will be kept, however it ends."""
        return seconds >= self._slow or (trace_id & _LOW_BITS) < self._bound

    def decide(self, span: Any, kind: tuple[object, ...], spans: Iterable[Any], seconds: float) -> float | None:
        """The share that an ended invocation stands for: 1 if it is kept for what it is; None if it is left out.

        `span` is the invocation's, still open; `kind` says what is alike; `spans` are those that ended in it.
        """
        # Asked first, so that a kind counts as seen whatever else the invocation was kept for.
        if self._first(kind) or seconds >= self._slow or _tells(span) or any(map(_tells, spans)):
            return 1.0
        return self._ratio if (span.get_span_context().trace_id & _LOW_BITS) < self._bound else None

    def _first(self, kind: tuple[object, ...]) -> bool:
        if kind in self._kinds or len(self._kinds) >= _MAX_KINDS:
            return False
        self._kinds.add(kind)
        return True


def _tells(span: Any) -> bool:
    """Whether a span failed, holds something that failed, or an issue that the function reported."""
    if span.status.status_code is StatusCode.ERROR:
        return True
    attributes = span.attributes or {}
    if any(attributes.get(name) for name in _TELLING):
        return True
    return any(event.name in {"exception", "clew.issue"} for event in span.events)
