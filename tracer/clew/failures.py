"""Exceptions as attributes and as tracebacks without our frames."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from clew.events import MAX_NAME
from clew.guard import pass_on_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_MAX_STACK = 16_384
MAX_MESSAGE = 4096
_MAX_CHAIN = 20


def exception_attributes(error: BaseException, clean: Callable[[str], str]) -> dict[str, str]:
    """OpenTelemetry's attributes of an exception, its texts as `clean` leaves them.

    A long stack is cut in the middle: both ends tell most.
    """
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {
        "exception.type": name[:MAX_NAME],
        "exception.message": clean(message_of(error)),
        "exception.stacktrace": clean(stack_of(error)),
    }


def message_of(error: BaseException) -> str:
    """The exception's text, also when making it fails."""
    try:
        return str(error)[:MAX_MESSAGE]
    except Exception as failure:
        pass_on_signal(failure)
        return f"<unprintable {type(error).__name__}>"


def stack_of(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception as failure:
        pass_on_signal(failure)
        text = "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n"
    if len(text) <= _MAX_STACK:
        return text
    half = _MAX_STACK // 2
    return f"{text[:half]}\n…[cut: {len(text)} characters]\n{text[-half:]}"


def with_traceback(error: BaseException, stack: TracebackType | None) -> BaseException:
    """The same error with that traceback, past its class: one that is frozen, or has a method of this name, objects."""
    return BaseException.with_traceback(error, stack)


def without_our_frames(error: BaseException) -> TracebackType | None:
    """The error's traceback as if it had not passed through us, nor those of the errors behind it."""
    seen: set[int] = set()
    chain: BaseException | None = error
    while chain is not None and id(chain) not in seen and len(seen) < _MAX_CHAIN:
        seen.add(id(chain))
        if chain is not error:
            with_traceback(chain, _strip(chain.__traceback__))
        chain = chain.__cause__ or chain.__context__
    return _strip(error.__traceback__)


def _strip(first: TracebackType | None) -> TracebackType | None:
    while first is not None and _ours(first):
        first = first.tb_next
    entry = first
    while entry is not None:
        following = entry.tb_next
        while following is not None and _ours(following):
            following = following.tb_next
        if following is not entry.tb_next:
            entry.tb_next = following
        entry = following
    return first


def _ours(entry: TracebackType) -> bool:
    # Not by the file's name: one of our functions has that of logging (see `clew.logs`).
    return entry.tb_frame.f_globals.get("__package__") == __package__
