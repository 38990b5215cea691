"""The emulated AWS as a WSGI application: moto, and around it what moto leaves out."""

from __future__ import annotations

import functools
import io
import json
import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import urllib3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from examples.local_aws import bucket_events, constraints, identifiers
from examples.local_aws.background import Background
from examples.local_aws.operations import Operation, RequestLine, identify
from examples.local_aws.settings import STATE_PATH, AwsSettings
from examples.local_aws.transcription import TranscriptionService

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_JSON = "application/x-amz-json-1.1"
_LONGEST = 900.0  # seconds: no function runs longer


class LocalAws:
    """Answers AWS requests: checks them against the service model, lets moto do them, and sends what follows."""

    def __init__(self, endpoint_url: str, settings: AwsSettings) -> None:
        self._settings = settings
        self._background = Background()
        self._transcription = TranscriptionService(endpoint_url, self._background, settings.transcription_seconds)
        self._moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        if request.path == STATE_PATH:
            response = Response(json.dumps({"pending": self._background.pending}), mimetype="application/json")
        else:
            response = self._respond(request)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        body = b""
        if "X-Amz-Target" in request.headers or request.path.startswith("/2015-03-31/functions/"):
            # Everything else, uploads above all, goes to moto as it comes.
            body = request.get_data()
            request.environ["wsgi.input"] = io.BytesIO(body)
        line = RequestLine(request.method, request.path, request.query_string.decode("latin-1"))
        operation = identify(line, request.headers, body)
        if operation is None:
            return Response.from_app(self._moto, request.environ)
        request_id = identifiers.request_id(operation.service)
        refusal = self._refusal(operation, body)
        if refusal is not None:
            return _with_ids(refusal, operation, request_id)
        if str(operation) == "lambda.Invoke" and self._settings.lambda_url is not None:
            return _forward(request, body, self._settings.lambda_url)
        response = Response.from_app(self._moto, request.environ)
        response = _with_ids(response, operation, request_id)
        if response.status_code < 300:
            self._follow_up(operation, request, response, request_id)
        return response

    def _refusal(self, operation: Operation, body: bytes) -> Response | None:
        """The answer to a request that is not let through to moto."""
        least, most = self._settings.latency_ms.get(operation.service, (0.0, 0.0))
        time.sleep(random.uniform(least, most) / 1000)
        if operation.speaks_json:
            clauses = constraints.violations(operation.model, operation.parameters)
            if clauses:
                return _error(400, constraints.error_code(operation.model), constraints.message(clauses))
        text = body.decode(errors="replace") + " ".join(map(str, operation.parameters.values()))
        for stall in self._settings.stalls:
            if stall.operation == str(operation) and stall.text in text:
                time.sleep(stall.seconds)
                return _error(503, "ServiceUnavailable", "The service is temporarily unable to handle the request.")
        return None

    def _follow_up(self, operation: Operation, request: Request, response: Response, request_id: str) -> None:
        if operation.service == "s3" and operation.name in bucket_events.CREATED:
            created = bucket_events.ObjectCreated(
                operation.name,
                operation.region,
                operation.parameters["Bucket"],
                operation.parameters["Key"],
                request_id,
                response.headers["x-amz-id-2"],
                request.remote_addr or "127.0.0.1",
            )
            self._notify(created)
        elif str(operation) == "transcribe.StartTranscriptionJob":
            response.set_data(self._transcription.started(operation, response.get_data()))

    def _notify(self, created: bucket_events.ObjectCreated) -> None:
        url = self._settings.lambda_url
        if url is None:
            return
        for notification in bucket_events.notifications(created):
            self._background.submit(functools.partial(bucket_events.send, notification, url))


def _with_ids(response: Response, operation: Operation, request_id: str) -> Response:
    """Give the response the ids that the service sends, in place of moto's."""
    motos = response.headers.pop("x-amzn-requestid", None)
    if motos is not None and response.status_code >= 300 and not response.is_streamed:
        response.set_data(response.get_data().replace(motos.encode(), request_id.encode()))
    if operation.service == "s3":
        response.headers["x-amz-request-id"] = request_id
        response.headers["x-amz-id-2"] = identifiers.extended_request_id()
    else:
        response.headers["x-amzn-RequestId"] = request_id
    return response


def _error(status: int, code: str, message: str) -> Response:
    return Response(identifiers.json_bytes({"__type": code, "Message": message}), status, content_type=_JSON)


def _forward(request: Request, body: bytes, lambda_url: str) -> Response:
    """Let the local functions answer an Invoke."""
    headers = {name: value for name, value in request.headers if name.lower().startswith("x-amz-")}
    answer = urllib3.request(
        "POST",
        f"{lambda_url}{request.environ['REQUEST_URI']}",
        body=body,
        headers=headers,
        timeout=_LONGEST,
        retries=False,
    )
    return Response(answer.data, answer.status, list(answer.headers.items()))
