"""Exports within a bound, leaves a collector in trouble alone for a while, and counts what was dropped."""

from __future__ import annotations

import threading
from time import monotonic  # now: a function may replace them
from typing import TYPE_CHECKING, Any, Protocol

from clew.encoder import LogRecord, encode_logs, encode_resource, encode_spans
from clew.guard import describe, pass_on_signal, warn_once
from clew.lean_span import LeanSpan
from clew.sender import Outcome, Sender

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from clew.payload import Renderer
    from clew.settings import Settings

_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 60.0
_FAIR = 0.2

OURS = "clew"
"""The instrumentation scope of the tracer's own spans."""
# Of their attributes these were masked when they were written, or are ids and names. The set has those of nearly every
# span, and tells them in a tenth of the time.
_OUR_NAMES = frozenset({
    "rpc.system.name", "rpc.method", "cloud.region", "aws.request_id", "http.response.status_code", "clew.request",
    "clew.response", "clew.resource.name", "clew.resource.arn", "clew.link.keys", "faas.trigger", "faas.coldstart",
    "faas.invocation_id", "aws.lambda.invoked_arn", "cloud.resource_id", "cloud.account.id", "clew.trigger.type",
    "clew.trigger.resource", "clew.event", "clew.return_value", "clew.lambda.timeout", "clew.lambda.cpu_time",
    "clew.lambda.max_memory_used", "clew.lambda.tmp_used", "clew.batch.size", "error.type", "messaging.system",
    "messaging.destination.name", "faas.invoked_name", "faas.invoked_provider", "faas.invoked_region",
    "aws.extended_request_id", "aws.dynamodb.table_names", "aws.kinesis.stream_name", "aws.sns.topic.arn",
    "aws.sqs.queue.url", "aws.secretsmanager.secret.arn", "aws.step_functions.state_machine.arn",
    "aws.dynamodb.consumed_capacity",
})  # fmt: skip


def is_our_name(name: str) -> bool:
    """Whether an attribute of that name, on one of our spans, is the tracer's."""
    return name in _OUR_NAMES or name.startswith("clew.")


def _is_ours(span: Any) -> bool:
    """Whether the tracer wrote all that is on the span, which is told in 2 µs. No for one that tells of a failure or
    has a name that is none of ours: both may be the handler's.
    """
    if type(span) is LeanSpan and span.is_call():
        return True
    scope = span.instrumentation_scope
    if scope is None or scope.name != OURS or span.events or span.status.description:
        return False
    if "=" in span.name or ":" in span.name:
        return False
    names = span.attributes or {}
    return (_OUR_NAMES.issuperset(names) or all(map(is_our_name, names))) and not any(
        link.attributes for link in span.links
    )


class Exporter(Protocol):
    """Brings spans and log records to the collector."""

    def export(self, spans: Sequence[ReadableSpan], logs: Sequence[LogRecord], deadline: float) -> Outcome:
        """Export all of it by the `time.monotonic()` second `deadline`."""

    def prepare(self) -> None:
        """Do in INIT what an export before the response has no time for; raises OSError."""

    def close(self) -> None:
        """Close the connections; the next export makes new ones."""

    def after_fork(self) -> None:
        """Let go of what belongs to the parent process."""


class LeanExporter:
    """OTLP/HTTP protobuf with nothing but the standard library: what runs in Lambda."""

    def __init__(self, settings: Settings, resource: Mapping[str, object]) -> None:
        self._spans = settings.traces.exporter == "otlp"
        self._logs = settings.logs.exporter == "otlp"
        self._resource = encode_resource(resource)
        self._sender = Sender(settings.traces, settings.logs)

    def export(self, spans: Sequence[ReadableSpan], logs: Sequence[LogRecord], deadline: float) -> Outcome:
        traces_body = encode_spans(self._resource, spans) if spans and self._spans else None
        logs_body = encode_logs(self._resource, logs) if logs and self._logs else None
        return self._sender.send(traces_body, logs_body, deadline)

    def prepare(self) -> None:
        self._sender.prepare()

    def close(self) -> None:
        self._sender.close()

    def after_fork(self) -> None:
        self._sender.abandon()


class Delivery:
    """An exporter with a bound, a pause after trouble, and a count of what was lost."""

    def __init__(self, exporter: Exporter, timeout: float, renderer: Renderer) -> None:
        self._exporter = exporter
        self._renderer = renderer
        self._timeout = timeout
        self._lock = threading.Lock()
        self._pause = 0.0
        self._resume = 0.0
        self.dropped_spans = 0
        self.dropped_logs = 0

    @property
    def paused(self) -> bool:
        return monotonic() < self._resume

    def deliver(self, spans: Sequence[ReadableSpan], logs: Sequence[LogRecord], timeout: float | None = None) -> bool:
        """Whether the collector has it now. Takes `timeout` seconds at most, by default what the settings allow.

        What was not delivered is the caller's to keep or to `drop`.
        """
        bound = self._timeout if timeout is None else min(timeout, self._timeout)
        if bound <= 0:
            return False
        deadline = monotonic() + bound
        if self.paused or not self._lock.acquire(timeout=max(0.0, deadline - monotonic())):
            return False
        try:
            outcome = self._export(spans, logs, deadline)
        finally:
            self._lock.release()
        # Where there was hardly any time, such as before a deadline, that it was up says nothing of the collector.
        if outcome.pause and (bound >= min(self._timeout, _FAIR) or monotonic() < deadline):
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._resume = monotonic() + min(max(self._pause, outcome.retry_after), _LONGEST_PAUSE)
        elif not outcome.pause:
            self._pause = 0.0
        if outcome.error is not None:
            warn_once(f"export failed: {outcome.error}")
        self.dropped_spans += outcome.rejected_spans
        self.dropped_logs += outcome.rejected_logs
        return outcome.error is None or bool(outcome.rejected_spans or outcome.rejected_logs)

    def _export(self, spans: Sequence[ReadableSpan], logs: Sequence[LogRecord], deadline: float) -> Outcome:
        try:
            if not all(map(_is_ours, spans)):
                from clew.foreign_spans import SpanMask  # noqa: PLC0415  # 0.2 ms of INIT

                spans = SpanMask(self._renderer).masked(spans)
            return self._exporter.export(spans, logs, deadline)
        except Exception as error:  # an exporter of others may raise anything
            pass_on_signal(error)
            return Outcome(describe(error), pause=True)

    def drop(self, spans: int, logs: int) -> None:
        """Count what will never be delivered; the next export says so."""
        self.dropped_spans += spans
        self.dropped_logs += logs

    def reported(self, spans: int, logs: int) -> None:
        """The collector was told of that many dropped ones."""
        self.dropped_spans -= spans
        self.dropped_logs -= logs

    def prepare(self) -> None:
        try:
            self._exporter.prepare()
        except OSError as error:
            warn_once(f"exports will fail: {describe(error)}")

    def renew(self) -> None:
        """Start anew: what was true of the collector and the connections to it was so at another time and place."""
        self._pause = self._resume = 0.0
        if self._lock.acquire(timeout=self._timeout):
            try:
                self._exporter.close()
            finally:
                self._lock.release()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._exporter.after_fork()
