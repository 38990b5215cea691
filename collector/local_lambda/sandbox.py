"""The processes of one environment from INIT to SHUTDOWN, with the APIs that they talk to."""

from __future__ import annotations

import queue
import signal
import time
from pathlib import Path
from threading import Lock

from collector.local_lambda.api import LambdaApi
from collector.local_lambda.events import Exited, ExtensionFailed, InvocationRequest, SandboxEvent
from collector.local_lambda.extensions import SHUTDOWN, Extension
from collector.local_lambda.failures import exit_reason
from collector.local_lambda.function import LocalFunction
from collector.local_lambda.function_log import LogStream
from collector.local_lambda.layers import LayerRoot
from collector.local_lambda.memory import MemoryWatch
from collector.local_lambda.platform_log import PlatformLog
from collector.local_lambda.process import SandboxProcess
from collector.local_lambda.telemetry import TelemetryHub
from collector.local_lambda.variables import RUNTIME_DIRECTORY, extension_variables, runtime_variables

_INTERNAL_BUDGET, _EXTERNAL_BUDGET = 0.5, 2.0  # seconds that SHUTDOWN may take
_RUNTIME_SHARE = 0.3  # of them, for the runtime where external extensions come after it
_FLUSH_TIMEOUT = 0.5
_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"


class Sandbox:
    """Starts nothing by itself: `start_extensions`, then `start_runtime`. A new INIT needs a new sandbox."""

    def __init__(self, function: LocalFunction, layers: LayerRoot, stream: LogStream) -> None:
        self.out_of_memory = False
        self._function = function
        self._layers = layers
        self._stream = stream
        self._executables = layers.extensions()
        self.telemetry = TelemetryHub()
        self.platform = PlatformLog(function, stream, self.telemetry)
        self.api = LambdaApi(function, self.extension_names, self.platform, self.telemetry)
        self._runtime: SandboxProcess | None = None
        self._memory = MemoryWatch(None, None, self._run_out_of_memory)
        self._external: dict[str, SandboxProcess] = {}
        self._lock = Lock()
        self._killed = self._ending = self._frozen = False

    @property
    def extension_names(self) -> list[str]:
        """Those of the external extensions, which all have to register."""
        return [path.name for path in self._executables]

    def start_extensions(self) -> None:
        variables = extension_variables(self._function, self.api.address, self._layers)
        for path in self._executables:
            self._external[path.name] = self._process([str(path)], Path("/"), variables, path.name)

    def start_runtime(self) -> None:
        function = self._function
        variables = runtime_variables(function, self.api.address, self._stream.name, self._layers)
        command = [str(function.python), str(RUNTIME_DIRECTORY / "bootstrap.py")]
        if variables.get(_WRAPPER):
            command.insert(0, variables[_WRAPPER])
        with self._lock:
            self._runtime = self._process(command, function.code, variables, None)
            limit = function.memory if function.kill_above_memory else None
            self._memory = MemoryWatch(self._runtime.pid, limit, self._run_out_of_memory)
        self._memory.resume()
        if self._killed:  # while it was being started
            self._signal(signal.SIGKILL)

    def event(self, deadline: float) -> SandboxEvent | None:
        """What a process does next, or None when the deadline (as `time.monotonic`) passes first."""
        try:
            return self.api.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def hand_over(self, request: InvocationRequest) -> list[Extension]:
        """Begin an invocation; which extensions take part in it."""
        self._memory.resume()
        return self.api.hand_over(request)

    def max_memory_used(self) -> int | None:
        """The most that the runtime's process and its children held so far, in MB."""
        return self._memory.peak()

    def freeze(self) -> None:
        """Stop every process and all delivery of telemetry until `thaw`."""
        self._memory.pause()
        self.telemetry.pause()
        self._frozen = True
        self._signal(signal.SIGSTOP)

    def rest(self) -> None:
        """Go on between two invocations, which Lambda does not allow, without being looked at."""
        self._memory.pause()

    def thaw(self) -> None:
        if self._frozen:
            self._frozen = False
            self._signal(signal.SIGCONT)
        self.telemetry.resume()

    def kill(self) -> None:
        """End every process at once, from any thread."""
        self._killed = True
        self._signal(signal.SIGKILL)

    def shutdown(self, reason: str) -> None:
        """Lambda's SHUTDOWN phase, for `spindown`, `timeout` or `failure`; then nothing is left of it."""
        self._ending = True
        self._memory.close()
        if not self._killed:
            self.thaw()
            self._end_gently(reason)
        self._signal(signal.SIGKILL)
        for process in (*self._external.values(), self._runtime):
            if process is not None:
                process.close()
        self.telemetry.close()
        self.api.close()

    def _end_gently(self, reason: str) -> None:
        """Without extensions nobody is asked; otherwise the runtime has a moment, and external extensions another."""
        extensions = self.api.extensions.all
        if not extensions:
            return
        self.telemetry.flush(_FLUSH_TIMEOUT)
        budget = _EXTERNAL_BUDGET if self._external else _INTERNAL_BUDGET
        deadline = time.monotonic() + budget
        if self._runtime is not None:
            self._runtime.signal(signal.SIGTERM)
            self._runtime.wait(budget * _RUNTIME_SHARE if self._external else budget)
            self._runtime.signal(signal.SIGKILL)
        if not self._external:
            return
        self.telemetry.flush(_FLUSH_TIMEOUT)
        event = {"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": _unix_ms(deadline)}
        told = {extension.name for extension in self.api.extensions.hand_over(SHUTDOWN, event)}
        for name, process in self._external.items():
            if name in told:
                process.wait(max(0.0, deadline - time.monotonic()))
            process.signal(signal.SIGKILL)

    def _process(
        self, command: list[str], directory: Path, variables: dict[str, str], extension: str | None
    ) -> SandboxProcess:
        kind = "function" if extension is None else "extension"
        is_json = self._function.json_log

        def on_exit(code: int) -> None:
            if extension is None:
                self.api.events.put(Exited(code))
            elif not self._ending:
                self.api.events.put(ExtensionFailed(extension, "Extension.Crash", exit_reason(code)))

        return SandboxProcess(
            command,
            directory=directory,
            variables=variables,
            stream=self._stream,
            on_line=lambda line: self.telemetry.publish_line(kind, line, is_json=is_json),
            on_exit=on_exit,
        )

    def _run_out_of_memory(self) -> None:
        self.out_of_memory = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            processes = [*self._external.values(), self._runtime]
        for process in processes:
            if process is not None:
                process.signal(number)


def _unix_ms(moment: float) -> int:
    return int((time.time() + moment - time.monotonic()) * 1000)
