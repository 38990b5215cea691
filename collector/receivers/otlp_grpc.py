"""OTLP/gRPC: the services `TraceService`, `LogsService` and `MetricsService`.

Messages are taken as bytes, so that one path reads them whatever protocol brought them. What a refusal means is told as
OTLP asks: clients send again what was answered UNAVAILABLE, and RESOURCE_EXHAUSTED only if a RetryInfo comes with it.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import grpc

from collector.domain.facts import Signal
from collector.receivers.answer import PROTOBUF, accepted, rpc_status
from collector.receivers.body import too_large
from collector.receivers.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.receivers.admission import Admission
    from collector.receivers.authentication import Authentication
    from collector.receivers.counters import Counters
    from collector.receivers.exports import Exports

THREADS = 64  # each waits for its commit: so many exports share one
MOST_SLOW = THREADS // 2  # of them wait for messages that take longer than SLOW_S
SLOW_S = 1.0
MESSAGE_TIMEOUT_S = 30.0
_IDLE_MS = 300_000  # then a connection is closed
_STREAMS = 128  # of a connection; more wait at the client, where they take none of our memory
_METHODS = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}

_logger = logging.getLogger(__name__)


class _Status(NamedTuple):
    """A `grpc.Status`."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


class OtlpService(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc is not typed
    """Answers OK only when what was sent is stored. Without an `authentication` anybody may send."""

    def __init__(
        self,
        exports: Exports,
        *,
        admission: Admission,
        counters: Counters,
        authentication: Authentication | None = None,
        message_timeout_s: float = MESSAGE_TIMEOUT_S,
        most_slow: int = MOST_SLOW,
    ) -> None:
        self._exports = exports
        self.arrivals = _Arrivals(timeout_s=message_timeout_s, most_slow=most_slow)
        self._authentication = authentication
        self._admission = admission
        self._counters = counters
        self._handlers = {
            method: grpc.stream_unary_rpc_method_handler(self._handler(signal)) for method, signal in _METHODS.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        """The method's handler; None for a method that is not there, which gRPC answers with UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def _handler(self, signal: Signal) -> Any:
        def export(messages: Iterator[bytes], context: Any) -> bytes:
            try:
                body = self._receive(messages, context)
                self._authenticate(context, len(body))
                with self._admission.enter() as grant:
                    grant.take(len(body))
                    self._counters.read(len(body), len(body))
                    intake = self._exports.take(signal, body)
            except Refusal as refusal:
                self._counters.refused(signal, refusal.status, refusal.reason)
                context.abort_with_status(_status(refusal))
            except Exception:
                _logger.exception("%s: an export could not be taken", signal.name)
                self._counters.refused(signal, 500, "internal")
                message = "Something went wrong here: the collector's log says what."
                context.abort_with_status(_status(Refusal(500, "internal", message, code=Code.INTERNAL)))
            return accepted(PROTOBUF, signal, intake.rejected, intake.reason)

        return export

    def _receive(self, messages: Iterator[bytes], context: Any) -> bytes:
        with self.arrivals.expect(context) as arrival:
            try:
                return next(messages)
            except StopIteration:
                raise Refusal(400, "cut_short", "The call holds no message.") from None
            except Exception:  # noqa: BLE001  # the client has left, or was told CANCELLED, which it may retry
                if arrival.cut:
                    raise Refusal(503, "too_slow", "The message came too slowly.", code=Code.UNAVAILABLE) from None
                raise Refusal(400, "cut_short", "The client left before its message was there.") from None

    def _authenticate(self, context: Any, size: int) -> None:
        if self._authentication is None:
            return
        key = self._authentication.grpc(context.invocation_metadata())
        if key is not None:
            if size > key.limit(size):
                raise too_large(key.limit(size))
            key.add(size)


class _Arrival:
    """A message that is waited for."""

    def __init__(self, arrivals: _Arrivals, context: Any) -> None:
        self._arrivals = arrivals
        self.context = context
        self.since = time.monotonic()
        self.cut = False

    def __enter__(self) -> Self:
        self._arrivals.waiting.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._arrivals.waiting.discard(self)


class _Arrivals:
    """Ends calls whose message does not come: after a time, or sooner where many threads wait for slow ones."""

    def __init__(self, *, timeout_s: float, most_slow: int) -> None:
        self._timeout_s = timeout_s
        self._most_slow = most_slow
        self.waiting: set[_Arrival] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-grpc-arrivals", daemon=True)

    def expect(self, context: Any) -> _Arrival:
        return _Arrival(self, context)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(SLOW_S / 2):
            now = time.monotonic()
            slow = [arrival for arrival in self.waiting.copy() if now - arrival.since > SLOW_S and not arrival.cut]
            slow.sort(key=lambda arrival: arrival.since, reverse=True)
            for count, arrival in enumerate(slow, 1):
                if count > self._most_slow or now - arrival.since > self._timeout_s:
                    arrival.cut = True
                    arrival.context.cancel()


def _status(refusal: Refusal) -> _Status:
    details = rpc_status(refusal.code, str(refusal), refusal.retry_after_s)
    return _Status(_CODES[refusal.code], str(refusal), (("grpc-status-details-bin", details),))


class GrpcServer:
    """Serves the service on `address`, such as `127.0.0.1:4317`, until it is stopped. Raises OSError if it is taken.

    With TLS if it is given: key and certificates, each in PEM.
    """

    def __init__(
        self, service: OtlpService, address: str, *, max_message_bytes: int, tls: tuple[bytes, bytes] | None = None
    ) -> None:
        self._arrivals = service.arrivals
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="otlp-grpc")
        self._server = grpc.server(
            self._threads,
            handlers=[service],
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                ("grpc.so_reuseport", 0),  # a second server on the port is to fail, not to get half of the clients
            ],
        )
        try:
            if tls is None:
                self.port: int = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, grpc.ssl_server_credentials([tls]))
        except RuntimeError as error:
            raise OSError(f"cannot bind {address}") from error

    def start(self) -> None:
        self._arrivals.start()
        self._server.start()

    def stop(self, timeout_s: float) -> Callable[[], bool]:
        """Takes no more requests. What is returned waits for those that have begun; False: some did not end in time."""
        done = self._server.stop(timeout_s)

        def wait() -> bool:
            ended: bool = done.wait(timeout_s + 1)
            self._arrivals.stop()
            self._threads.shutdown(wait=False, cancel_futures=True)
            return ended

        return wait
