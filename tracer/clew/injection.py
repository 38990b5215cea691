"""Trace context for those that an AWS call sets off, where AWS has a place for it beside the caller's own data.

SQS and SNS messages have attributes, a synchronous invocation of Lambda has a client context. Nothing else is touched:
no payload, no detail of an event, no input of a state machine. It is done before botocore checks, serialises and signs
the parameters, so that checksums and signatures, also of retries, are of what is sent.

Every hop is joined by message and request ids as well. So context is left out wherever adding it could matter.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clew.events import mapping, text

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

_MAX_ATTRIBUTES = 10  # SQS' limit, and that of a queue to which SNS delivers raw messages
_MAX_MESSAGE = 200_000  # bytes of a whole message or batch; SNS takes 262,144, SQS that or more
# A queue may have a limit of its own, in the console a multiple of this: a message that adding would push over one
# such multiple stays as it is.
_STEP = 1024
_MAX_CLIENT_CONTEXT = 3583  # characters of base64
_MAX_STATE = 512
_MAX_ENTRIES = 10


def injected(service: str, operation: str, params: dict[str, Any], context: SpanContext) -> dict[str, Any]:
    """The parameters with `context` in them: a copy, for the caller's are not changed; or the same if it has no place.

    `params` are as they go into botocore's serialiser, after handlers of the user's own have seen them.
    """
    fields = _fields(context)
    if service == "lambda":
        return _with_client_context(params, fields)
    if operation == "SendMessage":
        return _with_attributes([params], "MessageBody", fields)[0]
    if operation == "Publish":
        if not _is_topic(text(params.get("TopicArn")) or text(params.get("TargetArn"))) or params.get("PhoneNumber"):
            return params  # what reaches a telephone is no place for it
        return _with_attributes([params], "Message", fields)[0]
    name, body = _BATCHES[operation]
    entries = params.get(name)
    if not isinstance(entries, (list, tuple)) or not 0 < len(entries) <= _MAX_ENTRIES:
        return params
    return {**params, name: _with_attributes(list(entries), body, fields)}


_BATCHES = {
    "SendMessageBatch": ("Entries", "MessageBody"),
    "PublishBatch": ("PublishBatchRequestEntries", "Message"),
}


def _fields(context: SpanContext) -> dict[str, str]:
    fields = {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 3:02x}"}
    state = context.trace_state.to_header() if context.trace_state else ""
    if 0 < len(state) <= _MAX_STATE:
        fields["tracestate"] = state
    return fields


def _is_topic(arn: str) -> bool:
    parts = arn.split(":")
    return len(parts) == 6 and parts[2] == "sns" and "/" not in parts[5]


def _with_attributes(messages: list[Any], body: str, fields: dict[str, str]) -> list[dict[str, Any]]:
    """The messages of one request, each with the fields among its attributes as far as there is room."""
    size = sum(_size(mapping(message), body) for message in messages)
    changed = []
    for message in messages:
        given = message.get("MessageAttributes", {}) if isinstance(message, dict) else None
        if not isinstance(given, dict):
            changed.append(message)  # botocore will refuse it, and shall
            continue
        attributes = dict(given)
        for name, value in fields.items():
            added = len(name) + len("String") + len(value)
            if len(attributes) >= _MAX_ATTRIBUTES or size + added > _MAX_MESSAGE:
                break
            if any(type(one) is str and one.lower() == name for one in attributes):
                break  # the caller's own; a state without its parent is none
            attributes[name] = {"DataType": "String", "StringValue": value}
        changed.append(message if len(attributes) == len(given) else {**message, "MessageAttributes": attributes})
    after = sum(_size(mapping(message), body) for message in changed)
    return messages if (size - 1) // _STEP != (after - 1) // _STEP else changed


def _size(message: dict[str, Any], body: str) -> int:
    """Bytes of a message as AWS counts them: its body, and name, type and value of its attributes."""
    size = _bytes(message.get(body))
    for name, value in mapping(message.get("MessageAttributes")).items():
        parts = mapping(value)
        size += _bytes(name) + sum(_bytes(parts.get(part)) for part in ("DataType", "StringValue", "BinaryValue"))
    return size


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    return len(value) if isinstance(value, (bytes, bytearray)) else 0


def _with_client_context(params: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    """The caller's client context with `w3c` in it, which Lambda's runtime reads as `context.w3c()` and hides.

    Only of synchronous invocations, for the others have none. A durable execution is left alone: who starts one of
    the same name again must send the same.
    """
    if params.get("InvocationType", "RequestResponse") != "RequestResponse" or "DurableExecutionName" in params:
        return params
    added = json.dumps({"w3c": fields}, separators=(",", ":"))[1:-1]
    # With `custom`, which callees look into as soon as there is a client context at all.
    whole: str | None = f'{{"custom":{{}},{added}}}'
    if "ClientContext" in params:
        whole = _spliced(params["ClientContext"], added)
    if whole is None:
        return params
    import base64  # noqa: PLC0415  # botocore has it loaded

    encoded = base64.b64encode(whole.encode("utf-8", "surrogatepass")).decode("ascii")
    return {**params, "ClientContext": encoded} if len(encoded) <= _MAX_CLIENT_CONTEXT else params


def _spliced(given: object, added: str) -> str | None:
    """The client context's JSON with a member more, all else byte for byte as it was; None if it cannot be told."""
    import base64  # noqa: PLC0415

    if not isinstance(given, str) or len(given) > _MAX_CLIENT_CONTEXT:
        return None
    try:
        whole = base64.b64decode(given, validate=True).decode("utf-8")
        content = json.loads(whole)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "w3c" in content:
        return None
    start = whole.rstrip().removesuffix("}")
    return f"{start}{',' if content else ''}{added}}}"
