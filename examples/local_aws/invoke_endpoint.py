"""Lambda's Invoke API over HTTP, so that S3 events and boto3's `lambda.invoke` reach the local functions."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from collector.local_lambda import FunctionNotFoundError, LocalLambda, Response, TooManyRequestsError
from examples.local_aws import identifiers

_PATH = re.compile(r"/2015-03-31/functions/([^/?]+)/invocations(\?.*)?")
_LOG_TAIL = 4096  # bytes of the log that X-Amz-Log-Type: Tail returns


class InvokeEndpoint:
    """Serves a LocalLambda on a free port of 127.0.0.1 until closed."""

    def __init__(self, functions: LocalLambda) -> None:
        handler = type("InvokeHandler", (_Handler,), {"functions": functions})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="invoke-endpoint", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hung up is nothing to print a traceback about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    functions: LocalLambda

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
        match = _PATH.fullmatch(self.path)
        if match is None:
            self._fail(HTTPStatus.NOT_FOUND, "UnknownOperationException", "No such path")
            return
        name = unquote(match[1])
        try:
            self._version = self.functions.function(name).version
            json.loads(payload)
        except FunctionNotFoundError as error:
            self._fail(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", str(error))
            return
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            self._fail(HTTPStatus.BAD_REQUEST, "InvalidRequestContentException", message)
            return
        match self.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
            case "DryRun":
                self._send(HTTPStatus.NO_CONTENT, b"", {})
            case "Event":
                request_id = self.functions.invoke_async(name, payload)
                self._send(HTTPStatus.ACCEPTED, b"", {"x-amzn-RequestId": request_id})
            case _:
                self._invoke(name, payload)

    def _invoke(self, name: str, payload: bytes) -> None:
        """Answer as soon as the response is known. With the log it is known only when the extensions are done, too."""
        context = self.headers.get("X-Amz-Client-Context")
        with_log = self.headers.get("X-Amz-Log-Type") == "Tail"
        try:
            outcome = self.functions.invoke(
                name,
                payload,
                client_context=None if context is None else base64.b64decode(context).decode(),
                on_response=None if with_log else self._answer,
            )
        except TooManyRequestsError as error:
            self._fail(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", str(error))
            return
        if with_log:
            tail = base64.b64encode(outcome.log.encode()[-_LOG_TAIL:]).decode()
            self._answer(Response(outcome.request_id, outcome.payload, outcome.error), {"X-Amz-Log-Result": tail})

    def _answer(self, response: Response, headers: dict[str, str] | None = None) -> None:
        function_error = {} if response.error is None else {"X-Amz-Function-Error": "Unhandled"}
        with contextlib.suppress(OSError):  # a caller that hung up does not end the invocation
            self._send(
                HTTPStatus.OK,
                response.payload,
                {
                    "Content-Type": "application/json",
                    "x-amzn-RequestId": response.request_id,
                    "X-Amz-Executed-Version": self._version,
                    **function_error,
                    **(headers or {}),
                },
            )

    def _fail(self, status: HTTPStatus, kind: str, message: str) -> None:
        headers = {
            "Content-Type": "application/json",
            "x-amzn-RequestId": identifiers.request_id("lambda"),
            "x-amzn-ErrorType": kind,
        }
        self._send(status, json.dumps({"Type": "User", "Message": message}).encode(), headers)

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Functions have logs of their own."""
