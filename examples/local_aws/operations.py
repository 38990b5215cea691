"""Which AWS operation an HTTP request is, read from botocore's service models as a server would."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import botocore.exceptions
import botocore.loaders
import botocore.model
from werkzeug.datastructures import Headers

_CREDENTIAL = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class RequestLine:
    """Where a request goes. `path` is percent-decoded, `query` is not."""

    method: str
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One request understood. `parameters` holds the JSON body's members, or what stands in the path."""

    service: str
    region: str
    name: str
    parameters: Mapping[str, Any]
    model: botocore.model.OperationModel

    def __str__(self) -> str:
        return f"{self.service}.{self.name}"

    @property
    def speaks_json(self) -> bool:
        """True if the whole input is the JSON body."""
        return bool(self.model.service_model.metadata.get("targetPrefix"))


def identify(line: RequestLine, headers: Headers, body: bytes) -> Operation | None:
    """The operation that a signed request asks for; None for anything else."""
    scope = _CREDENTIAL.search(headers.get("Authorization", ""))
    if scope is None:
        return None
    service, region = scope["service"], scope["region"]
    model = service_model(service)
    if model is None:
        return None
    target = headers.get("X-Amz-Target")
    if target is not None:
        name = target.rpartition(".")[2]
        if name not in model.operation_names:
            return None
        return Operation(service, region, name, _json_object(body), model.operation_model(name))
    return _match_path(model, service, region, line, headers)


@functools.cache
def service_model(service: str) -> botocore.model.ServiceModel | None:
    """The model of the service that signs as `service`, where its directory has the same name."""
    try:
        description = botocore.loaders.Loader().load_service_model(service, "service-2")
    except botocore.exceptions.UnknownServiceError:
        return None
    return botocore.model.ServiceModel(description, service)


@dataclass(frozen=True, slots=True)
class _Route:
    """How a REST operation's requests look: the more of `demands` there are, the more special it is."""

    name: str
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str]  # literal parts of the query: `?acl`, `?list-type=2`
    required_query: frozenset[str]
    required_headers: frozenset[str]

    def demands(self) -> int:
        return len(self.query) + len(self.required_query) + len(self.required_headers)


def _match_path(
    model: botocore.model.ServiceModel, service: str, region: str, line: RequestLine, headers: Headers
) -> Operation | None:
    given = dict(parse_qsl(line.query, keep_blank_values=True))
    for route in _routes(model):
        match = route.path.fullmatch(line.path)
        if (
            match is not None
            and route.method == line.method
            and all(given.get(name) == value for name, value in route.query.items())
            and route.required_query <= given.keys()
            and all(name in headers for name in route.required_headers)
        ):
            return Operation(service, region, route.name, match.groupdict(), model.operation_model(route.name))
    return None


@functools.cache
def _routes(model: botocore.model.ServiceModel) -> tuple[_Route, ...]:
    """Every route of a REST service, the most special first."""
    routes = (_route(model.operation_model(name)) for name in model.operation_names)
    return tuple(sorted(routes, key=_Route.demands, reverse=True))


def _route(operation: botocore.model.OperationModel) -> _Route:
    path, _, query = operation.http.get("requestUri", "/").partition("?")
    literal = dict(parse_qsl(query, keep_blank_values=True))
    literal.pop("x-id", None)  # for humans: clients need not send it
    required = dict(_required_locations(operation))
    return _Route(
        operation.name,
        operation.http.get("method", "POST"),
        _path_pattern(path),
        literal,
        frozenset(name for name, location in required.items() if location == "querystring"),
        frozenset(name for name, location in required.items() if location == "header"),
    )


def _required_locations(operation: botocore.model.OperationModel) -> Iterator[tuple[str, str]]:
    if operation.input_shape is not None:
        for member in operation.input_shape.required_members:
            shape = operation.input_shape.members[member]
            if "location" in shape.serialization:
                yield shape.serialization.get("name", member), shape.serialization["location"]


def _path_pattern(template: str) -> re.Pattern[str]:
    """`/{Bucket}/{Key+}` as a pattern with a group for each name."""
    pattern = ""
    for text, name, greedy in re.findall(r"([^{]*)(?:\{(\w+)(\+?)\})?", template):
        pattern += re.escape(text)
        if name:
            pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'})"
    return re.compile(pattern + ("" if pattern.endswith("/") else "/?"), re.DOTALL)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
