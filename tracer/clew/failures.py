"""Exceptions as attributes and as tracebacks without our frames."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from clew.events import MAX_NAME
from clew.guard import Guard, pass_on_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from clew.payload import Renderer

_MAX_STACK = 16_384
_MAX_CLEANED = 65_536
MAX_MESSAGE = 4096
_MAX_CHAIN = 20


def exception_attributes(
    error: BaseException, clean: Callable[[str], str], renderer: Renderer | None = None
) -> dict[str, str]:
    """OpenTelemetry's attributes of an exception, its texts as `clean` leaves them.

    A long stack is cut in the middle: both ends tell most. With a renderer there are local variables, too.
    """
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    attributes = {
        "exception.type": name[:MAX_NAME],
        "exception.message": clean(message_of(error)),
        # Cleaned before it is cut down: the end of a stack may start behind the name of a secret.
        "exception.stacktrace": _cut(clean(_cut(stack_of(error), _MAX_CLEANED)), _MAX_STACK),
    }
    if renderer is not None:
        from clew.frames import frames_of  # noqa: PLC0415  # only where it is asked for

        with Guard("capturing local variables"):
            attributes["clew.exception.frames"] = frames_of(error, renderer)
    return attributes


def message_of(error: BaseException) -> str:
    """The exception's text, also when making it fails."""
    try:
        return str(error)[:MAX_MESSAGE]
    except BaseException as failure:
        pass_on_signal(failure)
        return f"<unprintable {type(error).__name__}>"


def stack_of(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except BaseException as failure:
        pass_on_signal(failure)
        text = "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n"
    return text


def _cut(text: str, limit: int) -> str:
    """The two ends of a text that is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n…[cut: {len(text)} characters]\n{text[-half:]}"


def with_traceback(error: BaseException, stack: TracebackType | None) -> BaseException:
    """The same error with that traceback, past its class: one that is frozen, or has a method of this name, objects."""
    return BaseException.with_traceback(error, stack)


def without_our_frames(error: BaseException) -> TracebackType | None:
    """The error's traceback as if it had not passed through us, nor those of the errors behind it."""
    for one in chain_of(error):
        if one is not error:
            with_traceback(one, _strip(one.__traceback__))
    return _strip(error.__traceback__)


def chain_of(error: BaseException) -> list[BaseException]:
    """The error, those behind it, and those of a group, which has them instead of one cause; at most 20."""
    chain = [error]
    for one in chain:
        behind = [one.__cause__ if one.__cause__ is not None else one.__context__]
        if isinstance(members := getattr(one, "exceptions", None), tuple):
            behind += [member for member in members if isinstance(member, BaseException)]
        for following in behind:
            if following is not None and len(chain) < _MAX_CHAIN and all(following is not known for known in chain):
                chain.append(following)
    return chain


def _strip(first: TracebackType | None) -> TracebackType | None:
    while first is not None and ours(first):
        first = first.tb_next
    entry = first
    while entry is not None:
        following = entry.tb_next
        while following is not None and ours(following):
            following = following.tb_next
        if following is not entry.tb_next:
            entry.tb_next = following
        entry = following
    return first


def ours(entry: TracebackType) -> bool:
    """Whether it is of a function of the tracer's."""
    # Not by the file's name: one of our functions has that of logging (see `clew.streams`).
    return entry.tb_frame.f_globals.get("__package__") == __package__
