"""The lines of an invocation: what it prints and logs, whose stream and logger that may be.

A line is only kept while the function runs. What takes time, masking it and reading its level, is done when the lines
are taken for an export: with the layer that is after the response.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from threading import get_ident
from time import time_ns  # now: a function may replace them
from typing import TYPE_CHECKING, Any

from clew.annotations import MARK
from clew.encoder import LogRecord

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from clew.annotations import Annotations
    from clew.payload import Renderer

    # Time, severity, level, body, scope, attributes. A list, because the body may be replaced.
    Waiting = list[Any]

_MAX_LINE = 16_384
_MAX_PIECES = 64
_MAX_BYTES = 1_000_000
_UNSET_SEVERITY = 0
# `logging`'s levels and OpenTelemetry's numbers, highest first.
_LEVELS = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5), (1, 1))
# Lines that no invocation runs for: of INIT, and of threads that outlive their invocation.
_MAX_OUTSIDE = 100
_MAX_OUTSIDE_BYTES = 65_536
_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"
_STREAMS = {"stdout": {"log.iostream": "stdout"}, "stderr": {"log.iostream": "stderr"}}
_PHASE = {"clew.lambda.phase": "init"}


class Lines:
    """The lines of one invocation, or, without a renderer, those of INIT until there is one."""

    def __init__(  # noqa: PLR0917  # the ids belong together
        self,
        renderer: Renderer | None,
        max_records: int,
        trace_id: int,
        span_id: int,
        flags: int,
        annotations: Annotations | None = None,
    ) -> None:
        self._renderer = renderer
        self._annotations = annotations
        self._max_records = max_records
        self._max_bytes = _MAX_BYTES if renderer is not None else _MAX_OUTSIDE_BYTES
        self._trace = (trace_id, span_id, flags)
        self._partial: dict[tuple[str, int], list[str]] = {}
        self._waiting: deque[Waiting | LogRecord] = deque()
        self._records: list[LogRecord] = []
        self._bytes = 0
        self._taken = 0
        self._ended = False
        self.dropped = 0
        if renderer is not None:
            _outside.hand_over(self)

    def printed(self, stream: str, text: str) -> None:
        """Text as `write` got it: lines end where a newline says so, whichever thread's."""
        key = (stream, get_ident())
        pieces = self._partial.get(key)
        if text == "\n":  # as `print` writes it, after the rest
            if pieces:
                self._line(stream, pieces[0] if len(pieces) == 1 else "".join(pieces))
                pieces.clear()
            return
        if "\n" not in text:
            if not pieces:
                self._partial[key] = [text]
                return
            if len(pieces) >= _MAX_PIECES:
                pieces[:] = ["".join(pieces)]  # adding up 16,000 dots for the next one takes a millisecond
            if sum(map(len, pieces)) < _MAX_LINE:
                pieces.append(text)
            return
        first, *rest = text.split("\n")
        self._line(stream, "".join([*(pieces or ()), first]))
        for line in rest[:-1]:
            self._line(stream, line)
        self._partial[key] = [rest[-1][:_MAX_LINE]] if rest[-1] else []

    def written(self, stream: str, data: bytes) -> None:
        """The same for bytes. What is no UTF-8, or is only a part of a character yet, is told when its line ends."""
        self.printed(stream, data.decode("utf-8", "surrogateescape"))

    def logged(self, record: logging.LogRecord, error: BaseException | None) -> Waiting | None:
        """Take a record of `logging`. What is returned `as_written` takes, if a handler writes the record as JSON."""
        attributes: Mapping[str, object] = {}
        if error is not None and self._renderer is not None:
            from clew.failures import exception_attributes  # noqa: PLC0415  # only where something failed

            attributes = exception_attributes(error, self._renderer.secrets.masked_text)
        try:
            body = record.getMessage()
        except Exception:
            body = str(record.msg)  # its arguments do not fit; logging itself says so on stderr
        time = int(record.created * 1e9)
        return self._add([time, severity_of(record.levelno), record.levelname, body, record.name, attributes])

    def as_written(self, waiting: Waiting, texts: list[str]) -> None:
        """A record that was written as JSON has more fields than its message: that line is its body."""
        for text in texts:
            if text[:1] == "{":
                waiting[3] = text.rstrip()
                return

    def flush(self) -> None:
        """Take what was printed without a newline at its end."""
        for (stream, _), pieces in list(self._partial.items()):
            if pieces:
                self._line(stream, "".join(pieces))
                pieces.clear()

    def end(self) -> None:
        """The invocation has ended. What its threads print from now on goes out with the next one's lines."""
        self.flush()
        self._ended = True
        _outside.last = self

    @property
    def records(self) -> list[LogRecord]:
        """The lines so far, masked. The list is the one that is kept: what is deleted from it is not taken again."""
        while self._waiting:
            waiting = self._waiting.popleft()
            self._records.append(waiting if isinstance(waiting, LogRecord) else self._finished(waiting))
        return self._records

    def take(self) -> tuple[list[LogRecord], int]:
        """The lines so far, and how many more there were. Both start anew."""
        self.flush()
        records, self._records = self.records, []
        dropped, self.dropped = self.dropped, 0
        return records, dropped

    def _line(self, stream: str, line: str) -> None:
        if line[-1:] == "\r":
            line = line.rstrip("\r")
        if line:
            self._add([time_ns(), _UNSET_SEVERITY, "", line, "", _STREAMS[stream]])

    def _add(self, waiting: Waiting) -> Waiting | None:
        body: str = waiting[3]
        first = body[:1]
        if (first == "[" or first == "{") and MARK in body:  # noqa: PLR1714  # half as long as looking into a set
            self._annotate(body)
        if self._taken >= self._max_records or self._bytes >= self._max_bytes:
            self.dropped += 1
            return None
        self._taken += 1
        size = len(body)
        if self._ended:
            _outside.keep(self._finished(waiting))
        elif size > _MAX_LINE and self._renderer is not None:
            size = _MAX_LINE
            self._waiting.append(self._finished(waiting))  # now: what is kept whole would be too much
        else:
            self._waiting.append(waiting)
        self._bytes += size
        return waiting

    def _annotate(self, body: str) -> None:
        """Do what a line says, or a JSON line's message, that starts with `[CLEW] `."""
        if self._annotations is None or self._ended:
            return
        if body[0] == "[":
            self._annotations.read(body)
        elif (structured := _structured(body)) is not None:
            self._annotations.read(structured[2])

    def _finished(self, waiting: Waiting) -> LogRecord:
        time, severity, level, body, scope, attributes = waiting
        if not body.isascii():
            body = _readable(body)
        if severity == _UNSET_SEVERITY and body[:1] == "{" and (structured := _structured(body)) is not None:
            severity, level, _ = structured
        if self._renderer is not None:
            body = self._renderer.line(body, _MAX_LINE)
        return LogRecord(time, severity, level, body, scope, attributes, *self._trace)

    def adopt(self, early: Lines) -> None:
        """Take over the lines of INIT."""
        early.flush()
        while early._waiting:
            waiting = early._waiting.popleft()
            if not isinstance(waiting, LogRecord):
                waiting[5] = {**waiting[5], **_PHASE}
                self._waiting.append(waiting)
        self.dropped += early.dropped

    def adopt_late(self, records: list[LogRecord], dropped: int) -> None:
        """Take lines along that are of invocations before, and say so by their ids."""
        self._waiting.extend(records)
        self.dropped += dropped


