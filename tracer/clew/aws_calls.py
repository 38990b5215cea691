"""A client span for every call of botocore, whenever its client was made.

`BaseClient._make_api_call` is what every operation of every client goes through. It is wrapped on the class, so that
clients made before the tracer started are covered; botocore itself is never imported from here (100 ms and more).
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from clew.call_plans import plan_of
from clew.contexts import SPAN_KEY, attach, current_context, detach
from clew.events import MAX_NAME, mapping, text
from clew.guard import Guard, swallow
from clew.imports import when_imported
from clew.lean_span import LeanSpan, put, start_call
from clew.produced_keys import failed_entries, failure, produced_keys
from clew.resources import arn_in_response

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.trace import Span

    from clew.call_plans import Plan
    from clew.invocation import Invocation
    from clew.lean_span import Told
    from clew.payload import Payload

MARK = "__clew_traced__"
_KEY = "clew-call"
# OpenTelemetry's keys end in something random, made when it is imported; this one is also set without it.
_SUPPRESSED_PLAIN = "suppress_instrumentation"
_SUPPRESSED: str = getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESSED_PLAIN)
_SUPPRESSED_HTTP: str = getattr(otel_context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
_OTHERS = "opentelemetry.instrumentation.botocore"

_NOTHING = object()
_TOO_LARGE = 1 << 63
_INJECTED = frozenset(
    {
        ("sqs", "SendMessage"),
        ("sqs", "SendMessageBatch"),
        ("sns", "Publish"),
        ("sns", "PublishBatch"),
        ("lambda", "Invoke"),
        ("lambda", "InvokeWithResponseStream"),
    }
)
_INJECTED_NAMES = frozenset(operation for _, operation in _INJECTED)

guard = Guard("tracing an AWS call")

_current: Callable[[], Invocation | None] = lambda: None  # noqa: E731  # replaced by `install`


def install(current: Callable[[], Invocation | None]) -> None:
    """Trace the calls made while `current()` is an invocation: now if botocore is loaded, else when it is."""
    global _current  # noqa: PLW0603  # one process has one botocore
    _current = current
    when_imported("botocore.client", _wrap)
    when_imported("aiobotocore.client", _wrap_async)
    when_imported("s3transfer.tasks", _wrap_transfers)


def begin(client: Any, operation: str, params: Any) -> Call | None:
    """The call that starts now; None if it is not to be traced. Its span is current until it ends."""
    try:  # not `with guard`, here and below: 0.5 µs each
        invocation = _current()
        return None if invocation is None else Call.start(invocation, client, operation, params)
    except BaseException as error:
        swallow(guard.doing, error)
        return None


def with_context(params: Any, model: Any) -> Any:
    """The parameters that botocore is about to serialise, with trace context where they have a place for it."""
    if model is not None and model.name in _INJECTED_NAMES:
        with guard:
            call = otel_context.get_value(_KEY)
            if isinstance(call, Call):
                return call.inject(params, model)
    return params


def _wrap() -> None:
    client = sys.modules["botocore.client"].BaseClient  # loaded, and not by us
    original = client._make_api_call  # the one place that every call passes
    if getattr(original, MARK, False):
        return

    @functools.wraps(original)
    def _make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        call = begin(self, operation_name, api_params)
        if call is None:
            return original(self, operation_name, api_params)
        try:
            response = original(self, operation_name, api_params)
        except BaseException as error:
            with guard:
                call.fail(error)
            raise
        try:
            call.end(response)
        except BaseException as error:
            swallow(guard.doing, error)
        return response

    emit = client._emit_api_params

    @functools.wraps(emit)
    def _emit_api_params(self: Any, *args: Any, **kwargs: Any) -> Any:
        # What it gives is what handlers of the user's own, and a Stubber's expectations, have seen and left.
        return with_context(emit(self, *args, **kwargs), kwargs.get("operation_model"))

    setattr(_make_api_call, MARK, True)
    client._make_api_call = _make_api_call
    client._emit_api_params = _emit_api_params


def _wrap_async() -> None:
    from clew.async_calls import wrap  # noqa: PLC0415  # only where there is aiobotocore

    wrap(sys.modules["aiobotocore.client"])


def _wrap_transfers() -> None:
    """Have S3's transfers make their calls, in threads of their own, in the context that started them."""
    from contextvars import copy_context  # noqa: PLC0415  # only where there is s3transfer

    task = sys.modules["s3transfer.tasks"].Task
    begin, run = task.__init__, task.__call__
    if getattr(run, MARK, False):
        return

    @functools.wraps(begin)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # the class's own
        begin(self, *args, **kwargs)
        with guard:
            self.__dict__[MARK] = copy_context() if _current() is not None else None

    @functools.wraps(run)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        context = self.__dict__.pop(MARK, None)
        return run(self, *args, **kwargs) if context is None else context.run(run, self, *args, **kwargs)

    setattr(__call__, MARK, True)
    task.__init__, task.__call__ = __init__, __call__


