"""What Lambda tells, in a destination's record or a dead-letter queue's message, of an invocation that failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clew.events import MAX_NAME, at, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_FAILURES = 100
"""Of one event: batches of SQS hold up to 10,000 messages, and each of these is 300 bytes."""
_MAX_MESSAGE = 256


def failed_events(results: Iterable[tuple[dict[str, Any], str, object]], clean: Callable[[str], str]) -> list[str]:
    """Each as JSON, in the order of the event; at most MAX_FAILURES, none of invocations that succeeded.

    A result is what `clew.consumed_keys` noted: the record of a destination and "", or a message's attributes and the
    name by which their values go, and when the message was sent. `clean` masks text.
    """
    found = []
    for told, field, sent in results:
        failure = _dead_letter(told, field, sent, clean) if field else _destination(told)
        if failure:
            found.append(json.dumps(failure, separators=(",", ":")))
        if len(found) == MAX_FAILURES:
            break
    return found


def _destination(record: dict[str, Any]) -> dict[str, Any]:
    context = mapping(record.get("requestContext"))
    condition = text(context.get("condition"))
    if condition in {"", "Success"}:
        return {}
    response = mapping(record.get("responseContext"))
    return _present(
        request_id=text(context.get("requestId")),
        function=text(context.get("functionArn")),
        condition=condition,
        attempts=_number(context.get("approximateInvokeCount")),
        error_code=_code(response.get("statusCode")),
        function_error=text(response.get("functionError")),
        time=text(record.get("timestamp")),
    )


def _dead_letter(attributes: dict[str, Any], field: str, sent: object, clean: Callable[[str], str]) -> dict[str, Any]:
    """Lambda sets all three attributes, but for an event that it did not even try: that one has no code."""
    code = _code(at(attributes, "ErrorCode", field))
    message = text(at(attributes, "ErrorMessage", field))
    if not code and not message:
        return {}
    return _present(
        request_id=text(at(attributes, "RequestID", field)),
        error_code=code,
        error_message=clean(message[: 4 * _MAX_MESSAGE])[:_MAX_MESSAGE],
        time=text(sent),
    )


def _code(value: object) -> str:
    return str(value) if type(value) is int and 0 <= value < 1000 else text(value)[:64]


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _present(**fields: Any) -> dict[str, Any]:
    return {
        name: value[:MAX_NAME] if isinstance(value, str) else value
        for name, value in fields.items()
        if value is not None and value != ""
    }
