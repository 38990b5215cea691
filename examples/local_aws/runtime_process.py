"""The process inside an execution environment: AWS's runtime client with the function's handler."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

from examples.local_aws import identifiers
from examples.local_aws.function import LocalFunction
from examples.local_aws.function_log import CapturedOutput, FunctionLog
from examples.local_aws.runtime_api import Exited, RuntimeApi, RuntimeEvent


class RuntimeProcess:
    """Runs `python -m awslambdaric <handler>` with a Runtime API of its own, from construction until `close`."""

    def __init__(self, function: LocalFunction, log: FunctionLog) -> None:
        self.api = RuntimeApi()
        stream = identifiers.log_stream(function.version)
        self.output = CapturedOutput(log, stream)
        self._process = subprocess.Popen(
            [str(function.python), "-m", "awslambdaric", function.handler],
            cwd=function.code,
            env=_environment(function, self.api, stream),
            stdin=subprocess.DEVNULL,
            stdout=self.output.writer,
            stderr=self.output.writer,
            start_new_session=True,  # a group of its own: killed with all it started, and deaf to the terminal's Ctrl-C
        )
        self.output.start()
        Thread(target=self._report_exit, name="runtime-exit", daemon=True).start()

    def event(self, deadline: float) -> RuntimeEvent | None:
        """What the runtime does next, or None when the deadline (monotonic seconds) passes first."""
        try:
            return self.api.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def max_memory_used(self) -> int | None:
        """Its peak resident memory in MB; None where the system has no /proc, and after its end."""
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return None
        kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
        return None if kilobytes is None else -(-kilobytes // 1024)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all it started, if any of them is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()
        self.output.close()
        self.api.close()

    def _report_exit(self) -> None:
        self.api.events.put(Exited(self._process.wait()))


def _environment(function: LocalFunction, api: RuntimeApi, stream: str) -> dict[str, str]:
    """The variables that Lambda sets, and the function's own. Nothing of this process' environment but PATH."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",  # a function's code directory is read-only
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ACCESS_KEY_ID": "ASIALOCALLOCALLOCAL0",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "LAMBDA_TASK_ROOT": str(function.code),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": function.handler,
        **function.environment,
    }
