"""Clients that are slow, that leave, that stay, and many at once."""

from __future__ import annotations

import gzip
import random
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from tests.collector.receivers import exports
from tests.collector.receivers.conftest import Receiving, request

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


def raw(receiving: Receiving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", receiving.port), timeout=20)


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits up to 20 s for the condition."""
    tick = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come to pass")


def test_a_chunked_body_is_taken(receiving: Receiving) -> None:
    """A body may come in chunks, without a stated length."""
    body = exports.traces()
    with closing(receiving.connect()) as connection:
        chunks = iter([body[:10], body[10:11], body[11:]])
        headers = {"content-type": "application/x-protobuf"}
        connection.request("POST", "/v1/traces", chunks, headers, encode_chunked=True)
        assert 200 == connection.getresponse().status

    assert body == receiving.store.facts[0].export.body


def test_a_chunked_body_is_bounded(receiving: Receiving) -> None:
    """A chunked body that does not end is answered 413 in the end, and takes no memory meanwhile."""
    with raw(receiving) as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"F4240\r\n" + bytes(1_000_000) + b"\r\n"
        with suppress(OSError):  # at some point the server hangs up, as it should
            for _ in range(1_000):
                client.sendall(chunk)
    wait_until(lambda: receiving.counters.requests["traces", 413] == 1)


def test_a_body_without_a_length_is_411(receiving: Receiving) -> None:
    """A POST that says nothing of its body is asked to."""
    with raw(receiving) as client:
        client.sendall(HEAD + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 411 ")


def test_a_length_that_is_no_number_is_400(receiving: Receiving) -> None:
    """A Content-Length that is no number is refused."""
    with raw(receiving) as client:
        client.sendall(HEAD + b"Content-Length: 1e3\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_leaves_in_its_body_is_counted_and_nothing_is_stored(receiving: Receiving) -> None:
    """A body that ends before its stated length stores nothing, and the server goes on."""
    body = exports.traces()
    with raw(receiving) as client:
        client.sendall(HEAD + f"Content-Length: {len(body) + 100}\r\n\r\n".encode() + body)
    wait_until(lambda: receiving.counters.refusals["cut_short"] == 1)

    assert [] == receiving.store.facts
    assert (0, 0) == (receiving.admission.requests, receiving.admission.bytes)
    assert 200 == receiving.send(body).status


def test_a_client_that_leaves_before_its_answer_is_no_fault(receiving: Receiving) -> None:
    """An export whose client is gone when it is stored is stored all the same."""
    receiving.store.open.clear()
    body = exports.traces()
    with raw(receiving) as client:
        client.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: receiving.admission.requests == 1)
    receiving.store.open.set()
    wait_until(lambda: len(receiving.store.facts) == 1)

    assert 200 == receiving.send(body).status


def test_a_slow_client_holds_up_nobody(receiving: Receiving) -> None:
    """While one client sends its body byte by byte others are served, and in the end so is it."""
    body = exports.traces()
    with raw(receiving) as client:
        client.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        wait_until(lambda: receiving.admission.requests == 1)
        assert 200 == receiving.send(exports.traces()).status
        for byte in body[5:]:
            client.sendall(bytes([byte]))
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")

    assert 2 == len(receiving.store.facts)


def test_a_connection_is_kept_alive(receiving: Receiving) -> None:
    """Many exports go over one connection, whatever their answers."""
    with closing(receiving.connect()) as connection:
        assert 200 == request(connection, exports.traces()).status
        sock = connection.sock
        assert 400 == request(connection, b"not protobuf").status
        assert 415 == request(connection, exports.traces(), content_type="text/plain").status
        assert 404 == request(connection, exports.traces(), path="/v1/nothing").status
        body = gzip.compress(exports.traces())
        assert 200 == request(connection, body, headers={"content-encoding": "gzip"}).status
        assert sock is connection.sock

    assert 2 == len(receiving.store.facts)


def test_what_takes_long_to_read_holds_up_nobody(receive: Callable[..., Receiving]) -> None:
    """While large exports, or what may become large, wait for the thread that reads them, small ones are taken."""
    receiving = receive(max_body=10_000_000, max_bytes=50_000_000)
    go_on = threading.Event()
    receiving.exports.aside(lambda: go_on.wait(20))
    large = exports.traces(payload="x" * 100_000)
    packed = gzip.compress(exports.traces(payload=random.Random(1).randbytes(20_000).hex()))
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(receiving.send, large),
            pool.submit(receiving.send, packed, headers={"content-encoding": "gzip"}),
        ]
        wait_until(lambda: receiving.admission.requests == 2)
        assert 200 == receiving.send(exports.traces()).status
        assert 1 == len(receiving.store.facts)
        go_on.set()
        assert [200, 200] == [answer.result().status for answer in waiting]

    assert 3 == len(receiving.store.facts)


def test_who_is_refused_may_finish_a_small_body(receiving: Receiving) -> None:
    """An answer that needs no body waits for one all the same, so that the connection outlives it."""
    body = exports.traces()
    with raw(receiving) as client:
        for _ in range(3):
            client.sendall(b"POST /v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
            threading.Event().wait(0.1)
            client.sendall(body)
            assert client.recv(4_096).startswith(b"HTTP/1.1 404 ")


def test_many_clients_at_once(receive: Callable[..., Receiving]) -> None:
    """Clients that send at the same time are all answered, each export once."""
    receiving = receive(max_requests=64)

    def send_ten(_client: int) -> list[int]:
        with closing(receiving.connect()) as connection:
            return [request(connection, exports.traces()).status for _ in range(10)]

    with ThreadPoolExecutor(32) as pool:
        statuses = [status for answers in pool.map(send_ten, range(32)) for status in answers]

    assert [200] * 320 == statuses
    assert 320 == len({facts.export.id for facts in receiving.store.facts})
    assert {("traces", 200): 320} == receiving.counters.requests


def test_too_many_requests_at_once_are_sent_away(receive: Callable[..., Receiving]) -> None:
    """A request beyond the limit is answered 429 at once, and pages are still served."""
    receiving = receive(max_requests=2)
    receiving.store.open.clear()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(receiving.send, exports.traces()) for _ in range(2)]
        wait_until(lambda: receiving.admission.requests == 2)
        refused = receiving.send(exports.traces())
        health = receiving.send(path="/healthz", method="GET", content_type=None)
        receiving.store.open.set()
        assert [200, 200] == [answer.result().status for answer in waiting]

    assert (429, "1") == (refused.status, refused.headers["retry-after"])
    assert 200 == health.status
    assert 200 == receiving.send(exports.traces()).status


def test_too_many_bytes_at_once_are_sent_away(receive: Callable[..., Receiving]) -> None:
    """Bodies that together exceed the limit are answered 429, and taken once there is room."""
    receiving = receive(max_bytes=10_000, max_body=10_000)
    receiving.store.open.clear()
    large = exports.traces(payload="x" * 3_000)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(receiving.send, large)
        wait_until(lambda: receiving.admission.bytes > 6_000)
        refused = receiving.send(large)
        small = gzip.compress(large)
        inflated = receiving.send(small, headers={"content-encoding": "gzip"})
        receiving.store.open.set()
        assert 200 == waiting.result().status

    assert (429, "1") == (refused.status, refused.headers["retry-after"])
    assert (429, "1") == (inflated.status, inflated.headers["retry-after"])
    assert 200 == receiving.send(large).status
    wait_until(lambda: (receiving.admission.requests, receiving.admission.bytes) == (0, 0))
