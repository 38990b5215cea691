"""A program that is no function: its spans, AWS calls and lines are exported every few seconds and when it ends.

There is no invocation, so that nothing is the parent of all: a span or call outside of any span is a trace of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clew.guard import Guard, muted, warn_once
from clew.settings import read, replace

if TYPE_CHECKING:
    from clew.service_scope import Scope
    from clew.settings import Settings

# OpenTelemetry's defaults for what is exported in the background: a tenth of a second is of no use to anyone there.
_TIMEOUT = 10.0
_DELAY = 5.0
_MANY = 512
_PAUSE = 0.5
_AT_EXIT = 5.0

scope: Scope | None = None
"""What stands in for an invocation in this process; None where nothing is traced."""


def start() -> None:
    """Trace this process from now on. Raises nothing; does nothing if the tracer is off, or in Lambda."""
    global scope  # noqa: PLW0603  # one process, one service
    with Guard("starting"):
        settings = read(os.environ)
        if settings.disabled or settings.in_lambda or scope is not None:
            return
        for warning in settings.warnings:
            warn_once(warning)
        from clew.environment import loading  # noqa: PLC0415  # not where the tracer is off

        with loading(settings):
            scope = Service(_patient(settings)).scope


def _patient(settings: Settings) -> Settings:
    """Nobody waits for these exports: by default they have the time that OpenTelemetry gives them."""
    if any(os.environ.get(name) for name in ("CLEW_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")):
        return settings
    return replace(settings, export_timeout=_TIMEOUT)


class Service:
    """The engine outside of invocations, and the thread that exports."""

    def __init__(self, settings: Settings) -> None:
        from clew import aws_calls, engine, instrumentations, service_scope, streams  # noqa: PLC0415  # see `start`
        from clew.imports import when_imported  # noqa: PLC0415

        self.engine = engine.start(settings)
        self.scope: Scope = service_scope.Scope(self.engine, self.touch)
        self._delay = _schedule_delay()
        self._wake, self._end = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._buffer = self.engine.provider.buffer
        self._buffer.keeps_roots = True

        def running() -> Any:
            return engine.running() or self.scope

        when_imported("botocore.client", lambda: aws_calls.install(running))  # after the engine, which does the same
        if settings.capture_logs:
            streams.install(engine.entered.get, running)
        service_scope.share(self.engine.provider, self.touch)
        instrumentations.switch_on(settings)
        os.register_at_fork(before=self._pause, after_in_child=self._forked)
        when_imported("multiprocessing.util", self._with_multiprocessing)
        atexit.register(self.stop)

    def touch(self) -> None:
        """There is something to export. The thread is started by the first, also in a child and after a fork: a program
        that forks is warned by Python if it has a thread then."""
        if self._thread is None:
            if not self._stopping:
                with Guard("starting to export in the background"), suppress(RuntimeError), self._starting:
                    # None can be started while the interpreter waits for others: `stop` then exports itself.
                    self._begin()
        elif (len(self._buffer.ended) >= _MANY or self.scope.waiting >= _MANY) and not self.engine.delivery.paused:
            self._wake.set()

    def _begin(self) -> None:
        if self._thread is None:
            self._wake, self._end = threading.Event(), threading.Event()
            thread = threading.Thread(target=self._run, args=(self._wake, self._end), name="clew-service", daemon=True)
            thread.start()
            self._thread = thread

    def _run(self, wake: threading.Event, end: threading.Event) -> None:
        while not end.is_set():
            wake.wait(self._delay)
            wake.clear()
            if not end.is_set() or self._stopping:
                with Guard("exporting"):
                    self.flush()

    def flush(self) -> None:
        """Export what ended until now. What the collector does not take is kept for the next time, up to a bound."""
        before, muted.on = muted.on, True  # what an exporter says is not the program's
        try:
            self._flush()
        finally:
            muted.on = before

    def _flush(self) -> None:
        ended = self._buffer.ended
        spans = ended[:_MANY]
        while spans or self.scope.waiting:
            records, dropped = self.scope.take()
            dropped_spans = self._buffer.take_dropped()
            if dropped or dropped_spans:
                warn_once(f"dropped {dropped_spans} spans and {dropped} lines that there was no room for")
            if not self.engine.delivery.deliver(spans, records):
                if self.engine.delivery.paused:
                    self.scope.keep(records)
                    # Those without a parent are not bounded by the buffer.
                    self._drop(max(0, len(ended) - self.engine.settings.max_spans))
                    return
                warn_once(f"dropped {len(spans)} spans and {len(records)} lines that the collector does not take")
            # Not `take`: that gives the list away, which other threads may be appending to.
            del ended[: len(spans)]
            spans = ended[:_MANY]

    def _drop(self, count: int) -> None:
        """The oldest, in favour of what may explain why the collector is in trouble."""
        if count:
            del self._buffer.ended[:count]
            warn_once("spans are dropped until the collector takes some again")

    def stop(self) -> None:
        """The process ends: what is left is exported, if that takes no longer than five seconds.

        By the thread, because OpenTelemetry's own exporters go on trying for as long as they like.
        """
        with Guard("exporting at the end"):
            self._stopping = True
            if self._thread is None and (self._buffer.ended or self.scope.waiting):  # of before a fork
                try:
                    self._begin()
                except RuntimeError:  # too late for a thread
                    self.flush()
            self._end.set()
            self._wake.set()
            if self._thread is not None:
                self._thread.join(_AT_EXIT)

    def _pause(self) -> None:
        """Before a fork, after which the next `touch` goes on."""
        with Guard("pausing"):
            self._end.set()
            self._wake.set()
            thread, self._thread = self._thread, None
            if thread is not None:
                thread.join(_PAUSE)

    def _forked(self) -> None:
        """In a child: what the parent holds is the parent's to export."""
        with Guard("going on in a child process"):
            self._starting = threading.Lock()
            self._stopping = False
            self._thread = None
            self._buffer.ended.clear()
            self._buffer.open.clear()
            self.scope.take()

    def _with_multiprocessing(self) -> None:
        """Its children end without the functions of `atexit`, but with these."""
        from multiprocessing import util  # noqa: PLC0415  # it has been imported

        util.register_after_fork(self, lambda self: util.Finalize(None, self.stop, exitpriority=0))


def _schedule_delay() -> float:
    """OTEL_BSP_SCHEDULE_DELAY, milliseconds."""
    try:
        delay = float(os.environ.get("OTEL_BSP_SCHEDULE_DELAY") or _DELAY * 1000) / 1000
    except ValueError:
        delay = -1.0
    if not 0.01 <= delay <= 3600:
        warn_once("OTEL_BSP_SCHEDULE_DELAY is not a number of milliseconds from 10 to 3600000; using 5000")
        return _DELAY
    return delay
