"""Link keys that an event holds: one for every id in it, however deep a service wrapped it."""

from __future__ import annotations

from typing import Any

from clew.events import Envelopes, at, decoded_key, items, mapping, text

# SQS hands over 10,000 records at most, and an envelope may double the keys.
MAX_KEYS = 20_000
# SNS in SQS, S3 in EventBridge in SQS: no service wraps deeper by itself.
_MAX_DEPTH = 4


def consumed_keys(event: object) -> list[str]:
    """The keys, each once, in the order of the event's records."""
    keys: dict[str, None] = {}
    _collect(mapping(event), keys, Envelopes(), 0)
    return list(keys)


def _collect(event: dict[str, Any], keys: dict[str, None], envelopes: Envelopes, depth: int) -> None:
    if depth > _MAX_DEPTH:
        return
    for record in items(event.get("Records")):
        if len(keys) >= MAX_KEYS:
            return
        if not isinstance(record, dict):
            continue
        source = text(record.get("eventSource")) or text(record.get("EventSource"))
        if source == "aws:s3":
            _s3_record(record, keys)
        elif source == "aws:sqs":
            _add(keys, "sqs", record.get("messageId"))
            _collect(_opened(envelopes, record.get("body")), keys, envelopes, depth + 1)
        elif source == "aws:sns":
            _notification(mapping(record.get("Sns")), keys, envelopes, depth)
    if "detail-type" in event and "source" in event:
        _eventbridge(event, keys)
    elif event.get("Type") == "Notification" and "TopicArn" in event:
        _notification(event, keys, envelopes, depth)
    elif isinstance(event.get("requestContext"), dict) and "elb" not in event["requestContext"]:
        context = event["requestContext"]
        if "apiId" in context:
            _add(keys, "apigateway", context.get("requestId"))


def _opened(envelopes: Envelopes, body: object) -> dict[str, Any]:
    return envelopes.open(body, '"TopicArn"', '"detail-type"', "aws:s3")


def _notification(message: dict[str, Any], keys: dict[str, None], envelopes: Envelopes, depth: int) -> None:
    """What SNS delivers, in its own record or as a body in a queue."""
    _add(keys, "sns", message.get("MessageId"))
    _collect(_opened(envelopes, message.get("Message")), keys, envelopes, depth + 1)


def _s3_record(record: dict[str, Any], keys: dict[str, None]) -> None:
    _add(keys, "s3", at(record, "responseElements", "x-amz-request-id"))
    _object(keys, at(record, "s3", "bucket", "name"), decoded_key(at(record, "s3", "object", "key")))


def _eventbridge(event: dict[str, Any], keys: dict[str, None]) -> None:
    _add(keys, "eventbridge", event.get("id"))
    if event.get("source") == "aws.s3":
        detail = event.get("detail")
        _add(keys, "s3", at(detail, "request-id"))
        # EventBridge, unlike S3's own notifications, has the key as it is.
        _object(keys, at(detail, "bucket", "name"), text(at(detail, "object", "key")))


def _object(keys: dict[str, None], bucket: object, key: str) -> None:
    if text(bucket) and key:
        _add(keys, "s3-object", f"{bucket}/{key}")


def _add(keys: dict[str, None], kind: str, id: object) -> None:
    if isinstance(id, str) and id and len(id) <= 2048:
        keys[f"{kind}:{id}"] = None
