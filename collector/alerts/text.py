"""Text of anybody's making, cut and cleaned for messages that others display."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ELLIPSIS = "…"
# Control characters, halves of surrogate pairs, and what turns the direction of text: it makes a line read otherwise
# than it is.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]+")
_SPACE = re.compile(r"\s+")


def one_line(text: str, limit: int = 1_000) -> str:
    """Without line breaks and control characters, at most `limit` long (`width`)."""
    cut = text[: 4 * limit + 64]  # what is cut off need not be cleaned
    return fit(_SPACE.sub(" ", _UNWANTED.sub(" ", cut)).strip(), limit)


def many_lines(text: str, limit: int) -> str:
    """As `one_line`, but lines stay lines."""
    return fit("\n".join(one_line(line, limit) for line in text[: 4 * limit + 64].splitlines()).strip(), limit)


def width(text: str) -> int:
    """In UTF-16 units, which most services count; never fewer than characters."""
    return len(text) + sum(character > "\uffff" for character in text)


def fit(text: str, limit: int, escape: Callable[[str], str] = str) -> str:
    """The text escaped, cut so that the outcome is at most `limit` wide and no escape is cut in two."""
    whole = escape(text)
    if width(whole) <= limit:
        return whole
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if width(escape(_cut(text, middle))) <= limit:
            low = middle
        else:
            high = middle - 1
    return escape(_cut(text, low)) if low else ""


def _cut(text: str, length: int) -> str:
    kept = text[:length]
    # Not between a letter and its accent.
    if length < len(text) and unicodedata.combining(text[length]):
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS
