"""The real `clew`, in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from tests.collector.app.turned_clock import write_ahead

TIMEOUT_S = 60


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment without any setting of Clew's or OpenTelemetry's but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "OTEL_", "XDG_"))}
    return kept | {name: str(value) for name, value in settings.items()}


def command(*arguments: str, bound_by_permissions: bool = False) -> list[str]:
    """`clew` as a command line. Root is bound by files' permissions only if asked for."""
    line = [sys.executable, "-W", "error", "-m", "collector.app", *arguments]
    if bound_by_permissions and os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root cannot be bound by permissions without setpriv")
        line = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *line]
    return line


def clew(*arguments: str, bound_by_permissions: bool = False, **settings: object) -> subprocess.CompletedProcess[str]:
    """Runs `clew` to its end. Settings are environment variables."""
    return subprocess.run(
        command(*arguments, bound_by_permissions=bound_by_permissions),
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


class Clew:
    """A running `clew up` on a free port, with a SQLite file or the database of a URL; leaving the block stops it as
    Ctrl-C does. `address` is the one that it says it listens on."""

    def __init__(self, database: Path | str, *, address: str = "127.0.0.1", **settings: object) -> None:
        url = database if isinstance(database, str) else f"sqlite:///{database}"
        self._process = subprocess.Popen(
            self._command(),
            env=environment({"CLEW_PORT": 0, "CLEW_DATABASE_URL": url} | settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.banner = self._process.stdout.readline()
        found = re.search(rf"https?://{re.escape(address)}:(\d+)", self.banner)
        if found is None:
            self.kill()
            raise AssertionError(f"clew did not start: {self._process.communicate()[1]}")
        self.url, self.port = found[0], int(found[1])
        self.pid = self._process.pid

    def _command(self) -> list[str]:
        return command("up")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str, str]:
        """Its exit code, and what it wrote to stdout after the banner and to stderr."""
        out, err = self._process.communicate(timeout=TIMEOUT_S)
        return self._process.returncode, out, err

    def kill(self) -> None:
        """As power loss would, as far as a process can tell."""
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def get(self, path: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = json.loads(self.get("/healthz")[1])
        return health

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.signal(signal.SIGINT)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class TurnedClew(Clew):
    """The same with a clock that can be turned on. `clock` is a file that it makes for that."""

    def __init__(self, database: Path | str, *, clock: Path, **settings: object) -> None:
        self._clock = clock
        write_ahead(clock, 0)
        super().__init__(database, address="127.0.0.1", **settings)

    def _command(self) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "tests.collector.app.turned_clock", str(self._clock), "up"]

    def turn(self, ahead_s: float) -> None:
        """Lets its clock run so far ahead of the machine's."""
        write_ahead(self._clock, ahead_s)
