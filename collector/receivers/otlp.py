"""OTLP/HTTP: `POST /v1/traces`, `POST /v1/logs` and `POST /v1/metrics`.

A bare WSGI callable: through Flask the same request costs 141 µs instead of 17.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from collector.domain.facts import Signal
from collector.receivers.answer import JSON, LATER, PROTOBUF, SEND_LATER, accepted, refusal_answer
from collector.receivers.body import BODY, LaterBody, decompress
from collector.receivers.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse

    from collector.domain.intake import Intake
    from collector.receivers.admission import Admission
    from collector.receivers.answer import SendLater
    from collector.receivers.authentication import Authentication
    from collector.receivers.counters import Counters
    from collector.receivers.exports import Exports

PREFIX = "/v1/"
# Bytes of a compressed body that whoever brings it may unpack: they come to 8 MiB at most by gzip, which takes 10 ms.
MOST_AT_ONCE = 8 * 1024
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

    def __call__(self, environ: dict[str, Any], _start_response: StartResponse) -> Iterable[bytes]:
        """Waits for nothing: no thread is held while a body arrives, nor while an export is stored."""
        send: SendLater = environ[SEND_LATER]
        content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        named = _SIGNALS.get(environ["PATH_INFO"])
        try:
            signal = _expected(named, environ, content_type)
            key = self._authentication.http(environ) if self._authentication is not None else None
            grant = self._admission.enter()
        except Exception as error:  # noqa: BLE001  # told below
            # A Refusal's frames would keep all of this in memory until the garbage is collected.
            reason = error.with_traceback(None) if isinstance(error, Refusal) else error
            environ[BODY].finish(lambda: self._refuse(send, named, content_type, reason))
            return LATER
        limit = self._max_body // JSON_SHARE if content_type == JSON else self._max_body
        if key is not None:
            limit = key.limit(limit)
        encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()

        def settle(outcome: Intake | Exception) -> None:
            grant.leave()
            if isinstance(outcome, Exception):
                self._refuse(send, signal, content_type, outcome)
            else:
                answer = accepted(content_type, signal, outcome.rejected, outcome.reason)
                send(200, [("content-type", content_type)], answer)

        def take(data: bytes) -> None:
            try:
                body = decompress(data, encoding, limit, grant) if encoding else data
                self._counters.read(len(data), len(body))
                if key is not None:
                    key.add(len(body))
            except Exception as error:  # noqa: BLE001
                settle(error)
                return
            self._exports.take_later(signal, body, settle, json=content_type == JSON)

        def read(data: bytes | Exception) -> None:
            if isinstance(data, Exception):
                settle(data)
            elif encoding and len(data) > MOST_AT_ONCE:
                self._exports.aside(lambda: take(data))
            else:
                take(data)

        LaterBody(environ, limit, grant, read).read()
        return LATER

    def _refuse(self, send: SendLater, signal: Signal | None, content_type: str, error: Exception) -> None:
        if not isinstance(error, Refusal):
            _logger.error("an export could not be taken", exc_info=error)
            text = "Something went wrong here: the collector's log says what."
            error = Refusal(500, "internal", text, code=Code.INTERNAL)
        self._counters.refused(signal, error.status, error.reason)
        send(*refusal_answer(content_type, error))


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
