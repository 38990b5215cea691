"""One run of a handler: its span, its lines, and what is known of it at its start and end."""

from __future__ import annotations

import sys
from time import monotonic_ns, time_ns  # now: a function may replace them
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode

from clew import failures
from clew.annotations import Annotations
from clew.contexts import SPAN_KEY, current_context
from clew.description import Description, Snapshot, snapshot
from clew.events import MAX_NAME, remaining_of, text_of
from clew.guard import Guard, pass_on_signal, swallow
from clew.lean_span import LeanSpan, describe, put
from clew.logs import Lines
from clew.measures import Measures, environment_once
from clew.triggers import DIRECT, http_status
from clew.unfinished import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

    from clew.encoder import LogRecord
    from clew.engine import Engine
    from clew.payload import Payload
    from clew.sampling import Sampling

# Payloads of one invocation, in bytes; calls beyond are exported without theirs.
_MAX_PAYLOADS = 2_000_000
_READING_CONTEXT = "reading the event's trace context"


class Invocation:
    """Begins when it is made. Afterwards either `succeed` or `fail`, then `close`, then `finish`."""

    def __init__(self, engine: Engine, name: str, event: object, context: object) -> None:
        self._engine = engine
        self.settings = settings = engine.settings
        self._payloads = 0
        self._left_out = 0
        self.request_id = text_of(context, "aws_request_id")
        self._arn = text_of(context, "invoked_function_arn")
        self._account: str | None = None
        function = settings.function_name or text_of(context, "function_name") or name
        self._start = engine.environment.begin()
        self.started_ns = time_ns()
        # The system's clock may be set while the function runs; durations are measured by this one.
        self._began = monotonic_ns()
        self._ended: int | None = None
        self._measures = Measures(in_lambda=settings.in_lambda)
        self._result: tuple[object] | None = None
        self._failed = False
        self.leaving = False  # the handler ends the process: there will be no response
        self._remaining = remaining_of(context)
        self._watch: Watch | None = None
        self.span = engine.provider.start_invocation(
            function, self._parent(event, context), self._links(event), self.started_ns
        )
        self.context = Context({**current_context(), SPAN_KEY: self.span})
        # A lean span makes its context when it is asked for it, which few are.
        ids: Any = self.span if type(self.span) is LeanSpan else self.span.get_span_context()
        self.trace_id: int = ids.trace_id
        self.span_id: int = ids.span_id
        self.trace_flags = int(ids.trace_flags)
        self.annotations = Annotations(self.span, engine.renderer)
        self.lines: Lines | None = None
        if settings.capture_logs and self.trace_flags & trace.TraceFlags.SAMPLED:
            self.lines = Lines(
                engine.renderer,
                settings.max_log_records,
                self.trace_id,
                self.span_id,
                self.trace_flags,
                self.annotations,
            )
        self._told: Description | None = None
        self._event: Payload | None = None
        self._snapshot: Snapshot | None = None
        if self.span.is_recording():
            if type(self.span) is LeanSpan:  # of others a limit may leave out what came first
                self._snapshot = snapshot(event)
            if self._snapshot is None:
                self._describe(lambda: event)
            if settings.capture_environment:
                with Guard("capturing the environment"):
                    put(self.span, environment_once(engine.renderer, self.payload_limit))

    @property
    def account(self) -> str:
        """The function's, as its ARN tells it; "" if it does not."""
        if self._account is None:  # asked for with each call
            parts = self._arn.split(":", 7)
            self._account = parts[4] if len(parts) > 6 else ""
        return self._account

    @property
    def payload_limit(self) -> int:
        return self.settings.payload_limit

    @property
    def payload_limit_on_error(self) -> int:
        return max(self.settings.payload_limit_on_error, self.settings.payload_limit)

    def _parent(self, event: object, context: object) -> Context | None:
        """The context that came with the event, unless the handler is called within a span of this process."""
        around = current_context().get(SPAN_KEY)
        if around is not None and trace.get_current_span().get_span_context().is_valid:
            return None
        try:
            return self._engine.propagation.parent(event, context)
        except BaseException as error:  # as a Guard, which takes longer
            swallow(_READING_CONTEXT, error)
            return None

    def _links(self, event: object) -> list[Any]:
        try:
            return self._engine.propagation.links(event)
        except BaseException as error:  # the same
            swallow(_READING_CONTEXT, error)
            return []

    def describe(self) -> None:
        """Have the span tell what the event does: at the end, or where what there is so far is exported."""
        with self._engine.describing:
            taken, self._snapshot = self._snapshot, None
            if taken is not None:
                self._describe(taken.event)

    def _describe(self, read: Callable[[], object]) -> None:
        engine, start = self._engine, self._start
        event: object = None
        attributes: dict[str, Any] = {}
        with Guard("reading the event"):
            event = read()
            self._told = told = Description(event, engine.environment.region, self.account, self.clean)
            attributes = told.attributes
        attributes["faas.coldstart"] = start.cold
        if self.request_id:
            attributes["faas.invocation_id"] = self.request_id
        unqualified = ":".join(self._arn.split(":")[:7]) if self.account else ""
        if unqualified:
            attributes["cloud.resource_id"] = unqualified
        if self._arn != unqualified:  # with an alias or a version
            attributes["aws.lambda.invoked_arn"] = self._arn
        if start.initialization_type is not None and self.settings.in_lambda:
            attributes["clew.lambda.initialization_type"] = start.initialization_type
        if start.init_duration is not None:
            attributes["clew.lambda.init_duration"] = start.init_duration
        if self._remaining is not None and (timeout := engine.timeout_ms(self._remaining)):
            attributes["clew.lambda.timeout"] = timeout
        describe(self.span, attributes)
        if self.settings.capture_payloads and self._told is not None:
            with Guard("capturing the event"):
                self._event = self.render(event, "event")

    @property
    def captures_payloads(self) -> bool:
        """Whether there is room for another's payloads. What asks in vain is counted: its payloads are left out."""
        if not self._engine.settings.capture_payloads:
            return False
        if self._payloads >= _MAX_PAYLOADS:
            self._left_out += 1
            return False
        return True

    def render(self, value: object, place: str) -> Payload:
        payload = self._engine.renderer.render(value, place)
        self._payloads += len(payload.text)
        return payload

    def message_of(self, error: BaseException) -> str:
        return self.clean(failures.message_of(error))

    def clean(self, text: str) -> str:
        """Text of an error as it may leave the process."""
        return self._engine.renderer.secrets.masked_text(text)

    def exception_attributes(self, error: BaseException) -> dict[str, str]:
        """Of the event that tells of an exception; with local variables where they are asked for."""
        renderer = self._engine.renderer if self.settings.capture_locals else None
        return failures.exception_attributes(error, self.clean, renderer)

    def set_error(self, span: Span, description: str) -> None:
        span.set_status(Status(StatusCode.ERROR, self.clean(description[: failures.MAX_MESSAGE]) or None))

    def start_span(self, name: str, attributes: dict[str, Any], kind: trace.SpanKind = trace.SpanKind.CLIENT) -> Span:
        """A span under the current one; in a thread without context, under the invocation."""
        inside = trace.get_current_span().get_span_context().is_valid
        return self._engine.provider.tracer.start_span(
            name, context=None if inside else self.context, kind=kind, attributes=attributes
        )

    def watch(self) -> None:
        """Have what there is so far exported at checkpoints, and shortly before the platform ends the invocation."""
        if self._remaining is None or not self.span.is_recording():
            return
        self._watch = Watch(self._engine, self, self._remaining)
        self._engine.deadlines.watch(self, self._watch.at, self._watch.fire)

    def so_far(self, *, failed: bool) -> dict[str, Any]:
        """Attributes that are set when the invocation ends, as they are while it runs."""
        attributes: dict[str, Any] = {}
        if self._event is not None:
            attributes["clew.event"] = self._event.cut(self.payload_limit_on_error if failed else self.payload_limit)
        self._add_measures(attributes)
        return attributes

    @property
    def over(self) -> bool:
        """Whether the handler has ended."""
        return self._ended is not None

    def _end(self) -> None:
        """The handler ended now; only its first call counts."""
        if self._ended is None:
            self._ended = self.started_ns + monotonic_ns() - self._began
            self._measures.stop()

    @property
    def left(self) -> float:
        """Seconds until the platform ends the invocation; infinite where that is not known."""
        if self._remaining is None:
            return float("inf")
        return self._remaining - (monotonic_ns() - self._began) / 1e9

    def succeed(self, result: object) -> None:
        self._end()
        if self.span.is_recording():
            # Described by `finish`: where that is after the response, this is the larger half of what can wait.
            self._result = (result,)

    def _describe_result(self, result: object) -> None:
        payload = None
        with Guard("capturing the return value"):
            # Rendered even if it is not kept: that is how a result that cannot be encoded is noticed.
            payload = self.render(result, "return_value")
        limit = self.payload_limit_on_error if self.annotations.issues else self.payload_limit
        error = None if payload is None or payload.plain else _marshal_error(result)
        told = self._told
        status = None if told is None else http_status(result, told.trigger)
        if error is not None:
            limit = self.payload_limit_on_error
            put(self.span, {"error.type": "Runtime.MarshalError"})
            self.set_error(self.span, error)
            self.span.add_event("exception", {"exception.type": "Runtime.MarshalError", "exception.message": error})
        elif status is not None:
            put(self.span, {"http.response.status_code": status})
            if status >= 500:
                limit = self.payload_limit_on_error
                put(self.span, {"error.type": str(status)})
                self.set_error(self.span, "")
        if told is not None and told.batch is not None:
            with Guard("reading the result of a batch"):
                from clew.batches import failed_records  # noqa: PLC0415  # 0.1 ms of INIT, for batches

                failed = failed_records(told.batch, result, told.trigger.type)
                if failed:
                    put(self.span, {"clew.batch.failed": failed})
        self._set_payloads(limit, payload)

    def fail(self, error: BaseException) -> None:
        self._end()
        self.leaving = not isinstance(error, Exception)
        if not self.span.is_recording():
            return
        # Leaving the process is never a success in Lambda, whatever the exit status.
        name = "Runtime.ExitError" if isinstance(error, SystemExit) else type(error).__name__[:MAX_NAME]
        attributes = self.exception_attributes(error)
        put(self.span, {"error.type": name})
        self.set_error(self.span, attributes["exception.message"])
        self.span.add_event("exception", attributes)
        self._failed = True

    def _set_payloads(self, limit: int, result: Payload | None) -> None:
        if self._event is not None:
            put(self.span, {"clew.event": self._event.cut(limit)})
        if result is not None and self._engine.settings.capture_payloads:
            put(self.span, {"clew.return_value": result.cut(limit)})

    def disown(self) -> None:
        """It is another process's to export: this one is a forked child."""
        self.span = trace.NonRecordingSpan(self.span.get_span_context())
        self._snapshot = None
        self._watch = None

    def close(self) -> None:
        """No more is to be exported of it while it runs."""
        self._end()
        if self._watch is not None:
            self._engine.deadlines.forget(self)
            self._watch.stop()

    def finish(self, seconds: float) -> None:
        """Describe the result, end the span, and export all that ended within `seconds`."""
        engine = self._engine
        if self._watch is not None:
            self._watch.wait(min(max(0.0, seconds), engine.settings.export_timeout))
        with Guard("describing an event"):
            self.describe()
        if not self.span.is_recording():  # the function may have ended it
            return
        if self._failed:
            self._set_payloads(self.payload_limit_on_error, None)
        elif self._result is not None:
            with Guard("describing a result"):
                self._describe_result(self._result[0])
            self._result = None
        attributes: dict[str, Any] = {}
        if engine.sampling is not None and not self._decide(engine.sampling, attributes):
            self.span.end(self._ended)
            engine.leave_out(self)
            return
        self._add_measures(attributes)
        records: list[LogRecord] = []
        dropped_records = 0
        with Guard("taking the lines"):  # which masks them
            if self.lines is not None:
                records, dropped_records = self.lines.take()
        engine.delivery.drop(engine.provider.buffer.take_dropped(), dropped_records)
        lost = (engine.delivery.dropped_spans, engine.delivery.dropped_logs)
        if lost[0]:
            attributes["clew.dropped.spans"] = lost[0]
        if lost[1]:
            attributes["clew.dropped.log_records"] = lost[1]
        if self._left_out:
            attributes["clew.dropped.payloads"] = self._left_out
        put(self.span, attributes)
        self.span.end(self._ended)
        engine.provider.ids.draw()
        records += engine.late_records()
        if engine.export_now(engine.provider.buffer.take(), records, seconds):
            engine.delivery.reported(*lost)

    def _decide(self, sampling: Sampling, attributes: dict[str, Any]) -> bool:
        """Whether a sampled invocation is kept; adds the share that it stands for."""
        span: Any = self.span
        told = span.attributes or {}
        trigger = DIRECT if self._told is None else self._told.trigger
        kind = (trigger.type, trigger.resource, told.get("http.route"), told.get("error.type"))
        seconds = ((self._ended or self.started_ns) - self.started_ns) / 1e9
        share = sampling.decide(span, kind, self._engine.provider.buffer.ended, seconds)
        if share is not None:
            attributes["clew.sampling.ratio"] = share
        return share is not None

    def _add_measures(self, attributes: dict[str, Any]) -> None:
        with Guard("measuring what was used"):
            attributes.update(self._measures.taken())


def _marshal_error(result: object) -> str | None:
    """What Lambda's runtime will say of a result that it cannot encode; None if it can, or is not there to ask."""
    if isinstance(result, bytes):
        return None
    runtime = sys.modules.get("awslambdaric.lambda_runtime_marshaller")
    if runtime is None:
        return None
    try:
        runtime.to_json(result)
    except BaseException as error:
        pass_on_signal(error)
        return f"Unable to marshal response: {failures.message_of(error)}"
    return None
