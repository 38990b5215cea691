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

from clew.events import MAX_NAME, mapping, text
from clew.guard import Guard
from clew.imports import when_imported
from clew.lean_span import put, start_call
from clew.produced_keys import failed_entries, failure, produced_keys
from clew.provider import detach
from clew.resources import Place, arn_in_response, describe_resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.trace import Span

    from clew.invocation import Invocation
    from clew.payload import Payload

MARK = "__clew_traced__"
_KEY = "clew-call"
# OpenTelemetry's keys end in something random, made when it is imported; this one is also set without it.
_SUPPRESSED_PLAIN = "suppress_instrumentation"
_SUPPRESSED: str = getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESSED_PLAIN)
_SUPPRESSED_HTTP: str = getattr(otel_context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
_OTHERS = "opentelemetry.instrumentation.botocore"

_NOTHING = object()
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
# Whose calls are billed by more than their number.
_METERED = frozenset({"dynamodb", "sqs", "sns", "events", "kinesis", "stepfunctions", "ses", "sesv2"})
_INJECTED_NAMES = frozenset(operation for _, operation in _INJECTED)

# Services whose answers are secrets, whatever their fields are called.
_SECRET_SERVICES = frozenset(
    {
        "secretsmanager",
        "kms",
        "sts",
        "cognito-idp",
        "cognito-identity",
        "sso",
        "sso-oidc",
        "signin",
        "acm-pca",
        "payment-cryptography",
        "payment-cryptography-data",
    }
)
_SECRET_OPERATIONS = frozenset({("iam", "CreateAccessKey"), ("ecr", "GetAuthorizationToken")})

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
    with guard:
        invocation = _current()
        if invocation is not None:
            return Call.start(invocation, client, operation, params)
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
        with guard:
            call.end(response)
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
        "_captured",
        "_injected",
        "_invocation",
        "_name",
        "_operation",
        "_own",
        "_params",
        "_region",
        "_request",
        "_service",
        "_span",
        "_token",
    )

    def __init__(self, invocation: Invocation, model: Any, operation: str, params: dict[str, Any]) -> None:
        self._invocation = invocation
        self._service: str = model.service_name
        self._operation = operation
        self._params = params
        self._captured = not _secret(self._service, operation, params) and invocation.captures_payloads
        self._request: Payload | None = None
        self._injected = False
        self._region = self._name = ""
        self._own = True
        self._span: Span
        self._token: Token[Context] | None = None

    @classmethod
    def start(cls, invocation: Invocation, client: Any, operation: str, params: Any) -> Call | None:
        around = otel_context.get_current()
        outer = around.get(_KEY)
        if outer is None and (around.get(_SUPPRESSED) or around.get(_SUPPRESSED_PLAIN)):
            return None  # by the user, not by a call of ours that this one is part of
        meta = client.meta
        model = meta.service_model
        call = cls(invocation, model, operation, mapping(params))
        call._region = region = text(meta.region_name)
        service = text(model.service_id)
        attributes: dict[str, Any] = {"rpc.system.name": "aws-api", "rpc.method": f"{service}/{operation}"}
        if region:
            attributes["cloud.region"] = region
        place = Place(text(meta.partition) or "aws", region, invocation.account)
        attributes.update(describe_resource(call._service, operation, call._params, place, model))
        if "clew.resource.arn" not in attributes:
            call._name = attributes.get("clew.resource.name", "")  # the response may have the ARN to it
        if call._captured:
            # Before the call: botocore's own handlers may change what they are given. And set at once: a call that
            # hangs is exported before it ends.
            call._request = invocation.render(params, "request")
            attributes["clew.request"] = call._request.cut(invocation.payload_limit)
        span = trace.get_current_span(around)
        if span is not invocation.span and _is_others(span, invocation, outer):
            call._own = False
            call._span = span
            span.set_attributes(attributes)
        else:
            call._span = _start_span(invocation, span, f"{service}.{operation}", attributes)
            around = trace.set_span_in_context(call._span, around)
        # Else an instrumentation of botocore or urllib3 makes a second call of it.
        call._token = otel_context.attach(Context({**around, _KEY: call, _SUPPRESSED: True, _SUPPRESSED_HTTP: True}))
        return call

    def inject(self, params: Any, model: Any) -> Any:
        """The parameters of this call, but not of another that it makes itself, with its trace context in them."""
        if self._injected or model.name != self._operation or (self._service, self._operation) not in _INJECTED:
            return params
        self._injected = True
        context = self._span.get_span_context()
        if not self._invocation.settings.inject_context or not context.is_valid or not isinstance(params, dict):
            return params
        from clew.injection import injected  # noqa: PLC0415  # 0.2 ms of INIT

        return injected(self._service, self._operation, params, context)

    def end(self, response: Any) -> None:
        self._leave()
        span = self._span
        try:
            if span.is_recording():
                answer = mapping(response)
                attributes = _answer_attributes(answer)
                keys = produced_keys(self._service, self._operation, self._params, answer, self._region)
                if keys:
                    attributes["clew.link.keys"] = keys
                refused = failed_entries(self._operation, answer)
                if refused:
                    attributes["clew.call.failed_entries"] = refused
                if self._service in _METERED:
                    attributes.update(_usage()(self._service, self._operation, self._params, answer, self._request))
                if self._name and (arn := arn_in_response(self._name, answer)):
                    attributes["clew.resource.arn"] = arn
                limit = self._invocation.payload_limit
                refusal = failure(self._service, self._operation, answer)
                if refusal is not None:
                    limit = self._fail(attributes, *refusal)
                if self._captured:
                    attributes["clew.response"] = self._response(answer, limit)
                put(span, attributes)
        finally:
            if self._own:
                span.end()

    def fail(self, error: BaseException) -> None:
        self._leave()
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

    def _leave(self) -> None:
        if self._token is not None:
            detach(self._token)
            self._token = None

    def _response(self, answer: dict[str, Any], limit: int) -> str:
        content = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        return self._invocation.render(content, "response").cut(limit) if content else "{}"


