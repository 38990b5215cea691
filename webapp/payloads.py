"""Payloads for reading: JSON indented and coloured even where it was cut, masked values and the cut as marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from webapp.formatting.numbers import count

MASK = "****"
LONGEST = 65_536  # characters shown, once laid out; senders without a limit send more than a page can hold
LONGEST_MARK = 200
CUT = re.compile(r"…\[cut: (\d{1,18}) bytes\]\s*\Z")
TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<colon>:)"""
    r"""|(?P<literal>true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<space>\s+)|(?P<rest>[^\s{}\[\],:]+)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """`kind`: text, key, string, literal, masked, cut (by the tracer), left-out (by the page)."""

    kind: str
    text: str


def pieces(payload: str) -> list[Piece]:
    """The payload as it is shown, in order: at most LONGEST characters, then how much of it is left out. What is no
    JSON comes back as it is."""
    # The tracer's mark is short; a search through megabytes for it is not.
    found = CUT.search(payload, max(0, len(payload) - LONGEST_MARK))
    text = payload[: found.start()] if found else payload
    shown: list[Piece] = []
    room, used = LONGEST, 0
    for piece, told in _laid_out(text[:LONGEST]):
        if len(piece.text) > room:
            shown.append(Piece(piece.kind, piece.text[:room]))
            used += room
            break
        shown.append(piece)
        room -= len(piece.text)
        used = told
    if used < len(text):
        shown.append(Piece("left-out", f"{count(len(text) - used)} of {count(len(text))} characters are not shown"))
    elif found:
        shown.append(Piece("cut", f"cut here; {count(int(found[1]))} bytes in all"))
    return shown


def _laid_out(text: str) -> Iterator[tuple[Piece, int]]:
    """Each piece, and how much of the text is told with it."""
    if text.lstrip()[:1] in ("{", "[", '"'):
        yield from _pretty(text)
    elif text:
        yield Piece("text", text), len(text)


def _pretty(text: str) -> Iterator[tuple[Piece, int]]:
    depth = 0
    tokens = [match for match in TOKEN.finditer(text) if match.lastgroup != "space"]
    kinds = ["", *(match.lastgroup or "" for match in tokens), ""]  # of what comes before the first and after the last
    for (before, kind, after), match in zip(zip(kinds, kinds[1:], kinds[2:], strict=False), tokens, strict=True):
        token = match[0]
        shown, style = token, "text"
        if kind == "open":
            depth += 1
            shown = token if after == "close" else f"{token}\n{_indent(depth)}"
        elif kind == "close":
            depth = max(depth - 1, 0)
            shown = token if before == "open" else f"\n{_indent(depth)}{token}"
        elif kind == "comma":
            shown = f",\n{_indent(depth)}"
        elif kind == "colon":
            shown = ": "
        elif kind == "string" and token == f'"{MASK}"':
            shown, style = "masked", "masked"
        elif kind == "string":
            style = "key" if after == "colon" else "string"
        elif kind == "literal":
            style = "literal"
        yield Piece(style, shown), match.end() if after else len(text)


def _indent(depth: int) -> str:
    return "  " * min(depth, 40)  # a hostile depth would push everything out of sight