class _Outside:
    """Lines while no invocation runs, within bounds, until the next one's export takes them along."""

    def __init__(self) -> None:
        self.early: Lines | None = None
        self.last: Lines | None = None
        self._initializing = False
        self._late: list[LogRecord] = []
        self._bytes = 0
        self._dropped = 0

    def begin(self) -> None:
        """INIT goes on: keep its lines."""
        # What a snapshot's INIT printed was printed once, not by each environment that is restored from it.
        if self.early is None and self.last is None and os.environ.get(_TYPE) != "snap-start":
            self._initializing = True
            self.early = Lines(None, _MAX_OUTSIDE, 0, 0, 0)

    def lines(self) -> Lines | None:
        """Whose line it is that is printed now.

        Between invocations, a thread's line belongs to the invocation that ended last; what the main thread prints is
        the runtime's, or that of a program which calls handlers.
        """
        if self._initializing:
            return self.early
        if self.last is not None and threading.current_thread() is not threading.main_thread():
            return self.last
        return None

    def end(self) -> None:
        """INIT is over: an invocation has begun."""
        self._initializing = False

    def keep(self, record: LogRecord) -> None:
        if len(self._late) >= _MAX_OUTSIDE or self._bytes >= _MAX_OUTSIDE_BYTES:
            self._dropped += 1
            return
        self._bytes += len(record.body)
        self._late.append(record)

    def hand_over(self, lines: Lines) -> None:
        self.end()
        if self.early is not None:
            early, self.early = self.early, None
            lines.adopt(early)
        if self._late or self._dropped:
            late, self._late = self._late, []
            dropped, self._dropped, self._bytes = self._dropped, 0, 0
            lines.adopt_late(late, dropped)


_outside = _Outside()
keep_early_lines = _outside.begin
outside_lines = _outside.lines
end_of_init = _outside.end


def severity_of(level: int) -> int:
    """OpenTelemetry's severity number of a level of `logging`; 0 for NOTSET."""
    for least, number in _LEVELS:
        if level >= least:
            return number
    return 0


def _structured(line: str) -> tuple[int, str, str] | None:
    from clew.structured_lines import read  # noqa: PLC0415  # 0.1 ms of INIT, for lines that are JSON

    return read(line)


def _readable(text: str) -> str:
    """Text without what stands for bytes that are no UTF-8: one question mark each."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text
