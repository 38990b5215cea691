"""Attribute values as the narrow types of the tables: whatever a sender put there, nothing of it raises."""

from __future__ import annotations

from collections.abc import Mapping

from collector.domain.spans import Value

MAX_INTEGER = 2**63 - 1


def text(value: Value, limit: int = 256) -> str:
    """The string, cut to `limit` characters; "" for anything else. PostgreSQL cannot hold NUL, so it is replaced."""
    if not isinstance(value, str):
        return ""
    return value[:limit].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def whole(value: Value) -> int | None:
    """A non-negative integer that fits the tables; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MAX_INTEGER:  # also false for NaN
        return None
    return int(value)


def first_text(attributes: Mapping[str, Value], *names: str, limit: int = 256) -> str:
    """The first of these attributes that holds text; "" if none does."""
    for name in names:
        if found := text(attributes.get(name), limit):
            return found
    return ""


def texts(value: Value, most: int, limit: int = 1024) -> list[str]:
    """The strings of an array, at most `most` of them; [] for anything else."""
    if not isinstance(value, list):
        return []
    return [found for item in value[:most] if (found := text(item, limit))]
