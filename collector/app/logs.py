"""What the server writes to stderr: for a person, or one JSON object a line for a machine. Neither holds secrets."""

from __future__ import annotations

import atexit
import json
import logging
import logging.handlers
import os
import queue
import re
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from collector.app.settings import Settings

_MOST_WAITING = 10_000  # lines
_HUMAN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NOISY = ("alembic", "_granian", "apprise")  # they tell every step of what they do
# A password in a URL, whatever is in an Authorization header, a token of ours, and what is named as one of these.
_SECRETS = re.compile(
    r"(?P<url>://[^\s:/@]*:)[^\s/@]+(?=@)"
    r"|(?P<scheme>\b(?:bearer|basic)(?:\s|%20)+)[\w.~+/=-]+"
    r"|(?P<token>\bclew_[a-z]+_)[\w-]{8,}"
    r"|(?P<name>\b(?:password|passwd|secret|token|api_key|access_key)['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+",
    re.IGNORECASE,
)
# What could end a line, or move a terminal's cursor, in a name that a client sent.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}
_SEPARATORS = {0x2028: "\\u2028", 0x2029: "\\u2029"}


class _Queue(logging.handlers.QueueHandler):
    """Lets no thread wait for whoever reads our stderr: with a reader that has stopped, its pipe is full after 64 kB,
    and the next line would hold up the thread that stores. What finds no room is counted, and told when there is some.
    """

    def __init__(self, lines: queue.Queue[logging.LogRecord | None]) -> None:
        super().__init__(lines)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg, record.args = record.getMessage(), None  # as it is now; the exception keeps its shape
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class Log:
    """What is logged, on its way to stderr. Written there past Python's own buffer and without a handler of logging's:
    a thread that waits in either would hold a lock which the end of the process needs."""

    def __init__(self, settings: Settings) -> None:
        self._lines: queue.Queue[logging.LogRecord | None] = queue.Queue(_MOST_WAITING)
        self._formatter = formatter(settings.log_format)
        self.handler = _Queue(self._lines)
        self._thread = threading.Thread(target=self._run, name="clew-log", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Returns when all is written, or nobody reads it in time."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=timeout_s)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (record := self._lines.get()) is not None:
            self._write(record)
            if self._lines.empty():
                self._tell_dropped()
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        count, self.handler.dropped = self.handler.dropped, 0
        if count:
            text = f"{count} lines were dropped: they came faster than they were read"
            self._write(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None))

    def _write(self, record: logging.LogRecord) -> None:
        data = f"{self._formatter.format(record)}\n".encode(errors="backslashreplace")
        with suppress(OSError, ValueError):  # nobody is there to tell
            while data:
                data = data[os.write(sys.stderr.fileno(), data) :]


def log_to_stderr(settings: Settings) -> Log:
    """From now on, all loggers, of the libraries too."""
    log = Log(settings)
    atexit.register(log.close)
    logging.basicConfig(handlers=[log.handler], level=settings.log_level.upper())
    if settings.log_level != "debug":
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)
    return log


def formatter(kind: Literal["text", "json"]) -> logging.Formatter:
    return _Json() if kind == "json" else _Text(_HUMAN)


def without_secrets(text: str) -> str:
    return _SECRETS.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup or 0]}****"


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        record.message = without_secrets(record.message).translate(_CONTROLS | _SEPARATORS)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802  # logging's name
        return without_secrets(super().formatException(ei))  # type: ignore[arg-type]  # passed through


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)
