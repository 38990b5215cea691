"""One run of a handler: its span, its lines, and what is known of it at its start and end."""

from __future__ import annotations

import math
import sys
from time import time, time_ns  # now: a function may replace them
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from clew import failures
from clew.consumed_keys import consumed_keys
from clew.deadline import margin
from clew.environment import max_memory_used
from clew.events import MAX_NAME
from clew.guard import Guard, pass_on_signal
from clew.logs import Lines
from clew.triggers import Trigger, find_trigger, http_attributes, http_status

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from clew.encoder import LogRecord
    from clew.engine import Engine
    from clew.payload import Payload

# Payloads of one invocation, in bytes; calls beyond are exported without theirs.
_MAX_PAYLOADS = 2_000_000


class Invocation:
    """Begins when it is made. Afterwards either `succeed` or `fail`, then `close`."""

    def __init__(self, engine: Engine, name: str, event: object, context: object) -> None:
        self._engine = engine
        settings = engine.settings
        self.payload_limit = settings.payload_limit
        self.payload_limit_on_error = max(settings.payload_limit_on_error, settings.payload_limit)
        self._payloads = 0
        self.request_id = _text(context, "aws_request_id")
        arn = _text(context, "invoked_function_arn")
        parts = arn.split(":")
        self.account = parts[4] if len(parts) > 6 else ""
        self._trigger = Trigger("direct", "other")
        with Guard("reading the event"):
            self._trigger = find_trigger(event, engine.environment.region, self.account)
        function = settings.function_name or _text(context, "function_name") or name
        self._start = engine.environment.first_invocation()
        started = time_ns()
        self._remaining = _remaining(context)
        self._deadline = time() + self._remaining if self._remaining is not None else None
        self.span: Span = engine.provider.tracer.start_span(
            function,
            context=self._parent(event, context),
            kind=trace.SpanKind.SERVER,
            links=self._links(event),
            start_time=started,
        )
        self.context: Context = trace.set_span_in_context(self.span)
        ids = self.span.get_span_context()
        self.lines: Lines | None = None
        if settings.capture_logs and ids.trace_flags.sampled:
            self.lines = Lines(
                engine.renderer, settings.max_log_records, ids.trace_id, ids.span_id, int(ids.trace_flags)
            )
        self._event: Payload | None = None
        if self.span.is_recording():
            self._describe(event, arn, parts)

    def _parent(self, event: object, context: object) -> Context | None:
        """The context that came with the event, unless the handler is called within a span of this process."""
        if trace.get_current_span().get_span_context().is_valid:
            return None
        with Guard("reading the event's trace context"):
            return self._engine.propagation.parent(event, context)
        return None

    def _links(self, event: object) -> list[Any]:
        if self._trigger.type not in {"sqs", "sns"}:
            return []
        with Guard("reading the event's trace context"):
            return self._engine.propagation.links(event)
        return []

    def _describe(self, event: object, arn: str, parts: list[str]) -> None:
        cold, init = self._start
        trigger = self._trigger
        attributes: dict[str, Any] = {
            "faas.trigger": trigger.faas,
            "faas.coldstart": cold,
            "clew.trigger.type": trigger.type,
        }
        if self.request_id:
            attributes["faas.invocation_id"] = self.request_id
        if arn:
            attributes["aws.lambda.invoked_arn"] = arn
        if self.account:
            attributes["cloud.resource_id"] = ":".join(parts[:7])
            attributes["cloud.account.id"] = self.account
        if trigger.resource:
            attributes["clew.trigger.resource"] = trigger.resource[:MAX_NAME]
        if init is not None:
            attributes["clew.lambda.init_duration"] = init
        if self._remaining is not None:
            attributes["clew.lambda.timeout"] = self._engine.timeout_ms(self._remaining)
        with Guard("reading the event"):
            attributes.update(http_attributes(event, trigger))
        with Guard("reading the event's ids"):
            keys = consumed_keys(event)
            if keys:
                attributes["clew.link.keys"] = keys
        self.span.set_attributes(attributes)
        if self.captures_payloads:
            with Guard("capturing the event"):
                self._event = self.render(event, "event")

    @property
    def captures_payloads(self) -> bool:
        return self._engine.settings.capture_payloads and self._payloads < _MAX_PAYLOADS

    def render(self, value: object, place: str) -> Payload:
        payload = self._engine.renderer.render(value, place)
        self._payloads += len(payload.text)
        return payload

    def message_of(self, error: BaseException) -> str:
        return self.clean(failures.message_of(error))

    def clean(self, text: str) -> str:
        """Text of an error as it may leave the process."""
        return self._engine.renderer.secrets.masked_text(text)

    def set_error(self, span: Span, description: str) -> None:
        span.set_status(Status(StatusCode.ERROR, self.clean(description[: failures.MAX_MESSAGE]) or None))

    def start_span(self, name: str, attributes: dict[str, Any]) -> Span:
        """A client span under the current one; in a thread without context, under the invocation."""
        inside = trace.get_current_span().get_span_context().is_valid
        return self._engine.provider.tracer.start_span(
            name, context=None if inside else self.context, kind=trace.SpanKind.CLIENT, attributes=attributes
        )

    def watch(self) -> None:
        """Have the open spans exported shortly before the platform ends the invocation."""
        if self._deadline is None or self._remaining is None or not self.span.is_recording():
            return
        ahead = margin(self._remaining, self._engine.settings.timeout_margin)
        self._engine.deadlines.watch(self, self._deadline - ahead, lambda: self._expire(ahead))

    def _expire(self, ahead: float) -> None:
        """Runs in the deadline's thread. Exports the invocation as one that will not end, with all it has so far."""
        timeout = self._engine.timeout_ms(self._remaining or 0) / 1000
        spans = self._engine.provider.buffer.ended[:]
        spans += [self._unfinished(span, timeout) for span in list(self._engine.provider.buffer.open.values())]
        spans = [span for span in spans if span.context is not None and span.context.trace_flags.sampled]
        records: list[LogRecord] = []
        with Guard("taking the lines"):
            if self.lines is not None:
                self.lines.flush()
                records = self.lines.records[:]
        # Most of the margin is for the network; what is over is for the platform's own clock.
        if self._engine.delivery.deliver(spans, records, ahead * 0.8) and self.lines is not None:
            del self.lines.records[: len(records)]

    def _unfinished(self, span: Any, timeout: float) -> ReadableSpan:
        """A copy of an open span that ends now. The span itself goes on."""
        attributes = {**_snapshot(span), "clew.unfinished": True}
        status = span.status
        if span is self.span:
            attributes["error.type"] = "Sandbox.Timedout"
            if self._event is not None:
                attributes["clew.event"] = self._event.cut(self.payload_limit_on_error)
            self._add_memory(attributes)
            status = Status(StatusCode.ERROR, f"Task timed out after {timeout:.2f} seconds")
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

    def succeed(self, result: object) -> None:
        if not self.span.is_recording():
            return
        payload = None
        with Guard("capturing the return value"):
            # Rendered even if it is not kept: that is how a result that cannot be encoded is noticed.
            payload = self.render(result, "return_value")
        limit = self.payload_limit
        error = None if payload is None or payload.plain else _marshal_error(result)
        status = http_status(result) if self._trigger.faas == "http" else None
        if error is not None:
            limit = self.payload_limit_on_error
            self.span.set_attribute("error.type", "Runtime.MarshalError")
            self.set_error(self.span, error)
            self.span.add_event("exception", {"exception.type": "Runtime.MarshalError", "exception.message": error})
        elif status is not None:
            self.span.set_attribute("http.response.status_code", status)
            if status >= 500:
                limit = self.payload_limit_on_error
                self.span.set_attribute("error.type", str(status))
                self.set_error(self.span, "")
        self._set_payloads(limit, payload)

    def fail(self, error: BaseException) -> None:
        if not self.span.is_recording():
            return
        # Leaving the process is never a success in Lambda, whatever the exit status.
        name = "Runtime.ExitError" if isinstance(error, SystemExit) else type(error).__name__[:MAX_NAME]
        attributes = failures.exception_attributes(error, self.clean)
        self.span.set_attribute("error.type", name)
        self.set_error(self.span, attributes["exception.message"])
        self.span.add_event("exception", attributes)
        self._set_payloads(self.payload_limit_on_error, None)

    def _set_payloads(self, limit: int, result: Payload | None) -> None:
        if self._event is not None:
            self.span.set_attribute("clew.event", self._event.cut(limit))
        if result is not None and self._engine.settings.capture_payloads:
            self.span.set_attribute("clew.return_value", result.cut(limit))

    def close(self) -> None:
        """End the span and export all that ended. Takes no longer than the export's bound."""
        engine = self._engine
        engine.deadlines.forget(self)
        if not self.span.is_recording():
            return
        attributes: dict[str, Any] = {}
        self._add_memory(attributes)
        records: list[LogRecord] = []
        dropped_records = 0
        with Guard("taking the lines"):
            if self.lines is not None:
                records, dropped_records = self.lines.take()
        engine.delivery.drop(engine.provider.buffer.take_dropped(), dropped_records)
        lost = (engine.delivery.dropped_spans, engine.delivery.dropped_logs)
        if lost[0]:
            attributes["clew.dropped.spans"] = lost[0]
        if lost[1]:
            attributes["clew.dropped.log_records"] = lost[1]
        self.span.set_attributes(attributes)
        self.span.end()
        spans = engine.provider.buffer.take()
        if engine.delivery.deliver(spans, records):
            engine.delivery.reported(*lost)
        else:
            engine.delivery.drop(len(spans), len(records))

    def _add_memory(self, attributes: dict[str, Any]) -> None:
        with Guard("measuring the memory"):
            used = max_memory_used() if self._engine.settings.in_lambda else None
            if used is not None:
                attributes["clew.lambda.max_memory_used"] = used