class Call:
    """One call on its way. Its span is current while it runs."""

    __slots__ = (
        "_captured", "_injected", "_invocation", "_own", "_params", "_plan", "_request", "_span", "_token",
        "_told",
    )  # fmt: skip

    _captured: bool
    _injected: bool
    _invocation: Invocation
    _own: bool  # whether the span is, and not one that an instrumentation around ours has made
    _params: dict[str, Any]
    _plan: Plan
    _request: Payload | None
    _span: Span
    _told: Told
    _token: Token[Context]

    @classmethod
    def start(cls, invocation: Invocation, client: Any, operation: str, params: Any) -> Call | None:
        around = current_context()
        outer = around.get(_KEY)
        if outer is None and (around.get(_SUPPRESSED) or around.get(_SUPPRESSED_PLAIN)):
            return None  # by the user, not by a call of ours that this one is part of
        call = cls()
        call._invocation = invocation
        call._plan = plan = plan_of(client, operation, invocation.account)
        call._params = given = mapping(params)
        call._told = told = plan.told(given)
        call._request = None
        call._injected = False
        call._own = True
        call._captured = not plan.secret(given) and invocation.captures_payloads
        attributes: dict[str, Any] = {}
        if call._captured:
            # Before the call: botocore's own handlers may change what they are given. And set at once: a call that
            # hangs is exported before it ends.
            call._request = request = invocation.render(params, "request")
            attributes["clew.request"] = request.cut(invocation.payload_limit)
        span: Any = around.get(SPAN_KEY)
        if span is not invocation.span:
            span = trace.get_current_span(around)
        if span is not invocation.span and _is_others(span, invocation, outer):
            call._own = False
            call._span = span
            span.set_attributes({**told.attributes, **attributes})
            inside = {**around, _KEY: call, _SUPPRESSED: True, _SUPPRESSED_HTTP: True}
        else:
            call._span = own = _start_span(invocation, span, told, attributes)
            inside = {**around, SPAN_KEY: own, _KEY: call, _SUPPRESSED: True, _SUPPRESSED_HTTP: True}
        # Else an instrumentation of botocore or urllib3 makes a second call of it.
        call._token = attach(Context(inside))
        return call

    def inject(self, params: Any, model: Any) -> Any:
        """The parameters of this call, but not of another that it makes itself, with its trace context in them."""
        plan = self._plan
        if self._injected or model.name != plan.operation or (plan.service, plan.operation) not in _INJECTED:
            return params
        self._injected = True
        context = self._span.get_span_context()
        if not self._invocation.settings.inject_context or not context.is_valid or not isinstance(params, dict):
            return params
        from clew.injection import injected  # noqa: PLC0415  # 0.2 ms of INIT

        return injected(plan.service, plan.operation, params, context)

    def end(self, response: Any) -> None:
        detach(self._token)
        span = self._span
        try:
            if span.is_recording():
                put(span, self._ended(mapping(response)))
        finally:
            if self._own:
                span.end()

    def _ended(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The attributes that a successful answer gives."""
        plan = self._plan
        attributes = _answer_attributes(answer)
        if plan.makes_keys:
            keys = produced_keys(plan.service, plan.operation, self._params, answer, plan.region)
            if keys:
                attributes["clew.link.keys"] = keys
        if plan.meter is not None:
            units = plan.meter(plan.service, plan.operation, self._params, answer, self._request)
            if units:
                attributes.update(units)
        limit = self._invocation.payload_limit
        if len(answer) > 1:  # more than its metadata
            refused = failed_entries(plan.operation, answer)
            if refused:
                attributes["clew.call.failed_entries"] = refused
            told = self._told.attributes
            if "clew.resource.arn" not in told:
                # By its name: the response may have the ARN to it.
                arn = arn_in_response(told.get("clew.resource.name", ""), answer)
                if arn:
                    attributes["clew.resource.arn"] = arn
            refusal = failure(plan.service, plan.operation, answer) if plan.may_fail else None
            if refusal is not None:
                limit = self._fail(attributes, *refusal)
        if self._captured:
            attributes["clew.response"] = self._response(answer, limit)
        return attributes

    def fail(self, error: BaseException) -> None:
        detach(self._token)
        span = self._span
        try:
            if span.is_recording():
                answer = mapping(getattr(error, "response", None))
                attributes = _answer_attributes(answer)
                details = mapping(answer.get("Error"))
                limit = self._fail(
                    attributes,
                    text(details.get("Code")) or type(error).__name__,
                    text(details.get("Message")) or self._invocation.message_of(error),
                )
                if self._captured and answer:
                    attributes["clew.response"] = self._response(answer, limit)
                put(span, attributes)
        finally:
            if self._own:
                span.end()

    def _fail(self, attributes: dict[str, Any], name: str, message: str) -> int:
        """Makes the span one that failed; gives the limit of its payloads."""
        attributes["error.type"] = name[:MAX_NAME]
        self._invocation.set_error(self._span, message)
        limit = self._invocation.payload_limit_on_error
        if self._request is not None:
            attributes["clew.request"] = self._request.cut(limit)
        return limit

    def _response(self, answer: dict[str, Any], limit: int) -> str:
        if len(answer) == 1 and "ResponseMetadata" in answer:
            return "{}"
        content = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        return self._invocation.render(content, "response").cut(limit) if content else "{}"


def _start_span(invocation: Invocation, current: Span, told: Told, attributes: dict[str, Any]) -> Span:
    """A span under the current one; in a thread without context, under the invocation."""
    parent: Any = current
    if type(current) is not LeanSpan and not current.get_span_context().is_valid:
        parent = invocation.span
    if not invocation.settings.limits and parent.is_recording():  # limits of OpenTelemetry's own spans
        if type(parent) is LeanSpan:
            same = parent is invocation.span or parent.resource is getattr(invocation.span, "resource", _NOTHING)
            context: Any = parent
        else:
            context = parent.get_span_context()
            same = context.trace_flags.sampled and (
                getattr(parent, "resource", None) is getattr(invocation.span, "resource", _NOTHING)
            )
        if same:
            return start_call(invocation._engine.provider.tracer, context, told, attributes)
    return invocation.start_span(told.name, {**told.attributes, **attributes})


def _is_others(span: Span, invocation: Invocation, outer: object) -> bool:
    """Whether OpenTelemetry's instrumentation of botocore, put around ours, has made a span of this call already.

    That one is then completed instead of making a second. It is of the tracer's own provider, or it goes elsewhere;
    and it is not of the call that this one is part of.
    """
    scope = getattr(span, "instrumentation_scope", None)
    if scope is None or not str(scope.name).startswith(_OTHERS):
        return False
    if isinstance(outer, Call) and outer._span is span:
        return False
    return getattr(span, "resource", None) is getattr(invocation.span, "resource", _NOTHING)


def _answer_attributes(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    metadata = mapping(answer.get("ResponseMetadata"))
    request_id, status = metadata.get("RequestId"), metadata.get("HTTPStatusCode")
    if type(request_id) is str and request_id:
        found["aws.request_id"] = request_id[:MAX_NAME]
    if extended_id := text(metadata.get("HostId")):
        found["aws.extended_request_id"] = extended_id[:MAX_NAME]
    # Whole numbers that OTLP has room for: a stub may answer with anything, and OpenTelemetry would complain.
    if type(status) is int and 0 < status < _TOO_LARGE:
        found["http.response.status_code"] = status
    retries = metadata.get("RetryAttempts")
    if retries and type(retries) is int and 0 < retries < _TOO_LARGE:
        found["http.request.resend_count"] = retries
    return found
