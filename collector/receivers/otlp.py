"""OTLP/HTTP: `POST /v1/traces`, `POST /v1/logs` and `POST /v1/metrics`.

A bare WSGI callable: through Flask the same request costs 141 µs instead of 17.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from collector.domain.facts import Signal
from collector.receivers.answer import JSON, LATER, PROTOBUF, SEND_LATER, accepted, refused, respond
from collector.receivers.body import decompress, read_body
from collector.receivers.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse

    from collector.domain.intake import Intake
    from collector.receivers.admission import Admission, Grant
    from collector.receivers.answer import SendLater
    from collector.receivers.authentication import Authentication
    from collector.receivers.counters import Counters
    from collector.receivers.exports import Exports
    from collector.receivers.keyring import Key

PREFIX = "/v1/"
JSON_SHARE = 4  # JSON may have a quarter of the size: it takes several times the memory, and ten times the time
_SIGNALS = {"/v1/traces": Signal.TRACES, "/v1/logs": Signal.LOGS, "/v1/metrics": Signal.METRICS}

_logger = logging.getLogger(__name__)


class OtlpReceiver:
    """Answers 200 only when what was sent is stored. Without an `authentication` anybody may send."""

    def __init__(
        self,
        exports: Exports,
        *,
        admission: Admission,
        counters: Counters,
        max_body_bytes: int,
        authentication: Authentication | None = None,
    ) -> None:
        self._exports = exports
        self._authentication = authentication
        self._admission = admission
        self._counters = counters
        self._max_body = max_body_bytes

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        named = _SIGNALS.get(environ["PATH_INFO"])
        try:
            signal = _expected(named, environ, content_type)
            key = self._authentication.http(environ) if self._authentication is not None else None
            grant = self._admission.enter()
        except Exception as error:  # noqa: BLE001  # told below
            return self._refused(start_response, named, content_type, error)
        try:
            body = self._read(environ, content_type, key, grant)
        except Exception as error:  # noqa: BLE001
            grant.leave()
            return self._refused(start_response, signal, content_type, error)
        # The thread is free for others from here on; whoever commits the export answers.
        send: SendLater = environ[SEND_LATER]

        def settle(outcome: Intake | Exception) -> None:
            grant.leave()
            if isinstance(outcome, Exception):
                send(lambda respond_to: self._refused(respond_to, signal, content_type, outcome))
            else:
                answer = accepted(content_type, signal, outcome.rejected, outcome.reason)
                send(lambda respond_to: respond(respond_to, 200, content_type, answer))

        self._exports.take_later(signal, body, settle, json=content_type == JSON)
        return LATER

    def _read(self, environ: Mapping[str, Any], content_type: str, key: Key | None, grant: Grant) -> bytes:
        limit = self._max_body // JSON_SHARE if content_type == JSON else self._max_body
        if key is not None:
            limit = key.limit(limit)
        data = read_body(environ, limit, grant)
        body = decompress(data, environ.get("HTTP_CONTENT_ENCODING", "").strip().lower(), limit, grant)
        self._counters.read(len(data), len(body))
        if key is not None:
            key.add(len(body))
        return body

    def _refused(
        self, start_response: StartResponse, signal: Signal | None, content_type: str, error: Exception
    ) -> Iterable[bytes]:
        if not isinstance(error, Refusal):
            _logger.error("an export could not be taken", exc_info=error)
            text = "Something went wrong here: the collector's log says what."
            error = Refusal(500, "internal", text, code=Code.INTERNAL)
        self._counters.refused(signal, error.status, error.reason)
        return refused(start_response, content_type, error)


def _expected(signal: Signal | None, environ: Mapping[str, Any], content_type: str) -> Signal:
    if signal is None:
        raise _unknown()
    if environ["REQUEST_METHOD"] != "POST":
        raise Refusal(405, "method", "Exports are sent by POST.", code=Code.UNIMPLEMENTED, allow="POST")
    if content_type not in (PROTOBUF, JSON):
        raise Refusal(415, "content_type", f"Send the export as {PROTOBUF} or {JSON}, and say so in Content-Type.")
    return signal


def _unknown() -> Refusal:
    message = "Nothing is received here. Traces go to /v1/traces, logs to /v1/logs, metrics to /v1/metrics."
    return Refusal(404, "unknown_path", message, code=Code.NOT_FOUND)