def _snapshot(span: Any) -> dict[str, Any]:
    """The attributes of a span that another thread may be writing to."""
    try:
        return dict(span.attributes or {})
    except RuntimeError:  # it grew meanwhile
        return dict(span.attributes or {})


def _text(context: object, name: str) -> str:
    with Guard("reading the context"):
        value = getattr(context, name, None)
        return value[:MAX_NAME] if isinstance(value, str) else ""
    return ""


def _remaining(context: object) -> float | None:
    """Seconds until the deadline; None outside Lambda, or if the context tells something odd."""
    with Guard("reading the context"):
        ask = getattr(context, "get_remaining_time_in_millis", None)
        milliseconds = ask() if callable(ask) else None
        if isinstance(milliseconds, (int, float)) and math.isfinite(milliseconds) and 0 < milliseconds < 1e9:
            return milliseconds / 1000
    return None


def _marshal_error(result: object) -> str | None:
    """What Lambda's runtime will say of a result that it cannot encode; None if it can, or is not there to ask."""
    if isinstance(result, bytes):
        return None
    runtime = sys.modules.get("awslambdaric.lambda_runtime_marshaller")
    if runtime is None:
        return None
    try:
        runtime.to_json(result)
    except Exception as error:
        pass_on_signal(error)
        return f"Unable to marshal response: {failures.message_of(error)}"
    return None
