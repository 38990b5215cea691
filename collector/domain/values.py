"""Attribute values as the narrow types of the tables: whatever a sender put there, nothing of it raises."""

from __future__ import annotations

import math
from collections.abc import Mapping

from collector.domain.spans import Value

MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 19  # of MAX_INTEGER; int() refuses very long strings with an exception


def text(value: Value, limit: int = 256) -> str:
    """The string, cut to `limit` characters, or the integer in digits; "" for anything else.

    PostgreSQL cannot hold NUL, so it is replaced.
    """
    if isinstance(value, str):
        cut = value[:limit]
        return cut.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in cut else cut
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:limit]
    return ""


def number(value: Value) -> float | None:
    """A finite number, also one sent as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= 2 * _MAX_DIGITS:
        try:
            found = float(value)
        except ValueError:
            return None
        return found if math.isfinite(found) else None
    return None


def whole(value: Value) -> int | None:
    """A non-negative integer that fits the tables, also one sent as a double or as text; None for anything else."""
    if isinstance(value, str) and len(value) <= _MAX_DIGITS and value.isascii() and value.isdigit():
        value = int(value)  # not by way of a float, which holds 15 digits
    found = number(value)
    if found is None or not 0 <= found <= MAX_INTEGER:
        return None
    return int(found)


def flag(value: Value) -> bool:
    """Whether it is true, be it as a bool or as text (a resource attribute from the environment is always text)."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def first_text(attributes: Mapping[str, Value], *names: str, limit: int = 256) -> str:
    """The first of these attributes that holds text; "" if none does."""
    for name in names:
        value = attributes.get(name)
        if value is not None and (found := text(value, limit)):
            return found
    return ""


def texts(value: Value, most: int, limit: int = 1024) -> list[str]:
    """The strings of an array, at most `most` of them; [] for anything else."""
    if not isinstance(value, list):
        return []
    return [found for item in value[:most] if (found := text(item, limit))]
