"""Lambda's Runtime API on loopback, for AWS's own runtime client in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        self._given = 0.0
        lambda_ = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                request_id, event = lambda_.events.get()
                lambda_._given = time.monotonic()
                deadline = int((time.time() + lambda_.timeout) * 1000)
                self.reply(
                    200,
                    event,
                    {
                        "Lambda-Runtime-Aws-Request-Id": request_id,
                        "Lambda-Runtime-Deadline-Ms": str(deadline),
                        "Lambda-Runtime-Invoked-Function-Arn": ARN + lambda_.name,
                        "Content-Type": "application/json",
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                seconds = time.monotonic() - lambda_._given
                if self.path.endswith("/error"):
                    lambda_.answers.put(Answer(error=json.loads(body), seconds=seconds))
                else:
                    lambda_.answers.put(Answer(result=body, seconds=seconds))
                self.reply(202, b"{}", {})

            def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read the answers."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that are ended
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "app.py").write_text(self.code)
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT / "tracer")]),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
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
            "CLEW_EXTENSION": "false",  # there is no Extensions API here
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
        self._server.shutdown()
        self._server.server_close()
