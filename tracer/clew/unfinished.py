"""Exports of an invocation that still runs: at checkpoints, and shortly before its deadline.

What the platform ends, or what ends by itself without a word, leaves at least the last of these behind.
"""

from __future__ import annotations

import threading
from time import time, time_ns  # now: a function may replace them
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from clew.deadline import margin
from clew.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.encoder import LogRecord
    from clew.engine import Engine
    from clew.invocation import Invocation

_LONGEST_INTERVAL = 60.0


class Watch:
    """One running invocation. Times are `time.time()` seconds."""

    def __init__(self, engine: Engine, invocation: Invocation, remaining: float) -> None:
        now = time()
        settings = engine.settings
        self._engine = engine
        self._invocation = invocation
        self._began = now
        self._deadline = now + remaining
        self._margin = margin(remaining, settings.timeout_margin)
        self._expiry = self._deadline - self._margin
        self._interval = settings.checkpoint_after
        self._checkpoint = now + self._interval if self._interval else float("inf")
        self._exported: tuple[object, ...] = ()
        self._lock = threading.Lock()
        self._over = False

    @property
    def at(self) -> float:
        """When to `fire` next."""
        return min(self._checkpoint, self._expiry)

    def stop(self) -> None:
        """The invocation ended."""
        self._over = True

    def wait(self, seconds: float) -> None:
        """Wait at most `seconds` for an export under way: its lines must not be sent twice."""
        if self._lock.acquire(timeout=seconds):
            self._lock.release()

    def fire(self) -> float | None:
        """Export what there is so far; gives the time to be called next. Runs in the deadline's thread."""
        with self._lock:
            if self._over:
                return None
            now = time()
            with Guard("describing an event"):
                self._invocation.describe()
            if now >= self._expiry:
                # Most of the margin is for the network; what is over is for the platform's own clock.
                self._export(self._margin * 0.8, expired=True)
                return None
            if self._checkpoint <= now:
                self._interval = min(self._interval * 2, _LONGEST_INTERVAL)
                self._checkpoint = now + self._interval
                state = self._state()
                # What may be left out in the end must not be there in part.
                sampling = self._engine.sampling
                kept = sampling is None or sampling.certain(self._invocation.trace_id, now - self._began)
                new = state != self._exported or (self._invocation.lines is not None and self._invocation.lines.records)
                if new and kept and self._export(self._expiry - now, expired=False):
                    self._exported = state
            return self.at

    def _state(self) -> tuple[object, ...]:
        """Differs once there is something new to tell; new lines are there to be seen."""
        buffer = self._engine.provider.buffer
        span: Any = self._invocation.span
        return (len(buffer.ended), frozenset(buffer.open), len(span.events), len(span.attributes or ()))

    def _export(self, seconds: float, *, expired: bool) -> bool:
        """Whether the collector has it. The spans stay for the last export, which is complete; the lines do not."""
        buffer = self._engine.provider.buffer
        spans = buffer.ended[:]
        spans += [self._copy(span, expired) for span in list(buffer.open.values())]
        spans = [span for span in spans if span.context is not None and span.context.trace_flags.sampled]
        lines = self._invocation.lines
        records: Sequence[LogRecord] = ()
        with Guard("taking the lines"):
            if lines is not None:
                if expired:
                    lines.flush()
                records = lines.records[:]
        if not self._engine.delivery.deliver(spans, records, seconds):
            return False
        if lines is not None:
            del lines.records[: len(records)]
        return True

    def _copy(self, span: Any, expired: bool) -> ReadableSpan:
        """A copy of an open span that ends now. The span itself goes on."""
        attributes = {**_attributes_of(span), "clew.unfinished": True}
        status = span.status
        if span is self._invocation.span:
            attributes["clew.lambda.deadline"] = int(self._deadline * 1e9)
            attributes.update(self._invocation.so_far(failed=expired))
            if expired:
                timeout = self._engine.timeout_ms() / 1000
                after = f" after {timeout:.2f} seconds" if timeout else ""
                attributes["error.type"] = "Sandbox.Timedout"
                status = Status(StatusCode.ERROR, f"Task timed out{after}")
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=span.events,
            links=span.links,
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=time_ns(),
            instrumentation_scope=span.instrumentation_scope,
        )


def _attributes_of(span: Any) -> dict[str, Any]:
    """The attributes of a span that another thread may be writing to."""
    try:
        return dict(span.attributes or {})
    except RuntimeError:  # it grew meanwhile
        return dict(span.attributes or {})
