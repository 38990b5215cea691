"""Reading events whose shape nobody promised: every look-up may find something else, and then finds nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

from clew.guard import pass_on_signal

# Bodies are parsed to find what they wrap: about 5 ms for this many characters, summed over a batch.
MAX_PARSED = 1_000_000

MAX_NAME = 1024
"""Characters of a name, path or id that are kept: more than AWS allows for most, whatever a caller may send."""


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


class Envelopes:
    """Parses wrapped events within one budget for a whole batch."""

    def __init__(self) -> None:
        self._left = MAX_PARSED

    def open(self, body: object, *words: str) -> dict[str, Any]:
        """The JSON object that `body` holds if one of `words` is in it, else an empty one."""
        if not isinstance(body, str) or not any(word in body for word in words) or len(body) > self._left:
            return {}
        self._left -= len(body)
        try:
            return mapping(json.loads(body))
        except (ValueError, RecursionError) as error:
            pass_on_signal(error)
            return {}
