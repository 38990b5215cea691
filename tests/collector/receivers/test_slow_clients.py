"""Clients that hang in their body or send a byte now and then keep nobody else out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.collector.receivers import exports
from tests.collector.receivers.conftest import Receiving
from tests.collector.receivers.test_connections import HEAD, raw, wait_until

LENGTH = b"Content-Length: 1000\r\n"
EXPECT = b"Expect: 100-continue\r\n"


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(receiving: Receiving, clients: ExitStack, headers: bytes = LENGTH, body: bytes = b"\n\x05") -> socket.socket:
    client = clients.enter_context(raw(receiving))
    client.sendall(HEAD + headers + b"\r\n")
    if EXPECT in headers:
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
    client.sendall(body)
    return client


def tick() -> None:
    """The kernel's clock goes on, which may do so every 4 ms only."""
    threading.Event().wait(0.1)


def answer(client: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    read = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(4096):
            read += piece
    return read


def test_every_thread_held_by_a_slow_client_is_given_back(
    receive: Callable[..., Receiving], clients: ExitStack
) -> None:
    """Where as many hang in their body as there are threads, most are told to come again, and others are served."""
    receiving = receive(max_requests=16, most_slow=3)
    slow = [begin(receiving, clients, LENGTH + (EXPECT if number % 2 else b"")) for number in range(16)]
    wait_until(lambda: receiving.admission.requests == 16)
    assert 429 == receiving.send(exports.traces()).status

    patience = receiving.server.patience
    wait_until(lambda: receiving.counters.refusals["too_slow"] == patience.cut_bodies >= 13)
    assert 200 == receiving.send(exports.traces()).status
    told = [answer(client) for client in slow[:10]]
    assert all(b"HTTP/1.1 503 " in text and b"retry-after: 1\r\n" in text for text in told)


def test_what_is_promised_takes_no_room(receive: Callable[..., Receiving], clients: ExitStack) -> None:
    """Clients that announce the largest bodies and send nothing do not keep others from sending."""
    receiving = receive(max_body=1_000_000, max_bytes=4_000_000)
    for headers in (b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n"):
        for _ in range(5):
            begin(receiving, clients, headers, b"")
    wait_until(lambda: receiving.admission.requests == 10)

    assert 200 == receiving.send(exports.traces()).status


def test_slow_bodies_share_the_room(receive: Callable[..., Receiving], clients: ExitStack) -> None:
    """Clients that send nearly all of large bodies and then stop are given up where they take more than their part."""
    receiving = receive(max_body=1_000_000, max_bytes=4_000_000)
    large = [begin(receiving, clients, b"Content-Length: 900000\r\n", bytes(890_000)) for _ in range(4)]
    wait_until(lambda: receiving.counters.refusals["too_slow"] >= 1)

    assert 200 == receiving.send(exports.traces(1, payload="x" * 900_000)).status
    assert answer(large[0]).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("headers", [LENGTH, LENGTH + EXPECT, b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("trickles", [False, True], ids=["hangs", "trickles"])
def test_a_body_has_a_deadline(
    receive: Callable[..., Receiving], clients: ExitStack, headers: bytes, *, trickles: bool
) -> None:
    """After it the client is told to come again, what came of the body is not stored, and no thread is left behind."""
    receiving = receive(body_timeout_s=1.5)
    chunked = b"chunked" in headers
    client = begin(receiving, clients, headers, b"2\r\n\n\x00\r\n" if chunked else b"\n\x00")
    stopped = threading.Event()

    def trickle() -> None:
        while trickles and not stopped.wait(0.1):
            with suppress(OSError):
                client.sendall(b"2\r\n\n\x00\r\n" if chunked else b"\n\x00")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        text = answer(client)
    finally:
        stopped.set()
        thread.join()

    assert text.startswith(b"HTTP/1.1 503 ")
    assert {"too_slow": 1} == receiving.counters.refusals
    assert [] == receiving.store.facts
    assert (0, 0) == (receiving.admission.requests, receiving.admission.bytes)


def test_who_is_idle_or_waits_for_its_answer_is_not_slow(receive: Callable[..., Receiving], clients: ExitStack) -> None:
    """Beside a slow client on the same address, a later one whose commit takes long and one that is idle are left."""
    receiving = receive(body_timeout_s=1.5)
    receiving.store.open.clear()
    body = exports.traces()
    whole = f"Content-Length: {len(body)}\r\n".encode()
    idle = begin(receiving, clients, whole, body)
    wait_until(lambda: receiving.admission.requests == 1)
    tick()
    receiving.store.open.set()
    assert idle.recv(4096).startswith(b"HTTP/1.1 200 ")
    receiving.store.open.clear()
    slow = begin(receiving, clients)
    wait_until(lambda: receiving.admission.requests == 1)
    tick()
    waiting = begin(receiving, clients, whole, body)
    assert answer(slow).startswith(b"HTTP/1.1 503 ")
    receiving.store.open.set()

    assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")
    idle.sendall(HEAD + whole + b"\r\n" + body)
    assert idle.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the kernel does not tell of connections")
def test_idle_connections_go_when_nearly_all_are_taken(
    receive: Callable[..., Receiving], clients: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where clients open connections and send nothing, those idle for longest are closed, so that others get in."""
    monkeypatch.setattr("collector.app.patience.IDLE_S", 0.2)
    monkeypatch.setattr("collector.app.patience.CONNECTIONS_EVERY_S", 0.2)
    receiving = receive(max_connections=32)
    idle = [clients.enter_context(raw(receiving)) for _ in range(64)]

    assert 200 == receiving.send(exports.traces()).status
    assert b"" == answer(idle[0])
    deadline = time.monotonic() + 20
    while receiving.server.patience.cut_idle < 64 + 1 - 32:  # counted after it is done
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_slow_clients_hold_no_thread(receive: Callable[..., Receiving], clients: ExitStack) -> None:
    """However many hang in their body, no thread waits for them, and others are served beside them."""
    receiving = receive(max_requests=100, most_slow=100)
    assert 200 == receiving.send(exports.traces()).status
    threads = threading.active_count()
    for _ in range(99):
        begin(receiving, clients)
    wait_until(lambda: receiving.admission.requests == 99)

    assert 200 == receiving.send(exports.traces()).status
    assert threads == threading.active_count()
