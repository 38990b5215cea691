"""AWS's own runtime client in a process of its own, against the local Runtime API.

Unlike `collector.local_lambda`, of which this uses the API alone, it ends nothing at a timeout and keeps stdout and
stderr apart, byte by byte: what the tracer may not change.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.local_lambda import LocalFunction
from collector.local_lambda.api import LambdaApi
from collector.local_lambda.events import Answered, Call, InitFailed, InvocationRequest, Ready
from collector.local_lambda.function_log import FunctionLog, LogStream
from collector.local_lambda.platform_log import PlatformLog
from collector.local_lambda.telemetry import TelemetryHub

if TYPE_CHECKING:
    from typing import Self

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:"


@dataclass
class Answer:
    """What the runtime posted for one event. `error` is the body of an error, `result` that of a response."""

    result: bytes | None = None
    error: dict[str, Any] | None = None
    seconds: float = 0.0


@dataclass
class Lambda:
    """One execution environment. `code` is the module `app` with a function `handler`."""

    folder: Path
    code: str
    environ: dict[str, str] = field(default_factory=dict)
    timeout: float = 3.0
    name: str = "transcribe"
    handler: str = "app.handler"
    wrapper: Path | None = None  # what AWS_LAMBDA_EXEC_WRAPPER names

    def __enter__(self) -> Self:
        self.events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()
        function = LocalFunction(name=self.name, handler=self.handler, code=self.folder, timeout=self.timeout)
        telemetry, log = TelemetryHub(), LogStream(FunctionLog(None), "2026/11/20/[$LATEST]abc")
        self._api = LambdaApi(function, [], PlatformLog(function, log, telemetry), telemetry)
        self._closed = threading.Event()
        threading.Thread(target=self._serve, args=(function.arn,), daemon=True).start()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "app.py").write_text(self.code)
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT / "tracer")]),
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/20/[$LATEST]abc",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "_HANDLER": self.handler,
            "LAMBDA_TASK_ROOT": str(self.folder),
            "CLEW_EXTENSION": "false",  # nobody here waits for one, as the whole local Lambda does
            "CLEW_CHECKPOINT_AFTER": "0",  # on a busy machine any handler may run for half a second
            **self.environ,
        }
        wrapper = [] if self.wrapper is None else [str(self.wrapper)]
        self._stdout = (self.folder / "stdout").open("wb")
        self._stderr = (self.folder / "stderr").open("wb")
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "awslambdaric", self.handler],
            env=environ,
            cwd=self.folder,
            stdout=self._stdout,
            stderr=self._stderr,
        )
        return self

    def invoke(self, event: Any, request_id: str | None = None) -> Answer:
        """Run one event through the handler and wait for the runtime's answer."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.events.put((request_id or str(uuid.uuid4()), body))
        try:
            return self.answers.get(timeout=15)
        except queue.Empty:
            raise AssertionError(f"no answer; stderr: {self.stderr}") from None

    def invoke_without_answer(self, event: Any) -> None:
        self.events.put((str(uuid.uuid4()), json.dumps(event).encode()))

    def _serve(self, arn: str) -> None:
        """Hand over an event whenever the runtime asks, with its deadline from then on, and keep what it posts."""
        given = time.monotonic()
        while not self._closed.is_set():
            try:
                told = self._api.events.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(told, Ready) and (event := self._next_event()) is not None:
                given = time.monotonic()
                deadline_ms = int((time.time() + self.timeout) * 1000)
                self._api.hand_over(InvocationRequest(Call(*event, trace_header=""), deadline_ms, arn))
            elif isinstance(told, Answered) and told.error_type is None:
                self.answers.put(Answer(result=told.payload, seconds=told.at - given))
            elif isinstance(told, Answered | InitFailed):
                self.answers.put(Answer(error=json.loads(told.payload), seconds=time.monotonic() - given))

    def _next_event(self) -> tuple[str, bytes] | None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Empty):
                return self.events.get(timeout=0.1)
        return None

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._stdout.close()
        self._stderr.close()
        self._closed.set()
        self._api.close()
