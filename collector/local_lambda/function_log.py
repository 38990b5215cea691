"""What a function and its extensions print, with Lambda's own lines around it."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread

from collector.local_lambda.identifiers import iso_time


class FunctionLog:
    """The log of one function: all its environments append to it, one line each with time and stream.

    Without a path nothing is kept; what invocations print is in their outcomes all the same.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8") if path is not None else None
        self._lock = Lock()

    def write(self, stream: str, lines: list[str]) -> None:
        """Append lines of the log stream named; its last eight digits tell one environment from another."""
        prefix = f"{iso_time()} [{stream[-8:]}] "
        with self._lock:
            if self._file is not None and not self._file.closed:
                self._file.writelines(f"{prefix}{line}\n" for line in lines)
                self._file.flush()

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()


class LogStream:
    """The log of one environment: goes on into its function's log and, from one `take` to the next, into memory."""

    def __init__(self, log: FunctionLog, name: str) -> None:
        self.name = name
        self._log = log
        self._lock = Lock()
        self._lines: list[str] = []
        self._followed: list[CapturedOutput] = []

    def follow(self, output: CapturedOutput) -> None:
        """Have `platform` and `take` read this output first, so that no line comes too late for them."""
        with self._lock:
            self._followed.append(output)

    def unfollow(self, output: CapturedOutput) -> None:
        with self._lock:
            self._followed.remove(output)

    def platform(self, line: str) -> None:
        """Add a line of Lambda's own, after all that was printed until now."""
        self.catch_up()
        self.add(line.split("\n"))

    def add(self, lines: list[str]) -> None:
        with self._lock:
            self._lines += lines
        self._log.write(self.name, lines)

    def take(self) -> str:
        """Every line since the last call."""
        self.catch_up()
        with self._lock:
            lines, self._lines = self._lines, []
        return "".join(f"{line}\n" for line in lines)

    def catch_up(self) -> None:
        """Have all that was printed until now."""
        with self._lock:
            followed = list(self._followed)
        for output in followed:
            output.catch_up()


class CapturedOutput:
    """Reads a process' output as it comes, into its environment's log and, line by line, into `on_line`."""

    def __init__(self, stream: LogStream, on_line: Callable[[str], None]) -> None:
        self._stream = stream
        self._on_line = on_line
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._lock = Lock()
        self._rest = b""
        self._closed = False
        self._thread = Thread(target=self._follow, name="function-output", daemon=True)

    def start(self) -> None:
        """Follow the output; to be called once the process has its copy of `writer`."""
        os.close(self.writer)
        self._stream.follow(self)
        self._thread.start()

    def catch_up(self) -> None:
        """Pass on all that was printed until now, also a line that has not ended yet."""
        with self._lock:
            if not self._closed:
                self._read()
                self._end_line()

    def close(self) -> None:
        """Wait for the end of the output. A process that left its group and lives on is not waited for."""
        self._stream.unfollow(self)
        self._thread.join(timeout=2)
        with self._lock:
            self._closed = True
            if not self._thread.is_alive():
                os.close(self._reader)

    def _follow(self) -> None:
        output = select.poll()  # select() knows no descriptor above 1,023
        output.register(self._reader, select.POLLIN)
        more = True
        while more:
            output.poll()
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
            self._emit(whole)

    def _end_line(self) -> None:
        if self._rest:
            self._emit([self._rest])
            self._rest = b""

    def _emit(self, lines: list[bytes]) -> None:
        texts = [line.decode(errors="replace").replace("\u00a0", " ") for line in lines]
        # The runtime client joins a traceback's lines by carriage returns, so that CloudWatch keeps them as one event.
        self._stream.add([text.replace("\r", "\n    ") for text in texts])
        for text in texts:
            self._on_line(text.replace("\r", "\n"))
