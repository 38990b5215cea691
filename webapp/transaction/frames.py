"""Local variables of an exception's frames, as the tracer captured them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.domain.issues import is_own
from webapp.payloads import MASK
from webapp.stacks import Frame

MOST_FRAMES = 100
MOST_VARIABLES = 100  # of one frame
LONGEST = 65_536  # bytes of all frames that are read; the tracer sends no more than half of that


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    value: str

    @property
    def masked(self) -> bool:
        return self.value in (MASK, f"'{MASK}'", f'"{MASK}"')


@dataclass(frozen=True, slots=True)
class Locals:
    """`exception`: the class that the frame is of, where it is not the exception itself but one behind it."""

    frame: Frame
    own: bool
    exception: str
    variables: Sequence[Variable]


def read_frames(text: str) -> list[Locals]:
    """Innermost first, as that is where one looks. What is no such JSON (hostile senders) gives nothing."""
    if not text or len(text) > 4 * LONGEST:
        return []
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(told, list):
        return []
    frames = [_read(item) for item in told[-MOST_FRAMES:] if isinstance(item, dict)]
    frames.reverse()
    return frames


def _read(item: Mapping[str, object]) -> Locals:
    file, line = _text(item.get("file")), item.get("line")
    variables = item.get("locals")
    found = list(variables.items())[:MOST_VARIABLES] if isinstance(variables, dict) else []
    frame = Frame(file, line if isinstance(line, int) and 0 <= line < 10**9 else 0, _text(item.get("function")), "")
    return Locals(
        frame,
        is_own(file),
        _text(item.get("exception")),
        [Variable(name, value if isinstance(value, str) else json.dumps(value)) for name, value in found],
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
