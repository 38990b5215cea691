"""How requests to services leave this machine: to checked addresses, within a deadline, without redirects.

`Wire` is an httpx2 transport, so that clients which take one (PagerDuty's) are bound by the same rules. It turns what
goes wrong into the errors of `collector.alerts.outcomes`, which no client retries on its own: retries are the outbox's.

Nothing of a request is logged: addresses of webhooks are secrets, and so are headers.
"""

from __future__ import annotations

import email.utils
import json
import logging
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2
import httpx2

from collector.alerts.networks import Networks, describe
from collector.alerts.outcomes import Refused, TryAgain
from collector.alerts.text import one_line

TIMEOUT_S = 10.0  # to connect, and of silence
DEADLINE_S = 30.0  # of all that is sent for one message
MAX_ANSWER_BYTES = 64 * 1024
MAX_PAUSE_S = 3_600.0  # that a service may ask for
_RETRIED = frozenset({408, 425, 429})

for _name in ("httpx2", "httpcore2", "slack_sdk", "pagerduty", "requests", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)  # they log addresses and headers


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is at most MAX_ANSWER_BYTES long. `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> dict[str, Any]:
        """The object that the body is; an empty one where it is none."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


class Wire(httpx2.BaseTransport):
    """For one message: its deadline runs from when it is made. To be closed."""

    def __init__(self, networks: Networks, *, deadline_s: float = DEADLINE_S) -> None:
        self.networks = networks
        self._backend = _Backend(networks, time.monotonic() + deadline_s)
        self._pool = httpcore2.ConnectionPool(ssl_context=ssl_context(), network_backend=self._backend)

    @property
    def left_s(self) -> float:
        """Until the deadline."""
        return self._backend.left_s

    def send(
        self,
        method: str,
        url: str,
        *,
        json_body: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What the service answers, if it is a success. Raises TryAgain, Refused, Blocked."""
        answer = self.ask(method, url, json_body=json_body, body=body, headers=headers)
        raise_for(answer, host_of(url))
        return answer

    def ask(
        self,
        method: str,
        url: str,
        *,
        json_body: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What the service answers, whatever it is. Raises TryAgain, Blocked."""
        content = body if json_body is None else json.dumps(json_body, ensure_ascii=False).encode("utf-8", "replace")
        all_headers = {"User-Agent": "Clew", "Accept-Encoding": "identity", **(headers or {})}
        if content is not None:
            all_headers.setdefault("Content-Type", "application/json; charset=utf-8")
        try:
            request = httpx2.Request(method, url, content=content, headers=all_headers)
        except (httpx2.InvalidURL, ValueError):
            raise Refused("The channel's address or key cannot be sent: it is no address, or not ASCII.") from None
        return self._exchange(request)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """For clients of services: a success, or the errors of `send`."""
        answer = self._exchange(request)
        raise_for(answer, request.url.host)
        return httpx2.Response(answer.status, headers=dict(answer.headers), text=answer.text)

    def close(self) -> None:
        self._pool.close()

    def _exchange(self, request: httpx2.Request) -> Answer:
        url = request.url
        self._backend.plain = url.scheme == "http"
        core = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.read(),
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)},
        )
        try:
            response = self._pool.handle_request(core)
            try:
                text = _read(response)
            finally:
                response.close()
        except httpcore2.TimeoutException:
            raise TryAgain(f"{url.host} did not answer in time.") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise TryAgain(f"The connection to {url.host} failed: {describe(error)}.") from None
        except httpcore2.UnsupportedProtocol:
            raise Refused(f"{url.scheme or 'This'} is no protocol for channels: addresses begin with https.") from None
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        headers.pop("content-encoding", None)  # none was asked for, and nothing is unpacked
        return Answer(response.status, headers, text)


class _Backend(httpcore2.NetworkBackend):
    """Connects to checked addresses alone, until the deadline."""

    def __init__(self, networks: Networks, deadline: float) -> None:
        self._networks = networks
        self._deadline = deadline
        self.plain = False  # without TLS, which only internal addresses get

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()

    def within(self, timeout: float | None) -> float:
        left = self.left_s
        if left <= 0:
            raise httpcore2.ReadTimeout
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  # the interface's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        addresses = self._networks.resolve(host, port)
        if self.plain and not all(self._networks.allows(address) for address in addresses):
            raise Refused(f"{host} is not sent to without encryption: its address must begin with https.")
        failure: Exception | None = None
        for address in addresses:
            try:
                stream = httpcore2.SyncBackend().connect_tcp(address, port, self.within(timeout))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self)
        why = describe(failure) if isinstance(failure, httpcore2.ConnectError) else "it took too long"
        raise TryAgain(f"Cannot connect to {host} port {port}: {why}.")


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step ends by the deadline, however slowly its other side goes."""

    def __init__(self, stream: httpcore2.NetworkStream, backend: _Backend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.within(timeout))
        return _Stream(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def raise_for(answer: Answer, host: str, said: str | None = None) -> None:
    """Raises what an answer that is no success means; `said` is what the service itself gives as the reason."""
    status = answer.status
    if 200 <= status < 300:
        return
    because = f": {said or excerpt(answer.text)}" if said or answer.text.strip() else ""
    reason = f"{host} answered {status}{because}"
    if status in _RETRIED or status >= 500:
        raise TryAgain(reason, after_s=retry_after_s(answer.headers), whole_channel=status == 429)
    if 300 <= status < 400:
        raise Refused(f"{host} answered {status}, a redirect, and those are not followed.")
    raise Refused(reason)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value), MAX_PAUSE_S)
    try:
        until = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(until - time.time(), 0.0), MAX_PAUSE_S)


def excerpt(text: str) -> str:
    """What a service said, as one line. It is cut where its secrets are masked (`sending.deliver`)."""
    return one_line(text, MAX_ANSWER_BYTES)


def host_of(url: str) -> str:
    return httpx2.URL(url).host


@cache
def ssl_context() -> ssl.SSLContext:
    """Trusts what this machine trusts; SSL_CERT_FILE names other authorities, as for all programs that use OpenSSL."""
    return ssl.create_default_context()


def _read(response: httpcore2.Response) -> str:
    parts, size = [], 0
    for part in response.iter_stream():
        parts.append(part)
        size += len(part)
        if size >= MAX_ANSWER_BYTES:
            break
    return b"".join(parts)[:MAX_ANSWER_BYTES].decode("utf-8", "replace")
