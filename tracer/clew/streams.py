"""Takes what is printed, written and logged, with the function's own output left as it is.

`sys.stdout` and `sys.stderr` stay the same objects: their `write` is wrapped on the instance, once, and so are those of
the streams below them, of `os.write` and of `logging`. Each of them first does what it always does. What one of them
writes through another is taken once: all are muted while one is at work.
"""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from clew import logs
from clew.guard import Guard, muted, swallow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clew.invocation import Invocation
    from clew.logs import Lines

_MARK = "_clew_write"
_OURS = "_clew_functions"
_NAMES = ("stdout", "stderr")
# What was in place when `capture_streams` last looked: the stream, the one below it that is wrapped, and our function.
_seen: dict[str, tuple[Any, dict[str, Any], Any]] = {}


def _nothing() -> None:
    return None


_entered: Callable[[], Invocation | None] = _nothing
_running: Callable[[], Invocation | None] = _nothing


def install(entered: Callable[[], Invocation | None], running: Callable[[], Invocation | None]) -> None:
    """Capture `logging` and writes to the descriptors 1 and 2 from now on.

    Lines belong to the invocation that this context has `entered`, else to the one that is `running`.
    """
    global _entered, _running  # one process, one stdout
    _entered, _running = entered, running
    _capture_logging()
    _capture_descriptors()
    _capture_streams()


def install_without_invocations() -> None:
    """The same while there are none yet."""
    install(_nothing, _nothing)


def capture_streams() -> None:
    """An invocation begins: capture the streams that are in place, if they are not yet."""
    logs.end_of_init()
    _capture_streams()


def _capture_streams() -> None:
    # A function may have put others there since it was last looked at.
    for name in _NAMES:
        stream = getattr(sys, name, None)
        seen = _seen.get(name)
        if seen is not None and seen[0] is stream and seen[1].get("write") is seen[2]:
            continue
        with Guard(f"capturing {name}"):
            if seen is not None and seen[0] is not stream:
                _release(seen[1])
            _seen[name] = (stream, *_capture(stream, name))
            _capture(getattr(sys, f"__{name}__", None), name)
            _capture_sink()


def _capture(stream: Any, name: str) -> tuple[dict[str, Any], Any]:
    """Gives the attributes of the stream that is wrapped, and its `write`."""
    if type(stream).__module__ == "awslambdaric.bootstrap":
        stream = stream.stream  # all that the runtime's stream does is to write to this one and flush it
    # The instance's own attributes: a stream that passes unknown names on would answer for the one that it wraps.
    attributes = getattr(stream, "__dict__", None)
    if attributes is None:
        return {}, None  # it lets nothing be put on it, and there is nothing to look for again
    current = attributes.get("write")
    if _MARK not in attributes or current is None or current == attributes[_MARK]:
        _wrap_stream(stream, name)
    # Else the function has wrapped it in turn, or it is wrapped: that stays.
    return attributes, attributes.get("write")


def _release(attributes: dict[str, Any]) -> None:
    """Take what is ours off a stream that has been replaced: it refers to the stream, which would live on by it."""
    ours = attributes.get(_OURS, {})
    if all(attributes.get(name) is function for name, (function, _) in ours.items()):
        for name, (_, before) in ours.items():
            if before is None:
                del attributes[name]
            else:
                attributes[name] = before
        attributes.pop(_MARK, None)
        attributes.pop(_OURS, None)
    # Else the function has wrapped it in turn: that stays, and with it what it wraps.


def _put(stream: Any, name: str, function: Any) -> None:
    """Puts a function of ours on the stream, and notes what was there, if anything was."""
    attributes = stream.__dict__
    attributes.setdefault(_OURS, {})[name] = (function, attributes.get(name))
    attributes[name] = function


def _lines() -> Lines | None:
    """Where a line that is printed now belongs."""
    invocation = _entered()  # asked first, because that takes 15 ns and the other 250
    if invocation is None:
        invocation = _running()
    return logs.outside_lines() if invocation is None else invocation.lines


def _wrap_stream(stream: Any, name: str) -> None:
    write = stream.write
    # In the functions' own cells, because those of the module are gone when the interpreter flushes its streams.
    mute, lines_now, failed = muted, _lines, swallow

    def writing(*args: Any, **kwargs: Any) -> Any:
        if mute.on:
            if mute.written is not None and args and type(args[0]) is str:
                mute.written.append(args[0])
            return write(*args, **kwargs)
        mute.on = True  # the stream may write to another that is wrapped as well
        try:
            result = write(*args, **kwargs)
        finally:
            mute.on = False
        try:
            lines = lines_now()
            if lines is not None and args and isinstance(args[0], str):
                lines.printed(name, args[0])
        except Exception as error:
            failed("capturing a printed line", error)
        return result

    setattr(stream, _MARK, write)
    _put(stream, "write", writing)
    if isinstance(stream, TextIOWrapper):
        _wrap_below(stream, name)
    _wrap_writelines(stream, name)


