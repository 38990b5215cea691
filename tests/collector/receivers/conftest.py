"""A receiver behind the real server on loopback, with a store that does as it is told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from collector.app.process import receives, route
from collector.app.prometheus import exposition
from collector.app.server import Server, bind
from collector.domain.facts import Facts
from collector.receivers.admission import Admission
from collector.receivers.authentication import Authentication
from collector.receivers.counters import Counters
from collector.receivers.exports import Exports
from collector.receivers.measures import receiver_measures
from collector.receivers.otlp import OtlpReceiver
from collector.receivers.status import StatusPages

MAX_BODY = 100_000


class FakeStore:
    """Keeps what it is given. `error` is told instead; `open` cleared holds all until it is set."""

    def __init__(self) -> None:
        self.facts: list[Facts] = []
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.alive = self.running = True

    def hand_in(self, facts: Facts, size: int, settle: Callable[[Exception | None], None]) -> None:
        assert size > 0
        if self.open.is_set():
            self._store(facts, settle)
        else:
            threading.Thread(target=self._wait, args=(facts, settle)).start()

    def hand_over(self, read: Callable[[], Facts | None], settle: Callable[[Exception | None], None]) -> None:
        facts = read()
        if facts is not None:
            self.hand_in(facts, facts.size, settle)

    def _wait(self, facts: Facts, settle: Callable[[Exception | None], None]) -> None:
        assert self.open.wait(30)
        self._store(facts, settle)

    def _store(self, facts: Facts, settle: Callable[[Exception | None], None]) -> None:
        if self.error is None:
            self.facts.append(facts)
        settle(self.error)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiving:
    """A collector without a database."""

    port: int
    store: FakeStore
    admission: Admission
    counters: Counters
    server: Server
    pages: StatusPages
    exports: Exports

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def send(
        self,
        body: bytes = b"",
        *,
        path: str = "/v1/traces",
        method: str = "POST",
        content_type: str | None = "application/x-protobuf",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        with closing(self.connect()) as connection:
            return request(connection, body, path=path, method=method, content_type=content_type, headers=headers)


def request(
    connection: http.client.HTTPConnection,
    body: bytes = b"",
    *,
    path: str = "/v1/traces",
    method: str = "POST",
    content_type: str | None = "application/x-protobuf",
    headers: dict[str, str] | None = None,
) -> Answer:
    sent = dict(headers or {})
    if content_type is not None:
        sent["content-type"] = content_type
    connection.request(method, path, body or None, sent)
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiving]]:
    """Starts a collector with the given limits; it ends with the test."""
    servers: list[tuple[Server, FakeStore]] = []

    def start(
        *,
        max_body: int = MAX_BODY,
        max_requests: int = 16,
        max_bytes: int = 1_000_000,
        authentication: Authentication | None = None,
        max_connections: int = 256,
        most_slow: int | None = None,
        body_timeout_s: float = 30,
    ) -> Receiving:
        store = FakeStore()
        admission, counters = Admission(max_requests=max_requests, max_bytes=max_bytes), Counters()
        exports = Exports(store, counters=counters)
        receiver = OtlpReceiver(
            exports, admission=admission, counters=counters, max_body_bytes=max_body, authentication=authentication
        )
        metrics = exposition(receiver_measures(admission, counters))
        pages = StatusPages(store, metrics=metrics, version="1.2.3")
        server = Server(
            route(receiver, pages, pages),
            bind("127.0.0.1", 0),
            threads=max_requests + 8,
            max_connections=max_connections,
            never_waits=receives,
            body_timeout_s=body_timeout_s,
            most_slow=most_slow,
            most_slow_bytes=max_bytes // 2,
        )
        server.start()
        servers.append((server, store))
        return Receiving(server.port, store, admission, counters, server, pages, exports)

    yield start
    for server, store in servers:
        store.open.set()
        assert server.stop(20)


@pytest.fixture
def receiving(receive: Callable[..., Receiving]) -> Receiving:
    """A collector with small limits."""
    return receive()
