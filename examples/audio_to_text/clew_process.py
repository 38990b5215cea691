"""Starts Clew itself, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
from sqlalchemy import func, select

from collector.store.engine import open_engine
from collector.store.tables import invocations

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0
_LISTENS = re.compile(r"listens on (http://[^\s,]+)")


class ClewProcessError(Exception):
    """Clew did not start. The message is the sentence that it gave as the reason."""


class ClewProcess:
    """`clew up` on 127.0.0.1 with a SQLite file, from `with` on. Port 0 is any free one; its output goes to `log`."""

    def __init__(self, port: int, database: Path, log: Path) -> None:
        self.url = ""
        self._database_url = f"sqlite:///{database}"
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._said_before = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector.app", "up"],
                env={
                    **os.environ,
                    "CLEW_HOST": "127.0.0.1",
                    "CLEW_PORT": str(port),
                    "CLEW_DATABASE_URL": self._database_url,
                    "PYTHONUNBUFFERED": "1",  # its address is to be in the log at once
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the demo, which ends this after the functions have reported
            )

    def __enter__(self) -> Self:
        """Wait until it is ready.

        Raises:
            ClewProcessError: it ended instead, or took more than a minute.
        """
        try:
            self._wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def return_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stored_invocations(self) -> int:
        """How many invocations are in the database."""
        engine = open_engine(self._database_url, read_only=True)
        try:
            with engine.connect() as connection:
                return connection.scalar(select(func.count()).select_from(invocations)) or 0
        finally:
            engine.dispose()

    def close(self) -> None:
        """Let it finish what it has begun, and end it."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            listens = _LISTENS.search(self._said())
            if listens is not None and _is_healthy(listens[1]):
                self.url = listens[1]
                return
            if self.return_code is not None:
                *_, last = ["Clew ended at once.", *self._said().split("\n")[:-1]]
                raise ClewProcessError(last.removeprefix("clew: "))
            time.sleep(0.05)
        raise ClewProcessError(f"Clew was not ready after {_START_TIMEOUT:.0f} seconds; {self._log} may say why.")

    def _said(self) -> str:
        """What it has printed since this start."""
        with self._log.open("rb") as file:
            file.seek(self._said_before)
            return file.read().decode(errors="replace")


def _is_healthy(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/healthz", timeout=5.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
