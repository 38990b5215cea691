"""Promise 1: nothing that goes wrong in here reaches the function."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_said: set[str] = set()
_MAX_SAID = 100

muted = threading.local()
"""`muted.on` is true in a thread that writes a line which is not the function's own (see `clew.logs`)."""


def warn_once(message: str) -> None:
    """Say on stderr what went wrong: each message once in a process, and at most 100 different ones."""
    if message in _said or len(_said) >= _MAX_SAID:
        return
    _said.add(message)
    before = getattr(muted, "on", False)
    muted.on = True
    try:
        sys.stderr.write(f"clew: {message}\n")
    except Exception:
        pass  # a closed stderr is no reason to fail
    finally:
        muted.on = before


class Guard:
    """A context that swallows exceptions of ours (never SystemExit or KeyboardInterrupt) and says so once."""

    __slots__ = ("doing",)

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        warn_once(f"{self.doing} failed: {describe(error)}")
        return True


def describe(error: BaseException) -> str:
    """The error's class and message on one line, even when its `__str__` raises."""
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    return " ".join(f"{name}: {text}".split())[:300] if text else name
