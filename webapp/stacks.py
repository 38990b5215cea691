"""Stack traces for reading: the function's own frames open, runs of library frames folded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from collector.domain.issues import is_own

PYTHON_FRAME = re.compile(r'^\s*File "(?P<file>[^"]*)", line (?P<line>\d+)(?:, in (?P<name>.*))?$')
OTHER_FRAME = re.compile(r"^\s+at\s+(?P<name>.*?)\s*\(?(?P<file>[^()\s]*?):(?P<line>\d+)(?::\d+)?\)?$")
LONGEST_LINE = 1000
LONGEST_STACK = 65_536  # characters; a deep recursion's is longer and says the same again and again
TASK_ROOT = "/var/task/"  # where Lambda puts a function's code
FOLDERS = 3


@dataclass(frozen=True, slots=True)
class Block:
    """`kind`: "own" frames, "library" frames (folded), or "text" between them."""

    kind: str
    lines: tuple[str, ...]
    frames: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the function's own code was when it failed."""

    file: str
    line: int
    name: str
    code: str

    @property
    def place(self) -> str:
        """The file as its author knows it: within the deployment package, else its last folders."""
        if self.file.startswith(TASK_ROOT):
            return self.file.removeprefix(TASK_ROOT)
        parts = self.file.split("/")
        return self.file if len(parts) <= FOLDERS + 1 else "/".join(["…", *parts[-FOLDERS:]])


def ends(stacktrace: str) -> str:
    """Its beginning and its end, whole lines: where it came from and where it failed."""
    if len(stacktrace) <= LONGEST_STACK:
        return stacktrace
    half = LONGEST_STACK // 2
    first, last = stacktrace[:half].rpartition("\n")[0], stacktrace[-half:].partition("\n")[2]
    return f"{first}\n… {len(stacktrace) - len(first) - len(last)} characters are not shown …\n{last}"


def blocks(stacktrace: str) -> list[Block]:
    """The trace in its own order."""
    result = []
    for kind, group in groupby(_units(stacktrace), key=lambda unit: unit[0]):
        units = list(group)
        lines = tuple(line for _, unit in units for line in unit)
        result.append(Block(kind, lines, len(units) if kind != "text" else 0))
    if result and not any(block.kind == "own" for block in result):
        # All of it is library code: folding everything would hide everything.
        result = [
            Block("own" if block.kind == "library" else block.kind, block.lines, block.frames) for block in result
        ]
    return result


def own_frame(stacktrace: str) -> Frame | None:
    """The innermost frame that is the function's own code: where to look first."""
    python = "Traceback (most recent call last)" in stacktrace
    found = [unit for kind, unit in _units(stacktrace) if kind == "own"]
    if not found:
        return None
    lines = found[-1] if python else found[0]
    match = _frame(lines[0])
    if match is None:
        return None
    code = lines[1].strip() if len(lines) > 1 else ""
    return Frame(match["file"], int(match["line"][:9]), match["name"] or "", code)


def _frame(line: str) -> re.Match[str] | None:
    # A line of 10 kB is no frame, and would keep the second pattern busy for long.
    return PYTHON_FRAME.match(line) or OTHER_FRAME.match(line) if len(line) <= LONGEST_LINE else None


def _units(stacktrace: str) -> Iterator[tuple[str, list[str]]]:
    """Frames and other lines. A Python frame includes the source lines under it."""
    current: list[str] = []
    kind = ""
    for line in stacktrace.rstrip().splitlines():
        match = _frame(line)
        if match is not None:
            if current:
                yield kind, current
            kind, current = "own" if is_own(match["file"].removeprefix("file://")) else "library", [line]
        elif current and line.startswith("    ") and PYTHON_FRAME.match(current[0]):
            current.append(line)
        else:
            if current:
                yield kind, current
                current = []
            yield "text", [line]
    if current:
        yield kind, current