def _start_span(invocation: Invocation, current: Span, name: str, attributes: dict[str, Any]) -> Span:
    """A span under the current one; in a thread without context, under the invocation."""
    parent = current if current.get_span_context().is_valid else invocation.span
    context = parent.get_span_context()
    if (
        parent.is_recording()
        and context.trace_flags.sampled
        and not invocation.settings.limits  # of OpenTelemetry's own spans
        and getattr(parent, "resource", None) is getattr(invocation.span, "resource", _NOTHING)
    ):
        return start_call(invocation._engine.provider.tracer, name, context, attributes)
    return invocation.start_span(name, attributes)


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
    metadata = mapping(answer.get("ResponseMetadata"))
    found: dict[str, Any] = {
        "aws.request_id": text(metadata.get("RequestId"))[:MAX_NAME],
        "aws.extended_request_id": text(metadata.get("HostId"))[:MAX_NAME],
        "http.response.status_code": _count(metadata.get("HTTPStatusCode")),
        "http.request.resend_count": _count(metadata.get("RetryAttempts")),
    }
    return {name: value for name, value in found.items() if value}


@functools.cache
def _usage() -> Callable[..., dict[str, Any]]:
    from clew.usage import billed_units  # noqa: PLC0415  # 0.3 ms, where such a service is called

    return billed_units


def _count(value: object) -> int:
    """A whole number that OTLP has room for: a stub may answer with anything, and OpenTelemetry would complain."""
    return value if type(value) is int and 0 <= value < 2**63 else 0


def _secret(service: str, operation: str, params: dict[str, Any]) -> bool:
    """Whether neither request nor response may be kept."""
    if service == "ssm":
        return bool(params.get("WithDecryption")) or params.get("Type") == "SecureString"
    return service in _SECRET_SERVICES or (service, operation) in _SECRET_OPERATIONS
