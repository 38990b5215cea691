"""Reading events and contexts whose shape nobody promised: every look-up may find something else, and then finds
nothing.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

from clew.guard import pass_on_signal, swallow

_CONTEXT = "reading the context"
# Bodies are parsed to find what they wrap: about 5 ms for this many characters, summed over a batch.
MAX_PARSED = 1_000_000

MAX_NAME = 1024
"""Characters of a name, path or id that are kept: more than AWS allows for most, whatever a caller may send."""

# What is in every event that a service wraps into another's: S3's and the streams' records, SNS's notification,
# EventBridge's event, the result of an invocation that Lambda sends on, and what SES tells of a mail.
_WORDS = ('"eventSource"', '"TopicArn"', '"detail-type"', '"responseContext"', '"requestPayload"', '"mail"')
# The same in a durable function's input, which may be a request or a record of SNS's own too.
_INPUT_WORDS = (*_WORDS, '"EventSource"', '"requestContext"')
# How base64 begins that holds a JSON object: `{"`, `{ `, `{` and a new line.
_JSON_IN_BASE64 = ("eyJ", "eyA", "ewo", "ew0", "ewk")


def mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def at(value: object, *path: str) -> Any:
    """`value[path[0]][path[1]]…`, or None as soon as there is no such thing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def decoded_key(key: object) -> str:
    """An object's key as S3 puts it into its own notifications: URL-encoded, with `+` for a space."""
    return unquote_plus(text(key))


def text_of(context: object, name: str) -> str:
    """The attribute `name` of the context; empty if it has none, or no text."""
    try:
        value = getattr(context, name, None)
    except BaseException as error:  # as a Guard, which takes longer
        swallow(_CONTEXT, error)
        return ""
    return value[:MAX_NAME] if isinstance(value, str) else ""


def remaining_of(context: object) -> float | None:
    """Seconds until the deadline; None outside Lambda, or if the context tells something odd."""
    try:
        ask = getattr(context, "get_remaining_time_in_millis", None)
        milliseconds = ask() if callable(ask) else None
        if isinstance(milliseconds, (int, float)) and 0 < milliseconds < 1e9:  # which no NaN is
            return milliseconds / 1000
    except BaseException as error:  # as a Guard
        swallow(_CONTEXT, error)
    return None


def plain(event: object) -> object:
    """The event as Lambda gave it, if a decorator (Powertools' `event_source`) has put an object around it."""
    if isinstance(event, (dict, list)):
        return event
    raw = getattr(event, "raw_event", None)
    return raw if isinstance(raw, (dict, list)) else event


def detail_fields(event: dict[str, Any]) -> dict[str, str]:
    """Fields in an event's `detail`.

    EventBridge carries no context of its own, and our tracer writes nothing into what is the customer's. A publisher
    that itself puts a `traceparent` there means it: the name is W3C's, and what is no trace context is not taken.
    """
    detail = event.get("detail") if "detail-type" in event else None
    if not isinstance(detail, dict) or "traceparent" not in detail:
        return {}
    return {name: value for name in _W3C if isinstance(value := detail.get(name), str)}


_W3C = ("traceparent", "tracestate", "baggage")


class Envelopes:
    """Parses wrapped events within one budget for a whole batch."""

    def __init__(self) -> None:
        self._left = MAX_PARSED

    def open(self, body: object, words: tuple[str, ...] = _WORDS) -> dict[str, Any]:
        """The JSON object that `body` holds if one of `words` is in it, else an empty one."""
        if not isinstance(body, str) or len(body) > self._left:
            return {}
        for word in words:
            if word in body:
                return self._parse(body)
        return {}

    def open_input(self, body: object) -> dict[str, Any]:
        """The same of a durable function's input, which may be any event."""
        return self.open(body, _INPUT_WORDS)

    def open_base64(self, data: object) -> dict[str, Any]:
        """The same of a stream record's data."""
        if not isinstance(data, str) or not data.startswith(_JSON_IN_BASE64) or len(data) > self._left:
            return {}
        from binascii import a2b_base64  # noqa: PLC0415  # 0.1 ms of INIT, for one trigger

        try:
            return self.open(a2b_base64(data).decode())
        except ValueError as error:
            pass_on_signal(error)
            return {}

    def _parse(self, body: str) -> dict[str, Any]:
        self._left -= len(body)
        try:
            return mapping(json.loads(body))
        except (ValueError, RecursionError) as error:
            pass_on_signal(error)
            return {}
