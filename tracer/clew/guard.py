"""Promise 1: nothing that goes wrong in here reaches the function."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_said: set[str] = set()
_refused: set[str] = set()
_MAX_SAID = 100
# inspect.CO_VARARGS: its module takes 10 ms of INIT, also of a function whose tracing is off.
_VARARGS = 0x04


class _Muted(threading.local):
    # On the class, because looking for an attribute that may be missing takes twice as long.
    on = False
    written: list[str] | None = None


muted = _Muted()
"""`muted.on` is true in a thread that writes a line which is not the function's own, or is taken elsewhere; where
`muted.written` is a list, what it writes to stdout and stderr meanwhile is put there (see `clew.logs`).
"""


def warn_once(message: str) -> None:
    """Say on stderr what went wrong: each message once in a process, and at most 100 different ones."""
    if message in _said or len(_said) >= _MAX_SAID:
        return
    _said.add(message)
    before, muted.on = muted.on, True
    try:
        sys.stderr.write(f"clew: {message}\n")
    except Exception as error:
        pass_on_signal(error)
        # A closed stderr is no reason to fail.
    finally:
        muted.on = before


def refuse(what: str, reason: str) -> bool:
    """One warning per reason, however many are refused for it. False, for the caller to return."""
    if reason not in _refused:
        _refused.add(reason)
        warn_once(f"{what} refused: {reason}")
    return False


def pass_on_signal(error: BaseException) -> None:
    """Raise the error again if it is none of ours: the function's own handler of a signal, such as a deadline of its
    own by SIGALRM, raises it in whatever code runs at that moment.

    Such a handler is told from what our code called by its arguments: one is the frame that it interrupted.
    """
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        interrupted, entry = entry.tb_frame, entry.tb_next
        code = entry.tb_frame.f_code
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _VARARGS)
        given = [entry.tb_frame.f_locals.get(name) for name in code.co_varnames[:count]]
        if any(
            value is interrupted or (type(value) is tuple and any(one is interrupted for one in value))
            for value in given
        ):
            raise error


class Guard:
    """A context that swallows exceptions of ours and says so once.

    Never SystemExit or KeyboardInterrupt, nor what a handler of a signal raised.
    """

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
        swallow(self.doing, error)
        return True


def swallow(doing: str, error: Exception) -> None:
    """What `Guard` does, where its 0.5 µs are too many."""
    if globals()["describe"] is None:
        return  # so are a module's names when the interpreter takes it down
    pass_on_signal(error)
    warn_once(f"{doing} failed: {describe(error)}")


def describe(error: BaseException) -> str:
    """The error's class and message on one line, even when its `__str__` raises."""
    try:
        text = str(error)
    except Exception as failure:
        pass_on_signal(failure)
        text = ""
    name = type(error).__name__
    return " ".join(f"{name}: {text}".split())[:300] if text else name
