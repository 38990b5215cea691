"""Requests: API Gateway, function URLs, load balancers, VPC Lattice, AppSync and CloudFront."""

from __future__ import annotations

from typing import Any

from clew.events import MAX_NAME, at, items, mapping, text
from clew.triggers import Place, Trigger

# A result's `statusCode` is the caller's answer. AppSync's is data, whatever its fields are called.
_ANSWERED = frozenset({"apigateway", "websocket", "function_url", "alb", "vpclattice"})
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})


def request_trigger(event: dict[str, Any], place: Place) -> Trigger | None:
    """The trigger of an event with a `requestContext`; None if that is not a request's."""
    context = event.get("requestContext")
    if not isinstance(context, dict):
        return None
    balancer = context.get("elb")
    if isinstance(balancer, dict):
        return Trigger("alb", "http", text(balancer.get("targetGroupArn")))
    if "serviceNetworkArn" in context:
        return Trigger("vpclattice", "http", text(context.get("serviceArn")))
    domain = text(context.get("domainName"))
    if ".lambda-url." in domain:
        return Trigger("function_url", "http", domain)
    api = text(context.get("apiId"))
    return _api_trigger(event, context, api, place) if api else None


def _api_trigger(event: dict[str, Any], context: dict[str, Any], api: str, place: Place) -> Trigger | None:
    owner = text(context.get("accountId"))
    if "connectionId" in context:
        return Trigger("websocket", "http", _api(place, owner, api, context))
    if "http" in context or "httpMethod" in event:
        return Trigger("apigateway", "http", _api(place, owner, api, context))
    if "authorizationToken" in event and "queryString" in context:
        return Trigger("appsync", "http", place.arn("appsync", f"apis/{api}", owner) or api)
    return None


def _api(place: Place, owner: str, api: str, context: dict[str, Any]) -> str:
    stage = text(context.get("stage"))
    return place.arn("execute-api", f"{api}/{stage}".rstrip("/"), owner) or api


def authorizer_trigger(event: dict[str, Any], _: Place) -> Trigger | None:
    """API Gateway's authorizer for a token: of the request it knows the method's ARN, `…:api/stage/GET/pets`."""
    arn = text(event.get("methodArn"))
    if event.get("type") != "TOKEN" or not arn.startswith("arn:"):
        return None
    return Trigger("apigateway", "http", "/".join(arn.split("/")[:2]))


def lattice_trigger(event: dict[str, Any], _: Place) -> Trigger | None:
    """VPC Lattice's first version, which names no service."""
    return Trigger("vpclattice", "http") if "method" in event and "headers" in event else None


def resolver_trigger(event: dict[str, Any], _: Place) -> Trigger | None:
    """AppSync's resolvers and event handlers. The API's host name is the one thing that names it."""
    info, request = event.get("info"), event.get("request")
    if not isinstance(info, dict) or not isinstance(request, dict):
        return None
    if "fieldName" not in info and "channel" not in info:
        return None
    return Trigger("appsync", "http", text(request.get("domainName")) or headers_of(event).get("host", ""))


def edge_trigger(record: dict[str, Any], place: Place) -> Trigger | None:
    """Lambda@Edge."""
    config = at(record, "cf", "config")
    if not isinstance(config, dict):
        return None
    id = text(config.get("distributionId"))
    # The replica that runs is in any region; the distribution is in none.
    arn = f"arn:aws:cloudfront::{place.account}:distribution/{id}" if id and place.account else id
    return Trigger("cloudfront", "http", arn)


