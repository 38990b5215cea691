"""Lambda's Runtime API for one execution environment: what `awslambdaric` talks to."""

from __future__ import annotations

import queue
import re
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"
_ANSWER_PATH = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


@dataclass(frozen=True, slots=True)
class InvocationRequest:
    """What `GET …/invocation/next` answers."""

    request_id: str
    payload: bytes
    deadline_ms: int  # Unix time
    function_arn: str
    trace_id: str | None = None
    client_context: str | None = None  # JSON

    def headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
        }
        if self.trace_id:
            headers["Lambda-Runtime-Trace-Id"] = self.trace_id
        if self.client_context:
            headers["Lambda-Runtime-Client-Context"] = self.client_context
        return headers


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime asked for the next invocation."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The runtime posted a response (`error_type` None) or an error for the invocation under way."""

    payload: bytes
    error_type: str | None


@dataclass(frozen=True, slots=True)
class InitFailed:
    payload: bytes
    error_type: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The process ended. Put here by whoever started it, so that one queue tells the whole story in order."""

    return_code: int


RuntimeEvent = Ready | Answered | InitFailed | Exited


class RuntimeApi:
    """Serves one runtime on a free port of 127.0.0.1 and reports what it does in `events`."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[RuntimeEvent] = queue.SimpleQueue()
        self._next: queue.SimpleQueue[InvocationRequest] = queue.SimpleQueue()
        self._current: str | None = None
        self._closed = Event()
        self._server = _Server(("127.0.0.1", 0), _handler_class(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="runtime-api", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What belongs into `AWS_LAMBDA_RUNTIME_API`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def hand_over(self, request: InvocationRequest) -> None:
        """Let the runtime have this invocation, now or when it next asks."""
        self._current = request.request_id
        self._next.put(request)

    def take(self) -> InvocationRequest | None:
        """Wait for the next invocation; None once closed."""
        while not self._closed.is_set():
            try:
                return self._next.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def answer(self, request_id: str, answered: Answered) -> bool:
        """Take the answer for the invocation under way; False when it is for another one."""
        if request_id != self._current:
            return False
        self._current = None
        self.events.put(answered)
        return True

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A runtime killed in the middle of a request is nothing to print a traceback about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: RuntimeApi

    def do_GET(self) -> None:
        if self.path != "/2018-06-01/runtime/invocation/next":
            self._send(HTTPStatus.NOT_FOUND, b'{"errorType":"InvalidPath","errorMessage":"No such path"}')
            return
        self.api.events.put(Ready())
        request = self.api.take()
        if request is None:
            self.close_connection = True
            return
        self._send(HTTPStatus.OK, request.payload, request.headers())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        error_type = self.headers.get(ERROR_TYPE_HEADER)
        if self.path == "/2018-06-01/runtime/init/error":
            self.api.events.put(InitFailed(body, error_type or "Runtime.Unknown"))
            self._send(HTTPStatus.ACCEPTED, b'{"status":"OK"}')
            return
        match = _ANSWER_PATH.fullmatch(self.path)
        if match is None:
            self._send(HTTPStatus.NOT_FOUND, b'{"errorType":"InvalidPath","errorMessage":"No such path"}')
            return
        request_id, kind = match.groups()
        answered = Answered(body, None if kind == "response" else error_type or "Runtime.Unknown")
        if self.api.answer(request_id, answered):
            self._send(HTTPStatus.ACCEPTED, b'{"status":"OK"}')
        else:
            message = b'{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}'
            self._send(HTTPStatus.BAD_REQUEST, message)

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are told by `events`."""


def _handler_class(api: RuntimeApi) -> type[_Handler]:
    return type("RuntimeApiHandler", (_Handler,), {"api": api})
