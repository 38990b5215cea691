"""OTLP/HTTP: `POST /v1/traces` and `POST /v1/logs`.

A bare WSGI callable: through Flask the same request costs 141 µs instead of 17.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from collector.domain.errors import MalformedExport
from collector.domain.facts import Facts, Signal
from collector.domain.intake import Intake, read_logs, read_traces
from collector.receivers.answer import JSON, PROTOBUF, accepted, refused, respond
from collector.receivers.body import decompress, read_body
from collector.receivers.crowding import refuse_crowded
from collector.receivers.otlp_json import logs_to_protobuf, traces_to_protobuf
from collector.receivers.refusal import Code, Refusal
from collector.store.errors import Overloaded, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse

    from collector.domain.prices import PriceTable
    from collector.receivers.admission import Admission
    from collector.receivers.counters import Counters

PREFIX = "/v1/"
_LARGE = 64 * 1024
JSON_SHARE = 4  # JSON may have a quarter of the size: it takes several times the memory, and ten times the time
_SIGNALS = {"/v1/traces": Signal.TRACES, "/v1/logs": Signal.LOGS}

_logger = logging.getLogger(__name__)


class Store(Protocol):
    """Where facts go; `collector.store.writer.Writer` is one."""

    def submit(self, facts: Facts, size: int) -> None:
        """Returns once the facts are durable. `size` is about the bytes they hold.

        Raises Overloaded when too much is waiting, StoreUnavailable when the database failed, another StoreError when
        these facts can never be stored.
        """


class OtlpReceiver:
    """Answers 200 only when what was sent is stored."""

    def __init__(
        self,
        store: Store,
        *,
        admission: Admission,
        counters: Counters,
        max_body_bytes: int,
        prices: PriceTable | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._admission = admission
        self._counters = counters
        self._max_body = max_body_bytes
        self._prices = prices
        self._now_ms = now_ms
        self._large = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        signal = _SIGNALS.get(environ["PATH_INFO"])
        try:
            signal = _expected(signal, environ, content_type)
            with self._admission.enter() as grant:
                limit = self._max_body // JSON_SHARE if content_type == JSON else self._max_body
                data = read_body(environ, limit, grant)
                encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
                body = decompress(data, encoding, limit, grant)
                self._counters.read(len(data), len(body))
                # Parsing takes many times the body's size for a moment. Large ones do so one after the other, which
                # costs no time: Python runs one thread at a time anyway.
                with self._large if len(body) > _LARGE else nullcontext():
                    intake = self._read(signal, content_type, body)
                if intake.facts.export.items:
                    self._submit(intake)
        except Refusal as refusal:
            self._counters.refused(signal, refusal.status, refusal.reason)
            return refused(start_response, content_type, refusal)
        except Exception:
            _logger.exception("%s: an export could not be taken", environ["PATH_INFO"])
            self._counters.refused(signal, 500, "internal")
            fault = Refusal(
                500, "internal", "Something went wrong here: the collector's log says what.", code=Code.INTERNAL
            )
            return refused(start_response, content_type, fault)
        self._counters.took(signal, stored=intake.facts.export.items, rejected=intake.rejected)
        answer = accepted(content_type, signal, intake.rejected, intake.reason)
        return respond(start_response, 200, content_type, answer)

    def _read(self, signal: Signal, content_type: str, body: bytes) -> Intake:
        try:
            if signal == Signal.TRACES:
                if content_type == JSON:
                    body = traces_to_protobuf(body)
                refuse_crowded(body)
                return read_traces(body, received_ms=self._now_ms(), prices=self._prices)
            if content_type == JSON:
                body = logs_to_protobuf(body)
            refuse_crowded(body)
            return read_logs(body, received_ms=self._now_ms())
        except MalformedExport as error:
            message = str(error)
            raise Refusal(400, "malformed", f"{message[:1].upper()}{message[1:]}.") from error

    def _submit(self, intake: Intake) -> None:
        try:
            self._store.submit(intake.facts, intake.facts.size)
        except Overloaded as error:
            raise Refusal(
                429,
                "overloaded",
                "More arrives than can be stored: send it again later.",
                code=Code.RESOURCE_EXHAUSTED,
                retry_after_s=error.retry_after_s,
            ) from error
        except StoreUnavailable as error:
            raise Refusal(
                503, "store_unavailable", str(error), code=Code.UNAVAILABLE, retry_after_s=error.retry_after_s
            ) from error
        except StoreError as error:
            raise Refusal(400, "unstorable", str(error)) from error


def _expected(signal: Signal | None, environ: Mapping[str, Any], content_type: str) -> Signal:
    if signal is None:
        raise _unknown(environ["PATH_INFO"])
    if environ["REQUEST_METHOD"] != "POST":
        raise Refusal(405, "method", "Exports are sent by POST.", code=Code.UNIMPLEMENTED, allow="POST")
    if content_type not in (PROTOBUF, JSON):
        raise Refusal(415, "content_type", f"Send the export as {PROTOBUF} or {JSON}, and say so in Content-Type.")
    return signal


def _unknown(path: str) -> Refusal:
    if path == "/v1/metrics":
        message = "Metrics are not taken: set OTEL_METRICS_EXPORTER=none. Traces go to /v1/traces, logs to /v1/logs."
    else:
        message = "Nothing is received here. Traces go to /v1/traces, logs to /v1/logs."
    return Refusal(404, "unknown_path", message, code=Code.NOT_FOUND)
