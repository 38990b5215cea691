"""The HTTP side of an environment: Runtime API 2018-06-01, Extensions API 2020-01-01, Telemetry API 2022-07-01."""

from __future__ import annotations

import json
import queue
import re
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from collector.local_lambda.events import (
    Answered,
    InitFailed,
    InvocationRequest,
    Ready,
    RestoreFailed,
    RestoreReady,
    SandboxEvent,
)
from collector.local_lambda.extensions import Extension, Extensions
from collector.local_lambda.function import LocalFunction
from collector.local_lambda.identifiers import ACCOUNT_ID
from collector.local_lambda.platform_log import PlatformLog
from collector.local_lambda.refusal import Refusal
from collector.local_lambda.subscription import parse_subscription
from collector.local_lambda.telemetry import TelemetryHub

_RUNTIME, _EXTENSION, _TELEMETRY = "/2018-06-01/runtime", "/2020-01-01/extension", "/2022-07-01/telemetry"
_ANSWER = re.compile(rf"{_RUNTIME}/invocation/([^/]+)/(response|error)")
_EXTENSION_ERROR = re.compile(rf"{_EXTENSION}/(init|exit)/error")
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_OK = b'{"status":"OK"}'


class LambdaApi:
    """Serves one environment on a free port of 127.0.0.1 and tells in `events`, in order, what its processes do."""

    def __init__(
        self, function: LocalFunction, external_extensions: list[str], platform: PlatformLog, telemetry: TelemetryHub
    ) -> None:
        self.function = function
        self.platform = platform
        self.telemetry = telemetry
        self.events: queue.SimpleQueue[SandboxEvent] = queue.SimpleQueue()
        self.extensions = Extensions(external_extensions, self.events.put)
        self._next: queue.SimpleQueue[InvocationRequest | None] = queue.SimpleQueue()
        self._restored = Event()
        self._lock = Lock()
        self._current: str | None = None
        self._server = _Server(("127.0.0.1", 0), type("LambdaApiHandler", (_Handler,), {"api": self}))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="lambda-api", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What belongs into `AWS_LAMBDA_RUNTIME_API`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def hand_over(self, request: InvocationRequest) -> list[Extension]:
        """Let the runtime and the extensions have this invocation; which extensions have asked for it."""
        with self._lock:
            self._current = request.request_id
        # The runtime first: what it costs this process to tell the extensions is no part of the function's time.
        return self.extensions.hand_over("INVOKE", request.extension_event(), first=lambda: self._next.put(request))

    def restore(self) -> None:
        """Answer the runtime that waits for it."""
        self._restored.set()

    def close(self) -> None:
        self._next.put(None)
        self._restored.set()
        self.extensions.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self) -> InvocationRequest | None:
        """Wait for the next invocation; None once closed."""
        self.extensions.close_registration()
        self.events.put(Ready())
        request = self._next.get()
        if request is None:
            self._next.put(None)
        return request

    def wait_restored(self) -> None:
        self.extensions.close_registration()
        self.events.put(RestoreReady())
        self._restored.wait()

    def answer(self, request_id: str, answered: Answered) -> None:
        """Take the answer for the invocation under way.

        Raises:
            Refusal: it is for another one, or comes a second time.
        """
        with self._lock:
            if request_id != self._current:
                raise Refusal("InvalidRequestID", "Invalid request ID", HTTPStatus.BAD_REQUEST)
            self._current = None
        self.events.put(answered)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A process killed in the middle of a request is nothing to print a traceback about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body waits 40 ms until its headers are acknowledged
    api: LambdaApi

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        self._respond(self._post)

    def do_PUT(self) -> None:
        self._respond(self._put)

    def _respond(self, method: Any) -> None:
        self._began = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            method(body)
        except Refusal as refusal:
            document = {"errorType": refusal.error_type, "errorMessage": str(refusal)}
            self._send(refusal.status, json.dumps(document).encode())

    def _get(self, _body: bytes) -> None:
        api = self.api
        if self.path == f"{_RUNTIME}/invocation/next":
            request = api.take()
            if request is None:
                self.close_connection = True
            else:
                self._send(HTTPStatus.OK, request.call.payload, request.headers())
        elif self.path == f"{_RUNTIME}/restore/next":
            api.wait_restored()
            self._send(HTTPStatus.OK, b"")
        elif self.path == f"{_EXTENSION}/event/next":
            extension = self._extension()
            event = api.extensions.next(extension)
            if event is None:
                self.close_connection = True
            else:
                self._send(HTTPStatus.OK, _json(event), {"Lambda-Extension-Event-Identifier": extension.identifier})
        else:
            raise _no_such_path()

    def _post(self, body: bytes) -> None:
        api = self.api
        error_type = self.headers.get(_ERROR_TYPE)
        if match := _ANSWER.fullmatch(self.path):
            request_id, kind = match.groups()
            kept = None if kind == "response" else error_type or "Runtime.Unknown"
            api.answer(request_id, Answered(body, kept, self._began))
        elif self.path == f"{_RUNTIME}/init/error":
            api.events.put(InitFailed(body, error_type or "Runtime.Unknown"))
        elif self.path == f"{_RUNTIME}/restore/error":
            api.events.put(RestoreFailed(body, error_type or "Runtime.Unknown"))
        elif self.path == f"{_EXTENSION}/register":
            self._register(body)
            return
        elif match := _EXTENSION_ERROR.fullmatch(self.path):
            kind = self.headers.get("Lambda-Extension-Function-Error-Type")
            api.extensions.fail(self._extension(), match[1], kind)
        else:
            raise _no_such_path()
        self._send(HTTPStatus.ACCEPTED, _OK)

    def _put(self, body: bytes) -> None:
        if self.path != _TELEMETRY:
            raise _no_such_path()
        extension = self._extension()
        subscription = parse_subscription(extension.name, _parsed(body, "ValidationError", HTTPStatus.BAD_REQUEST))
        self.api.telemetry.subscribe(subscription)
        self.api.platform.subscription(extension.name, subscription.types)
        self._send(HTTPStatus.OK, b'"OK"')

    def _register(self, body: bytes) -> None:
        document = _parsed(body, "InvalidRequestFormat", HTTPStatus.FORBIDDEN)
        extension = self.api.extensions.register(self.headers.get("Lambda-Extension-Name"), document)
        function = self.api.function
        answer = {
            "functionName": function.name,
            "functionVersion": function.version,
            "handler": function.handler,
        }
        features = (self.headers.get("Lambda-Extension-Accept-Feature") or "").split(",")
        if "accountId" in map(str.strip, features):
            answer["accountId"] = ACCOUNT_ID
        self._send(HTTPStatus.OK, _json(answer), {"Lambda-Extension-Identifier": extension.identifier})

    def _extension(self) -> Extension:
        return self.api.extensions.find(self.headers.get("Lambda-Extension-Identifier"))

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are told by `events`."""


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _parsed(body: bytes, error_type: str, status: int) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refusal(error_type, f"The body is no JSON: {error}", status) from None


def _no_such_path() -> Refusal:
    return Refusal("InvalidPath", "No such path", HTTPStatus.NOT_FOUND)
