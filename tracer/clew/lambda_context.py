"""What Lambda's context object tells, whatever was put in its place."""

from __future__ import annotations

import math

from clew.events import MAX_NAME
from clew.guard import Guard


def text_of(context: object, name: str) -> str:
    """The attribute `name` of the context; empty if it has none, or no text."""
    with Guard("reading the context"):
        value = getattr(context, name, None)
        return value[:MAX_NAME] if isinstance(value, str) else ""
    return ""


def remaining_of(context: object) -> float | None:
    """Seconds until the deadline; None outside Lambda, or if the context tells something odd."""
    with Guard("reading the context"):
        ask = getattr(context, "get_remaining_time_in_millis", None)
        milliseconds = ask() if callable(ask) else None
        if isinstance(milliseconds, (int, float)) and math.isfinite(milliseconds) and 0 < milliseconds < 1e9:
            return milliseconds / 1000
    return None
