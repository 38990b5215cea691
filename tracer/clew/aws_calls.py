"""A client span for every call of botocore, whenever its client was made.

`BaseClient._make_api_call` is what every operation of every client goes through. It is wrapped on the class, so that
clients made before the tracer started are covered; botocore itself is never imported from here (100 ms and more).
"""

from __future__ import annotations

import functools
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from clew.events import MAX_NAME, mapping, text
from clew.guard import Guard
from clew.produced_keys import produced_keys
from clew.resources import Place, describe_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Token
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from clew.invocation import Invocation
    from clew.payload import Payload

_MODULE = "botocore.client"
_MARK = "__clew_traced__"

# Services whose answers are secrets, whatever their fields are called.
_SECRET_SERVICES = frozenset(
    {"secretsmanager", "kms", "sts", "cognito-idp", "cognito-identity", "sso", "sso-oidc", "signin", "acm-pca"}
)
_SECRET_OPERATIONS = frozenset({("iam", "CreateAccessKey"), ("ecr", "GetAuthorizationToken")})

_GUARD = Guard("tracing an AWS call")

_current: Callable[[], Invocation | None] = lambda: None  # noqa: E731  # replaced by `install`


def install(current: Callable[[], Invocation | None]) -> None:
    """Trace the calls made while `current()` is an invocation: now if botocore is loaded, else when it is."""
    global _current  # noqa: PLW0603  # one process has one botocore
    _current = current
    module = sys.modules.get(_MODULE)
    if module is not None:
        _wrap(module)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Lets the import of botocore.client go its way, and wraps the class when it is done."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  # the protocol's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Wrapping(spec.loader)
        return spec


class _Wrapping(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        with Guard("tracing botocore"):
            if module.__spec__ is not None:
                module.__spec__.loader = module.__loader__ = self._loader
            _wrap(module)


def _wrap(module: ModuleType) -> None:
    client = module.BaseClient
    original = client._make_api_call  # the one place that every call passes
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def _make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        call = None
        with _GUARD:
            invocation = _current()
            if invocation is not None:
                call = Call.start(invocation, self, operation_name, api_params)
        if call is None:
            return original(self, operation_name, api_params)
        try:
            response = original(self, operation_name, api_params)
        except BaseException as error:
            with _GUARD:
                call.fail(error)
            raise
        with _GUARD:
            call.end(response)
        return response

    setattr(_make_api_call, _MARK, True)
    client._make_api_call = _make_api_call


class Call:
    """One call on its way. Its span is current while it runs."""

    __slots__ = ("_captured", "_invocation", "_operation", "_params", "_request", "_service", "_span", "_token")

    def __init__(self, invocation: Invocation, service: str, operation: str, params: dict[str, Any]) -> None:
        self._invocation = invocation
        self._service = service
        self._operation = operation
        self._params = params
        self._captured = invocation.captures_payloads and not _secret(service, operation, params)
        self._request: Payload | None = None
        self._span: Span
        self._token: Token[Context] | None = None

    @classmethod
    def start(cls, invocation: Invocation, client: Any, operation: str, params: Any) -> Call | None:
        if otel_context.get_value("suppress_instrumentation"):
            return None
        given = mapping(params)
        service = client.meta.service_model
        call = cls(invocation, service.service_name, operation, given)
        if call._captured:
            # Before the call: botocore's own handlers may change what they are given.
            call._request = invocation.render(params, "request")
        region = text(client.meta.region_name)
        place = Place(text(client.meta.partition) or "aws", region, invocation.account)
        name = text(service.service_id)
        attributes: dict[str, Any] = {"rpc.system.name": "aws-api", "rpc.method": f"{name}/{operation}"}
        if region:
            attributes["cloud.region"] = region
        attributes.update(describe_resource(call._service, operation, given, place))
        if call._request is not None:
            # Set at once: a call that hangs is exported before it ends.
            attributes["clew.request"] = call._request.cut(invocation.payload_limit)
        call._span = invocation.start_span(f"{name}.{operation}", attributes)
        current = trace.set_span_in_context(call._span)
        # Else an instrumentation of urllib3 makes a second call of it.
        current = otel_context.set_value("suppress_http_instrumentation", True, current)
        call._token = otel_context.attach(current)
        return call

    def end(self, response: Any) -> None:
        self._leave()
        span = self._span
        try:
            if span.is_recording():
                answer = mapping(response)
                attributes = _answer_attributes(answer)
                keys = produced_keys(self._service, self._operation, self._params, answer)
                if keys:
                    attributes["clew.link.keys"] = keys
                if self._captured:
                    attributes["clew.response"] = self._response(answer, self._invocation.payload_limit)
                span.set_attributes(attributes)
        finally:
            span.end()

    def fail(self, error: BaseException) -> None:
        self._leave()
        span = self._span
        try:
            if span.is_recording():
                answer = mapping(getattr(error, "response", None))
                attributes = _answer_attributes(answer)
                details = mapping(answer.get("Error"))
                attributes["error.type"] = (text(details.get("Code")) or type(error).__name__)[:MAX_NAME]
                self._invocation.set_error(span, text(details.get("Message")) or self._invocation.message_of(error))
                limit = self._invocation.payload_limit_on_error
                if self._request is not None:
                    attributes["clew.request"] = self._request.cut(limit)
                if self._captured and answer:
                    attributes["clew.response"] = self._response(answer, limit)
                span.set_attributes(attributes)
        finally:
            span.end()

    def _leave(self) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None

    def _response(self, answer: dict[str, Any], limit: int) -> str:
        content = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        return self._invocation.render(content, "response").cut(limit)


def _answer_attributes(answer: dict[str, Any]) -> dict[str, Any]:
    metadata = mapping(answer.get("ResponseMetadata"))
    found: dict[str, Any] = {
        "aws.request_id": text(metadata.get("RequestId"))[:MAX_NAME],
        "aws.extended_request_id": text(metadata.get("HostId"))[:MAX_NAME],
        "http.response.status_code": _count(metadata.get("HTTPStatusCode")),
        "http.request.resend_count": _count(metadata.get("RetryAttempts")),
    }
    return {name: value for name, value in found.items() if value}


def _count(value: object) -> int:
    """A whole number that OTLP has room for: a stub may answer with anything, and OpenTelemetry would complain."""
    return value if type(value) is int and 0 <= value < 2**63 else 0


def _secret(service: str, operation: str, params: dict[str, Any]) -> bool:
    """Whether neither request nor response may be kept."""
    if service == "ssm":
        return bool(params.get("WithDecryption")) or params.get("Type") == "SecureString"
    return service in _SECRET_SERVICES or (service, operation) in _SECRET_OPERATIONS
