"""What a function prints, with Lambda's own START, END and REPORT lines around it."""

from __future__ import annotations

import os
import select
from pathlib import Path
from threading import Lock, Thread

from examples.local_aws.identifiers import iso_time


class FunctionLog:
    """The log of one function: a file that all its environments append to, one line each with time and stream."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._lock = Lock()

    def write(self, stream: str, lines: list[str]) -> None:
        """Append lines of the log stream named; its last eight digits tell one environment from another."""
        prefix = f"{iso_time()} [{stream[-8:]}] "
        with self._lock:
            if not self._file.closed:
                self._file.writelines(f"{prefix}{line}\n" for line in lines)
                self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()


class CapturedOutput:
    """Reads a process' output as it comes, into its function's log and, from `start` to `stop`, into memory."""

    def __init__(self, log: FunctionLog, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._lock = Lock()
        self._rest = b""
        self._lines: list[str] = []
        self._thread = Thread(target=self._follow, name="function-output", daemon=True)

    def start(self) -> None:
        """Follow the output; to be called once the process has its copy of `writer`."""
        os.close(self.writer)
        self._thread.start()

    def platform(self, line: str) -> None:
        """Add a line of Lambda's own, after all that the process has printed until now."""
        with self._lock:
            self._read()
            self._end_line()
            self._emit([line])

    def take(self) -> str:
        """Every line since the last call."""
        with self._lock:
            self._read()
            lines, self._lines = self._lines, []
        return "".join(f"{line}\n" for line in lines)

    def close(self) -> None:
        """Wait for the end of the output. A process that left its group and lives on is not waited for."""
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            os.close(self._reader)

    def _follow(self) -> None:
        more = True
        while more:
            select.select([self._reader], [], [])
            with self._lock:
                more = self._read()

    def _read(self) -> bool:
        """Read what is there; False at the end of the output. Whoever asks first reads, so no line is passed over."""
        while True:
            try:
                data = os.read(self._reader, 65536)
            except BlockingIOError:
                return True
            if not data:
                self._end_line()
                return False
            *whole, self._rest = (self._rest + data).split(b"\n")
            self._emit([_decode(line) for line in whole])

    def _end_line(self) -> None:
        if self._rest:
            self._emit([_decode(self._rest)])
            self._rest = b""

    def _emit(self, lines: list[str]) -> None:
        self._lines += lines
        self._log.write(self._stream, lines)


def _decode(line: bytes) -> str:
    # The runtime client joins a traceback's lines by carriage returns, so that CloudWatch keeps them as one event.
    return line.decode(errors="replace").replace("\r", "\n    ").replace("\u00a0", " ")