def _wrap_writelines(stream: Any, name: str) -> None:
    writelines = getattr(stream, "writelines", None)
    if writelines is None or type(stream).__module__ in {"_io", "io"}:
        return  # its writelines calls write
    mute, lines_now = muted, _lines

    def writing_lines(lines: Iterable[Any]) -> Any:
        given = list(lines)  # an iterator can be used up only once
        before, mute.on = mute.on, True
        try:
            result = writelines(given)
        finally:
            mute.on = before
        if not before:
            with Guard("capturing a printed line"):
                target = lines_now()
                if target is not None:
                    for line in given:
                        if isinstance(line, str):
                            target.printed(name, line)
        return result

    _put(stream, "writelines", writing_lines)


def _wrap_below(stream: TextIOWrapper, name: str) -> None:
    """Take what is written past the text's stream: to its `buffer`. What the stream itself writes there was taken."""
    flush = stream.flush
    mute, lines_now, failed = muted, _lines, swallow

    def flushing(*args: Any, **kwargs: Any) -> Any:
        before, mute.on = mute.on, True
        try:
            return flush(*args, **kwargs)
        finally:
            mute.on = before

    _put(stream, "flush", flushing)
    buffer: Any = stream.buffer
    if _MARK in getattr(buffer, "__dict__", {_MARK: None}):
        return
    write = buffer.write

    def writing(*args: Any, **kwargs: Any) -> Any:
        count = write(*args, **kwargs)
        if not mute.on:
            try:
                lines = lines_now()
                if lines is not None and count:
                    lines.written(name, bytes(args[0])[:count])
            except Exception as error:
                failed("capturing written bytes", error)
        return count

    setattr(buffer, _MARK, write)
    buffer.write = writing


def _capture_descriptors() -> None:
    original = os.write
    if getattr(original, _MARK, None) is not None:
        return
    mute, lines_now, failed = muted, _lines, swallow

    def write(fd: int, data: Any, /) -> int:
        count = original(fd, data)
        try:
            if (fd == 1 or fd == 2) and not mute.on:  # noqa: PLR1714  # half as long as looking into a set
                lines = lines_now()
                if lines is not None:
                    lines.written(_NAMES[fd - 1], bytes(data)[:count])
        except Exception as error:
            failed("capturing written bytes", error)
        return count

    write.__doc__ = original.__doc__
    write.__qualname__ = "write"
    write.__module__ = "os"
    setattr(write, _MARK, original)
    os.write = write


def _capture_logging() -> None:
    """Take every record that a logger hands to its handlers. A handler of ours would change what others do:
    `basicConfig` does nothing once there is one, and a warning without any is printed.
    """
    original = logging.Logger.callHandlers
    if getattr(original, _MARK, None) is not None:
        return
    mute, lines_now, guard = muted, _lines, Guard

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802  # the name it replaces
        if mute.on:
            original(self, record)
            return
        mute.on = True
        lines = error = None
        try:
            with guard("capturing a log record"):
                lines = lines_now()
                if lines is not None:
                    mute.written = []
                    # Now: a formatter may take it off the record.
                    error = record.exc_info[1] if record.exc_info else None
            original(self, record)
        finally:
            mute.on = False
            texts, mute.written = mute.written, None
            if lines is not None:
                # After the handlers, whose filters may take a secret out of the record.
                with guard("capturing a log record"):
                    waiting = lines.logged(record, error)
                    if waiting is not None and texts:
                        lines.as_written(waiting, texts)

    # logging leaves the frames of its own file out of what it says of a record, its caller and its call stack.
    callHandlers.__code__ = callHandlers.__code__.replace(co_filename=original.__code__.co_filename)
    setattr(callHandlers, _MARK, original)
    logging.Logger.callHandlers = callHandlers  # type: ignore[method-assign]  # wrapping it is the point


def _capture_sink() -> None:
    """Lambda's runtime writes records to a descriptor of its own, past the streams."""
    for handler in logging.root.handlers:
        sink: Any = getattr(handler, "log_sink", None)
        if type(handler).__module__ != "awslambdaric.bootstrap" or "log" in getattr(sink, "__dict__", {"log": None}):
            continue
        log = sink.log

        def logging_to(*args: Any, _log: Callable[..., Any] = log, **kwargs: Any) -> Any:
            if muted.written is not None and args:
                muted.written.append(args[0])
            return _log(*args, **kwargs)

        sink.log = logging_to