def request_attributes(event: dict[str, Any], trigger: Trigger) -> dict[str, str]:
    """OpenTelemetry's attributes of an HTTP request."""
    headers = headers_of(event)
    context = mapping(event.get("requestContext"))
    request = mapping(context.get("http"))
    edge = mapping(at(_first(event.get("Records")), "cf", "request"))
    found = {
        "user_agent.original": headers.get("user-agent", "") or text(at(context, "identity", "userAgent")),
        "server.address": text(context.get("domainName")) or _without_port(headers.get("host", "")),
    }
    if trigger.type == "websocket":
        found["clew.websocket.connection_id"] = text(context.get("connectionId"))
        found["clew.websocket.route"] = text(context.get("routeKey"))
    elif trigger.type == "appsync":
        found.update(_resolved(event, context))
    else:
        method = text(event.get("httpMethod")) or text(request.get("method"))
        found["http.request.method"] = _method(method or text(event.get("method")) or text(edge.get("method")))
        found["url.path"] = _path(event, request) or text(edge.get("uri"))
        found["url.scheme"] = _scheme(headers, trigger)
        found["http.route"] = _route(event)
    return {name: value[:MAX_NAME] for name, value in found.items() if value}


def _resolved(event: dict[str, Any], context: dict[str, Any]) -> dict[str, str]:
    info = mapping(event.get("info"))
    parent, field = text(info.get("parentTypeName")), text(info.get("fieldName"))
    operation = parent.lower()  # or the name of some other type
    return {
        "graphql.operation.type": operation if operation in {"query", "mutation", "subscription"} else "",
        "graphql.operation.name": text(context.get("operationName")),
        "clew.appsync.field": f"{parent}.{field}" if parent and field else "",
    }


def _first(records: object) -> object:
    listed = items(records)
    return listed[0] if listed else None


def _method(method: str) -> str:
    """One that the convention does not know is named so: attributes that take any value split every sum."""
    method = method.upper()
    return method if method in _METHODS or not method else "_OTHER"


def _path(event: dict[str, Any], request: dict[str, Any]) -> str:
    for path in (event.get("path"), event.get("rawPath"), request.get("path"), event.get("raw_path")):
        if isinstance(path, str) and path:
            return path.partition("?")[0]  # VPC Lattice leaves the query in it
    return ""


def _scheme(headers: dict[str, str], trigger: Trigger) -> str:
    scheme = headers.get("x-forwarded-proto", "").lower() or headers.get("cloudfront-forwarded-proto", "").lower()
    if scheme in {"http", "https"}:
        return scheme
    return "https" if trigger.type in {"apigateway", "function_url"} else ""  # they take nothing else


def _route(event: dict[str, Any]) -> str:
    """The template, never the path. Version 2 writes the method before it, `GET /pets/{id}`; `$default` is none."""
    route = text(event.get("resource"))
    if not route:
        route = (text(event.get("routeKey")) or text(at(event, "requestContext", "routeKey"))).partition(" ")[2]
    return route if route.startswith("/") else ""


def _without_port(host: str) -> str:
    if host.startswith("["):  # an IPv6 address
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def headers_of(event: dict[str, Any]) -> dict[str, str]:
    """The headers of the request that an event is of, names in lower case. Of a repeated one, the last counts."""
    found: dict[str, str] = {}
    for headers in (
        event.get("headers") or event.get("multiValueHeaders"),
        event.get("requestHeaders"),
        at(event, "request", "headers"),
    ):
        if headers and isinstance(headers, dict):
            _read(headers, found)
    if not found and "Records" in event:
        edge = at(_first(event.get("Records")), "cf", "request", "headers")
        if isinstance(edge, dict):
            _read(edge, found)
    return found


def _read(headers: dict[Any, Any], found: dict[str, str]) -> None:
    for name, value in headers.items():
        last = value[-1] if isinstance(value, list) and value else value
        if isinstance(last, dict):  # CloudFront: {"key": "Host", "value": "example.com"}
            last = last.get("value")
        if isinstance(name, str) and isinstance(last, str):
            found[name.lower()] = last


def answered_status(result: dict[Any, Any], trigger: Trigger) -> int | None:
    """The status that the trigger's caller gets; None if the handler leaves it to the service, or it gets none."""
    if trigger.type in _ANSWERED:
        status = result.get("statusCode")
    elif trigger.type == "cloudfront":
        status = result.get("status")
    else:
        return None
    if isinstance(status, str) and status.isdecimal():
        status = int(status[:4])
    return status if type(status) is int and 100 <= status <= 599 else None
