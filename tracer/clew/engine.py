"""The tracer's one instance in a process, and which invocation is running."""

from __future__ import annotations

import math
import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from clew import logs, streams, thread_errors
from clew.deadline import Deadlines
from clew.environment import Environment
from clew.exporting import Delivery, Exporter, LeanExporter
from clew.imports import when_imported
from clew.invocation import Invocation
from clew.payload import Renderer
from clew.propagation import Propagation
from clew.provider import Provider
from clew.settings import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from clew.encoder import LogRecord
    from clew.extension import Extension
    from clew.sampling import Sampling
    from clew.settings import Settings

# What is gone of an invocation's time when its handler is called, in seconds: milliseconds, on a busy machine more.
_LATE = 0.25
# Room for the mark of a cut within OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT.
_MARK_ROOM = 32

entered: ContextVar[Invocation | None] = ContextVar("clew_invocation", default=None)
"""The invocation that this context is within."""


class Engine:
    """Everything that lives as long as the process."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        settings = _fitted(settings)
        self.settings = settings
        self.environment = Environment(settings, environ)
        self.provider = Provider(settings, self.environment.resource)
        self.renderer = Renderer(settings.masking, max(settings.payload_limit, settings.payload_limit_on_error))
        self.propagation = Propagation(settings.propagators)
        self.delivery = Delivery(self._exporter(), settings.export_timeout, self.renderer)
        self.deadlines = Deadlines()
        self.sampling = _sampling(settings)
        self._begun = False
        self._timeout_ms = 0
        self._active: list[Invocation] = []
        # A signal's handler may call a traced handler in the thread that holds one of these.
        self.describing = threading.RLock()  # an invocation, which its end and its deadline may do at once
        self._lock = threading.RLock()
        when_imported("botocore.client", _trace_calls)
        if settings.capture_logs:
            streams.install(entered.get, running)
            if settings.in_lambda:
                logs.keep_early_lines()
        self.extension = self._join(environ)
        if self.extension is None:
            self.delivery.prepare()
        # Of what is restored from a snapshot there are many, and any invocation may be the first after that.
        self._copied = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        if self._copied:
            from clew import snapshot  # noqa: PLC0415  # 0.1 ms of INIT

            snapshot.watch(self)
        if hasattr(os, "register_at_fork"):
            # What the function registered earlier runs in the child before ours does, and may make spans.
            os.register_at_fork(before=self.provider.ids.renew, after_in_child=self._after_fork)

    def _exporter(self) -> Exporter:
        settings = self.settings
        plain = all(
            target.exporter == "none" or (target.exporter == "otlp" and target.protocol == "http/protobuf")
            for target in (settings.traces, settings.logs)
        )
        if plain and settings.in_lambda:
            return LeanExporter(settings, dict(self.provider.resource.attributes))
        from clew.stock import choose_exporter  # noqa: PLC0415  # outside Lambda, where INIT costs nothing

        return choose_exporter(settings, self.provider.resource)

    def _join(self, environ: Mapping[str, str]) -> Extension | None:
        wanted = self.settings.extension
        if not self.settings.in_lambda or not (wanted == "true" or (wanted == "auto" and self.settings.layer)):
            return None
        from clew.extension import join  # noqa: PLC0415  # 1 ms of INIT

        return join(self, self.settings, environ)

    def begin(self, name: str, event: object, context: object) -> Invocation:
        if not self._begun:
            # Not before: what a function sets up during INIT must find its place as it would be without us.
            self._begun = True
            self.provider.share()
            thread_errors.watch(running)
        if self._copied:
            self.provider.ids.renew()
        invocation = Invocation(self, name, event, context)
        try:
            if self.extension is not None:
                self.extension.begin(invocation)
            with self._lock:
                if self._active:  # perhaps with what ended while a deadline of the function's came
                    self._active = [one for one in self._active if not one.over]
                self._active.append(invocation)
                if self.settings.capture_logs:
                    streams.capture_streams()
            invocation.watch()
        except BaseException:
            self.give_up(invocation)
            raise
        return invocation

    def end(self, invocation: Invocation) -> None:
        """Have the invocation exported: after its response where the extension can, else now."""
        self._remove(invocation)
        try:
            invocation.close()
            if self.extension is None or invocation.leaving or not self.extension.submit(invocation):
                invocation.finish(self.settings.export_timeout)
        finally:
            if not self._active:
                self.provider.buffer.open.clear()

    def give_up(self, invocation: Invocation) -> None:
        """Its handler is not called after all, or nobody saw its end."""
        self._remove(invocation)
        invocation.close()
        self.provider.buffer.open.pop(invocation.span_id, None)

    def export_now(
        self, spans: Sequence[ReadableSpan], records: Sequence[LogRecord], seconds: float | None = None
    ) -> bool:
        """Whether the collector has these spans and log records now.

        Takes at most `seconds`, and never longer than CLEW_EXPORT_TIMEOUT, in the calling thread. What could not be
        delivered is counted as dropped, and told by a later export. Nothing is tried while a collector that failed is
        left alone. Raises nothing.
        """
        if self.delivery.deliver(spans, records, seconds):
            return True
        self.delivery.drop(len(spans), len(records))
        return False

    def late_records(self) -> list[LogRecord]:
        """Log records of earlier invocations, which go with the next export."""
        return [] if self.extension is None else self.extension.reports.take()

    def leave_out(self, invocation: Invocation) -> None:
        """Sampling decided against this invocation: what there is of it is not lost, but not wanted."""
        if self.extension is not None:
            self.extension.reports.leave_out(invocation)
        self.provider.buffer.take()
        self.provider.buffer.take_dropped()

    def _remove(self, invocation: Invocation) -> None:
        with self._lock:
            if invocation in self._active:
                self._active.remove(invocation)
        if invocation.lines is not None:
            invocation.lines.end()

    def latest(self) -> Invocation | None:
        """The running invocation that began last."""
        return self._active[-1] if self._active else None

    def timeout_ms(self, remaining: float = 0.0) -> int:
        """The function's timeout, from the most time that an invocation ever had left: whole seconds, rounded up.

        0 while that is not known: what a second INIT takes of an invocation is gone from its time before it begins.
        """
        whole = math.ceil(remaining)
        if whole - remaining <= _LATE:
            self._timeout_ms = max(self._timeout_ms, whole * 1000)
        return self._timeout_ms

    def _after_fork(self) -> None:
        """The parent's threads and connection are not the child's."""
        self.describing = threading.RLock()
        self._lock = threading.RLock()
        self.deadlines = Deadlines()
        self.provider.ids.renew()
        for invocation in self._active:
            # The parent exports it. A child that leaves by the handler would say that it failed.
            invocation.disown()
        if self._active:
            self.provider.buffer.take()
        self.delivery.after_fork()
        if self.extension is not None:
            self.extension.abandon()
            self.extension = None


_engine: Engine | None = None


def running() -> Invocation | None:
    """The invocation that a call or a line belongs to: that of this context; in a thread that has none, the one that
    began last."""
    if _engine is None:
        return None
    found = entered.get()  # without a call of the engine: this is asked for every call and line
    return _engine.latest() if found is None else found


def _trace_calls() -> None:
    from clew import aws_calls  # noqa: PLC0415  # 0.7 ms of INIT, for functions with botocore

    aws_calls.install(running)


def start(settings: Settings) -> Engine:
    """The process's engine, made by the first call."""
    global _engine  # noqa: PLW0603  # one process, one engine
    if _engine is None:
        _engine = Engine(settings, os.environ)
    else:
        _engine.environment.started()
    return _engine


def _sampling(settings: Settings) -> Sampling | None:
    """What decides at the end of an invocation; None where all are kept."""
    if settings.sample_ratio >= 1:
        return None
    from clew.sampling import Sampling  # noqa: PLC0415  # 0.1 ms of INIT

    return Sampling(settings.sample_ratio, settings.sample_slow)


def _fitted(settings: Settings) -> Settings:
    """Payload limits that fit into OpenTelemetry's limits, which would cut off the mark of our own cut."""
    names = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
    limit = next((settings.limits[name] for name in names if name in settings.limits), None)
    if limit is None:
        return settings
    room = max(0, limit - _MARK_ROOM)
    return replace(
        settings,
        payload_limit=min(settings.payload_limit, room),
        payload_limit_on_error=min(settings.payload_limit_on_error, room),
    )
