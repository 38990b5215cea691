"""Printed lines and log records of an invocation, with the function's own output left as it is.

`sys.stdout` and `sys.stderr` stay the same objects: while an invocation runs, their `write` is wrapped on the instance.
A record of `logging` is
taken where its logger hands it to the handlers, and what those then write is not taken again.
"""

from __future__ import annotations

import logging
import sys
import threading
from time import time_ns  # now: a function may replace them
from typing import TYPE_CHECKING, Any

from clew.encoder import LogRecord
from clew.guard import Guard, muted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clew.payload import Renderer

_MARK = "_clew_write"
_MAX_LINE = 16_384
_MAX_BYTES = 1_000_000
_UNSET_SEVERITY = 0
_wrapped: list[tuple[Any, dict[str, tuple[Any, Any]]]] = []
# logging's levels and OpenTelemetry's numbers, highest first.
_SEVERITIES = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5), (1, 1))


class Lines:
    """The lines of one invocation."""

    def __init__(self, renderer: Renderer, max_records: int, trace_id: int, span_id: int, flags: int) -> None:
        self._renderer = renderer
        self._max_records = max_records
        self._trace = (trace_id, span_id, flags)
        self._partial: dict[tuple[str, int], list[str]] = {}
        self._bytes = 0
        self._taken = 0
        self.records: list[LogRecord] = []
        self.dropped = 0

    def printed(self, stream: str, text: str) -> None:
        """Text as `write` got it: lines end where a newline says so, whichever thread's."""
        key = (stream, threading.get_ident())
        pieces = self._partial.setdefault(key, [])
        if "\n" not in text:
            if sum(map(len, pieces)) < _MAX_LINE:
                pieces.append(text)
            return
        first, *rest = text.split("\n")
        self._line(stream, "".join([*pieces, first]))
        for line in rest[:-1]:
            self._line(stream, line)
        pieces.clear()
        if rest[-1]:
            pieces.append(rest[-1][:_MAX_LINE])

    def flush(self) -> None:
        """Take what was printed without a newline at its end."""
        for (stream, _), pieces in list(self._partial.items()):
            if pieces:
                self._line(stream, "".join(pieces))
                pieces.clear()

    def _line(self, stream: str, line: str) -> None:
        line = line.rstrip("\r")
        if line:
            self.add(time_ns(), _UNSET_SEVERITY, "", line, scope="", attributes={"log.iostream": stream})

    def logged(self, record: logging.LogRecord) -> None:
        severity = next((number for level, number in _SEVERITIES if record.levelno >= level), _UNSET_SEVERITY)
        attributes: Mapping[str, object] = {}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            from clew.failures import exception_attributes  # noqa: PLC0415  # only where something failed

            attributes = exception_attributes(error, self._renderer.secrets.masked_text)
        try:
            body = record.getMessage()
        except Exception:
            body = str(record.msg)  # its arguments do not fit; logging itself says so on stderr
        self.add(int(record.created * 1e9), severity, record.levelname, body, scope=record.name, attributes=attributes)

    def add(
        self, time_ns: int, severity: int, level: str, body: str, *, scope: str, attributes: Mapping[str, object]
    ) -> None:
        if self._taken >= self._max_records or self._bytes >= _MAX_BYTES:
            self.dropped += 1
            return
        body = self._renderer.line(body, _MAX_LINE)
        self._taken += 1
        self._bytes += len(body)
        self.records.append(LogRecord(time_ns, severity, level, body, scope, attributes, *self._trace))

    def take(self) -> tuple[list[LogRecord], int]:
        """The lines so far, and how many more there were. Both start anew."""
        self.flush()
        records, self.records = self.records, []
        dropped, self.dropped = self.dropped, 0
        return records, dropped


def capture_streams(current: Callable[[], Lines | None]) -> None:
    """Take what is printed, from now on. Streams that the function put in place later are wrapped by the next call."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        # The instance's own attribute: a wrapper that passes unknown names on would answer for the stream it wraps.
        if stream is not None and _MARK not in getattr(stream, "__dict__", {_MARK: None}):
            with Guard(f"capturing {name}"):
                _wrapped.append((stream, _wrap_stream(stream, name, current)))


def release_streams() -> None:
    """Undo what `capture_streams` did: between invocations the streams are as they would be without it."""
    while _wrapped:
        with Guard("letting go of a stream"):
            stream, ours = _wrapped.pop()
            attributes = stream.__dict__
            for name, (function, before) in ours.items():
                if attributes.get(name) is not function:
                    break  # the function has wrapped it in turn: that stays, and with it what it wraps
                if before is None:
                    delattr(stream, name)
                else:
                    setattr(stream, name, before)
            else:
                delattr(stream, _MARK)


def _wrap_stream(stream: Any, name: str, current: Callable[[], Lines | None]) -> dict[str, tuple[Any, Any]]:
    """Puts functions of ours on the stream; gives each with the stream's own attribute of that name, if it had one."""
    before = dict(stream.__dict__)
    write = stream.write

    def writing(text: Any) -> Any:
        if getattr(muted, "on", False):
            return write(text)
        muted.on = True  # the stream may write to another that is wrapped as well
        try:
            result = write(text)
        finally:
            muted.on = False
        with Guard("capturing a printed line"):
            lines = current()
            if lines is not None and isinstance(text, str):
                lines.printed(name, text)
        return result

    setattr(stream, _MARK, write)
    stream.write = writing
    ours = {"write": (writing, before.get("write"))}
    writelines = getattr(stream, "writelines", None)
    if writelines is None or type(stream).__module__ in {"_io", "io"}:
        return ours  # its writelines calls write

    def writing_lines(lines: Iterable[Any]) -> Any:
        given = list(lines)  # an iterator can be used up only once
        for line in given if not getattr(muted, "on", False) else ():
            with Guard("capturing a printed line"):
                target = current()
                if target is not None and isinstance(line, str):
                    target.printed(name, line)
        before = getattr(muted, "on", False)
        muted.on = True
        try:
            return writelines(given)
        finally:
            muted.on = before

    stream.writelines = writing_lines
    return {**ours, "writelines": (writing_lines, before.get("writelines"))}


def capture_logging(current: Callable[[], Lines | None]) -> None:
    """Take every record that a logger hands to its handlers. A handler of ours would change what others do:
    `basicConfig` does nothing once there is one, and a warning without any is printed.
    """
    original = logging.Logger.callHandlers
    if getattr(original, _MARK, None) is not None:
        return

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802  # the name it replaces
        if getattr(muted, "on", False):
            original(self, record)
            return
        muted.on = True
        try:
            with Guard("capturing a log record"):
                lines = current()
                if lines is not None:
                    lines.logged(record)
            original(self, record)
        finally:
            muted.on = False

    # logging leaves the frames of its own file out of what it says of a record, its caller and its call stack.
    callHandlers.__code__ = callHandlers.__code__.replace(co_filename=original.__code__.co_filename)
    setattr(callHandlers, _MARK, original)
    logging.Logger.callHandlers = callHandlers  # type: ignore[method-assign]  # wrapping it is the point
