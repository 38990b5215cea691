"""Starts the emulated AWS in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3

from examples.local_aws.settings import STATE_PATH, AwsSettings

_START_TIMEOUT = 60.0


class AwsProcessError(Exception):
    """The emulated AWS did not start."""


class AwsProcess:
    """The emulated AWS, answering on a free port of 127.0.0.1 from `with` on; what it prints goes to `log`."""

    def __init__(self, settings: AwsSettings, log: Path) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        # The socket listens before the process exists, so that its address is known and nobody can take it.
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening, log.open("ab") as output:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            descriptor = listening.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "examples.local_aws", str(descriptor), settings.to_json()],
                cwd=Path(__file__).parents[2],
                env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(descriptor,),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Wait until it answers.

        Raises:
            AwsProcessError: it ended instead, or took more than a minute.
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

    def pending(self) -> int:
        """How many notifications and jobs are under way.

        Raises:
            urllib3.exceptions.HTTPError: it does not answer.
        """
        answer = urllib3.request("GET", f"{self.url}{STATE_PATH}", timeout=10.0, retries=False)
        return int(answer.json()["pending"])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while self.return_code is None and time.monotonic() < deadline:
            try:
                self.pending()
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise AwsProcessError(f"The emulated AWS did not start; {self._log} says why.")
