"""A process of an environment: the runtime, or an external extension."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread

from collector.local_lambda.function_log import CapturedOutput, LogStream

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit codes, as a shell has them


class SandboxProcess:
    """Runs a command from construction until `close`.

    `on_line` gets every line it prints, `on_exit` its exit code, negative for a signal. A command that cannot be
    started ends at once, and its log says why.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        variables: Mapping[str, str],
        stream: LogStream,
        on_line: Callable[[str], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._output = CapturedOutput(stream, on_line)
        self._on_exit = on_exit
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=directory,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=self._output.writer,
                stderr=self._output.writer,
                start_new_session=True,  # a group of its own: killed with all it started, deaf to the terminal's Ctrl-C
            )
        except OSError as error:
            stream.platform(f"{command[0]}: {error.strerror}")
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            self._waiter = Thread(target=on_exit, args=(code,), name="process-exit", daemon=True)
        else:
            self._waiter = Thread(target=self._report_exit, name="process-exit", daemon=True)
        self._output.start()
        self._waiter.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all it started, if any of them is left."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
                os.killpg(self._process.pid, number)

    def wait(self, timeout: float) -> bool:
        """Whether the process itself has ended within so many seconds."""
        self._waiter.join(timeout)
        return not self._waiter.is_alive()

    def close(self) -> None:
        """End it and all it started."""
        self.signal(signal.SIGKILL)
        self._waiter.join()
        self._output.close()

    def _report_exit(self) -> None:
        if self._process is not None:
            self._on_exit(self._process.wait())
