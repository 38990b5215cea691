"""Payloads for reading: JSON indented and coloured even where it was cut, masked values and the cut as marks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webapp.formatting.numbers import count

MASK = "****"
LONGEST = 100_000  # characters shown; the tracer cuts far below
CUT = re.compile(r"…\[cut: (\d{1,18}) bytes\]\s*\Z")
TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<colon>:)"""
    r"""|(?P<literal>true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<space>\s+)|(?P<rest>[^\s{}\[\],:]+)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """`kind`: text, key, string, literal, masked, cut."""

    kind: str
    text: str


def pieces(payload: str) -> list[Piece]:
    """The payload as it is shown, in order. What is no JSON comes back as it is."""
    text, mark = payload, None
    if found := CUT.search(payload):
        text = payload[: found.start()]
        mark = Piece("cut", f"cut here; {count(int(found[1]))} bytes in all")
    if len(text) > LONGEST:
        mark = mark or Piece("cut", f"cut here; {count(len(text))} characters in all")
        text = text[:LONGEST]
    shown = _pretty(text) if text.lstrip()[:1] in ("{", "[", '"') else [Piece("text", text)]
    return [*shown, mark] if mark else shown


def _pretty(text: str) -> list[Piece]:
    result: list[Piece] = []
    depth = 0
    tokens = [(match.lastgroup or "", match[0]) for match in TOKEN.finditer(text) if match.lastgroup != "space"]
    for index, (kind, token) in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else ("", "")
        if kind == "open":
            depth += 1
            if following[0] == "close":
                result.append(Piece("text", token))
            else:
                result.append(Piece("text", f"{token}\n{_indent(depth)}"))
        elif kind == "close":
            depth = max(depth - 1, 0)
            empty = index > 0 and tokens[index - 1][0] == "open"
            result.append(Piece("text", token if empty else f"\n{_indent(depth)}{token}"))
        elif kind == "comma":
            result.append(Piece("text", f",\n{_indent(depth)}"))
        elif kind == "colon":
            result.append(Piece("text", ": "))
        elif kind == "string" and token == f'"{MASK}"':
            result.append(Piece("masked", "masked"))
        elif kind == "string":
            result.append(Piece("key" if following[0] == "colon" else "string", token))
        else:
            result.append(Piece("literal" if kind == "literal" else "text", token))
    return result


def _indent(depth: int) -> str:
    return "  " * min(depth, 40)  # a hostile depth would push everything out of sight
