"""Posts OTLP requests: what is sent where, and what the answers mean."""

from __future__ import annotations

import base64
import zlib
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from clew.connection import Connection, Response
from clew.guard import describe, pass_on_signal
from clew.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext

    from clew.settings import Destination

# zlib's level, window and memory for bodies of up to so many bytes. What it has by default takes 25 to 50 µs to set
# up, most of the time for an export of a few spans; these take under 9 µs, and serve such bodies as well. Level 1 turns
# 4 kB into 1,181 bytes in 20 µs, level 4 into 1,155 in 26; more saves next to nothing.
_GZIP = ((4096, 4, 28, 5), (16_384, 1, 29, 6), (1 << 62, 1, 31, 8))
_MIN_GZIP = 200


class Outcome:
    """How an export ended. `error` is None if the collector has it all.

    `pause`: the collector is in trouble, leave it alone for a while.
    """

    __slots__ = ("error", "pause", "rejected_logs", "rejected_spans", "retry_after")  # no NamedTuple: 0.1 ms of INIT

    def __init__(
        self,
        error: str | None = None,
        pause: bool = False,
        retry_after: float = 0.0,
        rejected_spans: int = 0,
        rejected_logs: int = 0,
    ) -> None:
        self.error = error
        self.pause = pause
        self.retry_after = retry_after
        self.rejected_spans = rejected_spans
        self.rejected_logs = rejected_logs


class Sender:
    """Sends to the traces' and the logs' destination, over one connection if both are at one place."""

    def __init__(self, traces: Destination, logs: Destination) -> None:
        self._connections: dict[tuple[object, ...], Connection] = {}
        self._traces = _Target(traces, self._connections)
        self._logs = _Target(logs, self._connections)

    def send(self, traces: bytes | None, logs: bytes | None, deadline: float) -> Outcome:
        """Send what is not None. `deadline` is a `time.monotonic()` second; what is late counts as failed."""
        jobs: list[tuple[_Target, bytes]] = []
        if traces is not None:
            jobs.append((self._traces, traces))
        if logs is not None:
            jobs.append((self._logs, logs))
        if len(jobs) == 2 and self._traces.connection is not self._logs.connection:
            return _worst([self._post([job], deadline) for job in jobs])
        return self._post(jobs, deadline) if jobs else Outcome()

    def _post(self, jobs: Sequence[tuple[_Target, bytes]], deadline: float) -> Outcome:
        connection = jobs[0][0].connection
        try:
            responses = connection.exchange([target.request(body) for target, body in jobs], deadline)
        except OSError as error:
            pass_on_signal(error)
            return Outcome(f"{connection.host}:{connection.port}: {describe(error)}", pause=True)
        return _worst([_judge(target, response) for (target, _), response in zip(jobs, responses, strict=True)])

    def prepare(self) -> None:
        """Do in INIT what an export before the response has no time for. Raises OSError, also ssl's."""
        for connection in self._connections.values():
            connection.prepare()

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def abandon(self) -> None:
        for connection in self._connections.values():
            connection.abandon()


class _Target:
    """One destination with all of its request that never changes."""

    def __init__(self, destination: Destination, connections: dict[tuple[object, ...], Connection]) -> None:
        parts = urlsplit(destination.url)
        secure = parts.scheme == "https"
        # As it is said on stderr: neither the user and password nor a key in the query.
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self.gzip = destination.gzip
        host = parts.hostname or "localhost"
        port = parts.port or (443 if secure else 80)
        files = (destination.certificate, destination.client_certificate, destination.client_key)
        place = (secure, host, port, files if secure else None)
        connection = connections.get(place)
        if connection is None:
            connection = connections[place] = Connection(host, port, partial(_tls, *files) if secure else None)
        self.connection = connection
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "host": parts.netloc.rpartition("@")[2],
            "user-agent": f"clew/{VERSION}",
            "content-type": "application/x-protobuf",
        }
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        headers.update(destination.headers)
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._head = "\r\n".join(lines).encode() + b"\r\n"

    def request(self, body: bytes) -> bytes:
        encoding = b""
        if self.gzip and len(body) >= _MIN_GZIP:
            size = len(body)
            _, level, window, memory = _GZIP[0 if size <= _GZIP[0][0] else 1 if size <= _GZIP[1][0] else 2]
            compressor = zlib.compressobj(level, zlib.DEFLATED, window, memory)
            body = compressor.compress(body) + compressor.flush()
            encoding = b"content-encoding: gzip\r\n"
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (self._head, encoding, len(body), body)


def _tls(certificate: str | None, client_certificate: str | None, client_key: str | None) -> SSLContext:
    """Loads the trusted certificates: about 40 ms, which no response is to wait for (see `Sender.prepare`)."""
    import ssl  # noqa: PLC0415  # only for https: 5 ms of INIT

    context = ssl.create_default_context(cafile=certificate)
    if client_certificate is not None:
        context.load_cert_chain(client_certificate, client_key)
    return context


def _judge(target: _Target, response: Response) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return _partial_success(target, response.body)
    text = f"{target.url}: HTTP {status}"
    if status in {400, 413, 415, 422}:
        return Outcome(text)  # this request is at fault; the next may be fine
    retry_after = response.headers.get("retry-after", "")
    return Outcome(text, pause=True, retry_after=float(retry_after) if retry_after.isdecimal() else 0.0)


def _partial_success(target: _Target, body: bytes) -> Outcome:
    """Reads ExportTracePartialSuccess or its twin for logs: field 1 holds {1: rejected, 2: message}."""
    if len(body) < 2 or body[0] != 0x0A:
        return Outcome()
    message = body[2:] if body[1] < 0x80 else body[3:]
    if len(message) < 2 or message[0] != 0x08:
        return Outcome()
    rejected = shift = 0
    for byte in message[1:]:
        rejected |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if not rejected:
        return Outcome()
    error = f"{target.url}: the collector rejected {rejected} items"
    if target.url.endswith("/v1/logs"):
        return Outcome(error, rejected_logs=rejected)
    return Outcome(error, rejected_spans=rejected)


def _worst(outcomes: list[Outcome]) -> Outcome:
    """One outcome for several requests: any error, any wish to be left alone, all that was rejected."""
    if len(outcomes) == 1:
        return outcomes[0]
    return Outcome(
        next((outcome.error for outcome in outcomes if outcome.error is not None), None),
        any(outcome.pause for outcome in outcomes),
        max(outcome.retry_after for outcome in outcomes),
        sum(outcome.rejected_spans for outcome in outcomes),
        sum(outcome.rejected_logs for outcome in outcomes),
    )
