"""Promise 1: nothing that goes wrong in here reaches the function."""

from __future__ import annotations

import sys
import threading
from types import FrameType
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
    except BaseException as error:  # a stream of the function's may raise what it likes
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
    """Raise the error again if it is none of ours, but hit our code because that was running at the moment.

    It may be raised by the function's own handler of a signal, such as a deadline by SIGALRM, which is told from what
    our code called by its arguments: one is the frame that it interrupted. Or another thread of the function put it
    into this one (`PyThreadState_SetAsyncExc`): a class of the function's, or one that ends the process, without an
    argument, out of code that raises no such thing. What a method of the function's raised when we called it is ours.
    """
    _pass_on_handlers(error)
    if isinstance(error, Exception) and (error.args or not _is_foreign(type(error).__module__)):
        return
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    if entry is None or not _is_foreign(entry.tb_frame.f_globals.get("__name__")):
        raise error


def _is_foreign(module: object) -> bool:
    top = module.partition(".")[0] if isinstance(module, str) else ""
    return top not in {"clew", "opentelemetry"} and top not in sys.stdlib_module_names


def _pass_on_handlers(error: BaseException) -> None:
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        interrupted, entry = entry.tb_frame, entry.tb_next
        code = entry.tb_frame.f_code
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _VARARGS)
        given = [entry.tb_frame.f_locals.get(name) for name in code.co_varnames[:count]]
        for value in given:
            if any(_interrupts(one, interrupted) for one in (value if type(value) is tuple else (value,))):
                raise error


def _interrupts(value: object, interrupted: FrameType) -> bool:
    """Whether it is that frame, or one that it called: Python leaves those of an import out of the traceback."""
    if type(value) is not FrameType:
        return False
    frame: FrameType | None = value
    while frame is not None and frame is not interrupted:
        frame = frame.f_back
    return frame is not None


class Guard:
    """A context that swallows exceptions of ours and says so once: not what `pass_on_signal` raises again."""

    __slots__ = ("doing",)

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        swallow(self.doing, error)
        return True


def swallow(doing: str, error: BaseException) -> None:
    """What `Guard` does, where its 0.5 µs are too many."""
    if globals()["describe"] is None:
        return  # so are a module's names when the interpreter takes it down
    pass_on_signal(error)
    warn_once(f"{doing} failed: {describe(error)}")


def describe(error: BaseException) -> str:
    """The error's class and message on one line, even when its `__str__` raises."""
    try:
        text = str(error)
    except BaseException as failure:  # a method of the function's may raise what it likes
        pass_on_signal(failure)
        text = ""
    name = type(error).__name__
    return " ".join(f"{name}: {text}".split())[:300] if text else name
