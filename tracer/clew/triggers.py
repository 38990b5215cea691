"""What set an invocation off, as its event tells."""

from __future__ import annotations

from typing import Any, NamedTuple

from clew.events import MAX_NAME, at, items, mapping, text


class Trigger(NamedTuple):
    """`type` and `resource` as in docs/attributes.md; `faas` is OpenTelemetry's coarser word."""

    type: str
    faas: str
    resource: str = ""


_RECORDS = {
    "aws:s3": "s3",
    "aws:sqs": "sqs",
    "aws:sns": "sns",
    "aws:kinesis": "kinesis",
    "aws:dynamodb": "dynamodb",
}
_FAAS = {"s3": "datasource", "dynamodb": "datasource"}


def find_trigger(event: object, region: str, account: str) -> Trigger:
    """The trigger of an event; `direct` if its shape is none of a service's that is known."""
    if not isinstance(event, dict):
        return Trigger("direct", "other")
    records = items(event.get("Records"))
    if records and isinstance(records[0], dict):
        found = _record_trigger(records[0])
        if found is not None:
            return found
    if "detail-type" in event and "source" in event:
        return _eventbridge_trigger(event)
    context = event.get("requestContext")
    if isinstance(context, dict):
        found = _http_trigger(event, context, region, account)
        if found is not None:
            return found
    return Trigger("direct", "other")


def _record_trigger(record: dict[str, Any]) -> Trigger | None:
    source = text(record.get("eventSource")) or text(record.get("EventSource"))
    type = _RECORDS.get(source)
    if type is None:
        return None
    if type == "s3":
        bucket = text(at(record, "s3", "bucket", "name"))
        resource = text(at(record, "s3", "bucket", "arn")) or (f"arn:aws:s3:::{bucket}" if bucket else "")
    elif type == "sns":
        resource = text(at(record, "Sns", "TopicArn"))
    else:
        resource = text(record.get("eventSourceARN"))
        if type == "dynamodb":
            resource = resource.partition("/stream/")[0]
    return Trigger(type, _FAAS.get(type, "pubsub"), resource)


def _eventbridge_trigger(event: dict[str, Any]) -> Trigger:
    source = text(event.get("source"))
    resources = items(event.get("resources"))
    if source == "aws.scheduler" or (source == "aws.events" and event.get("detail-type") == "Scheduled Event"):
        return Trigger("schedule", "timer", text(resources[0]) if resources else "")
    return Trigger("eventbridge", "pubsub", source)


def _http_trigger(event: dict[str, Any], context: dict[str, Any], region: str, account: str) -> Trigger | None:
    balancer = context.get("elb")
    if isinstance(balancer, dict):
        return Trigger("alb", "http", text(balancer.get("targetGroupArn")))
    domain = text(context.get("domainName"))
    if ".lambda-url." in domain:
        return Trigger("function_url", "http", domain)
    api = text(context.get("apiId"))
    if not api or not ("http" in context or "httpMethod" in event or "connectionId" in context):
        return None
    stage = text(context.get("stage"))
    owner = text(context.get("accountId")) or account
    if region and owner:
        return Trigger("apigateway", "http", f"arn:aws:execute-api:{region}:{owner}:{api}/{stage}".rstrip("/"))
    return Trigger("apigateway", "http", api)


def http_attributes(event: object, trigger: Trigger) -> dict[str, str]:
    """OpenTelemetry's attributes of an HTTP request, for the triggers that are one."""
    if trigger.faas != "http" or not isinstance(event, dict):
        return {}
    request = mapping(at(event, "requestContext", "http"))
    found = {
        "http.request.method": text(event.get("httpMethod")) or text(request.get("method")),
        "url.path": text(event.get("path")) or text(event.get("rawPath")) or text(request.get("path")),
        "http.route": text(event.get("resource")) or _route(event),
    }
    return {name: value[:MAX_NAME] for name, value in found.items() if value}


def _route(event: dict[str, Any]) -> str:
    """Version 2 writes the method before the route: `GET /pets/{id}`; `$default` is no route."""
    route = text(event.get("routeKey")) or text(at(event, "requestContext", "routeKey"))
    return route.partition(" ")[2]


def http_status(result: object) -> int | None:
    """The status that an HTTP trigger's caller gets; None if the handler leaves it to API Gateway."""
    status = result.get("statusCode") if isinstance(result, dict) else None
    if isinstance(status, str) and status.isdecimal():
        status = int(status[:4])
    return status if type(status) is int and 100 <= status <= 599 else None
