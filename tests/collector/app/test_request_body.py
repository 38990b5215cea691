"""Bodies that arrive in pieces, for applications that wait for them and for those that do not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from collector.app.request_body import WHOLE, Body
from collector.app.server import Server, bind
from collector.receivers.answer import LATER, SEND_LATER
from collector.receivers.body import BODY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

Start = Callable[..., Server]
HEAD = "POST /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def serve(application: WSGIApplication, **limits: Any) -> Server:
            server = Server(
                application,
                bind("127.0.0.1", 0),
                threads=4,
                max_connections=128,
                never_waits=lambda path: path == "/later",
                **limits,
            )
            server.start()
            stack.callback(lambda: server.stop(20))
            return server

        yield serve


def exchange(server: Server, head: str, *pieces: bytes) -> bytes:
    """The answer's body; each piece is sent when the one before has long gone."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head.encode() + b"\r\n")
        for piece in pieces:
            threading.Event().wait(0.02)
            client.sendall(piece)
        read = b""
        while more := client.recv(65_536):
            read += more
    return read.partition(b"\r\n\r\n")[2]


def echo_later(environ: dict[str, Any], _start_response: StartResponse) -> Iterable[bytes]:
    """Answers with the sizes of the pieces, from the thread that the last one came on."""
    sizes: list[int] = []
    body: Body = environ[BODY]

    def go_on(piece: bytes) -> None:
        sizes.append(len(piece))
        if piece:
            body.next(go_on)
        else:
            environ[SEND_LATER](200, [("x-cut", str(body.cut))], json.dumps(sizes).encode())

    body.next(go_on)
    return LATER


def echo(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    lines = [environ["wsgi.input"].readline() for _ in range(2)]
    return [*lines, b"|", environ["wsgi.input"].read(3), b"|", *environ["wsgi.input"], environ["wsgi.input"].read()]


def test_a_small_body_comes_in_one_piece(start: Start) -> None:
    """However it was sent; then there is nothing more."""
    server = start(echo_later)
    length = f"Content-Length: {WHOLE}\r\n"
    assert [WHOLE, 0] == json.loads(exchange(server, HEAD + length, bytes(100), bytes(WHOLE - 100)))


@pytest.mark.parametrize("headers", [f"Content-Length: {WHOLE + 1}\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_large_or_unknown_one_comes_as_it_arrives(start: Start, headers: str) -> None:
    """So that what is promised takes no room."""
    server = start(echo_later)
    first, second = bytes(WHOLE // 2), bytes(WHOLE // 2 + 1)
    if "chunked" in headers:
        first, second = (f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in (first, second))
        second += b"0\r\n\r\n"
    sizes: list[int] = json.loads(exchange(server, HEAD + headers, first, second))
    assert WHOLE + 1 == sum(sizes)
    assert len(sizes) > 2
    assert 0 == sizes[-1]


@pytest.mark.parametrize("length", [100, 10_000_000])
def test_a_client_that_leaves_ends_it(start: Start, length: int) -> None:
    """Whoever waits is told that nothing more comes."""
    ended: list[bytes] = []
    done = threading.Event()

    def application(environ: dict[str, Any], _start_response: StartResponse) -> Iterable[bytes]:
        def go_on(piece: bytes) -> None:
            ended.append(piece)
            if piece:
                environ[BODY].next(go_on)
            else:
                environ[SEND_LATER](400, [], b"")
                done.set()

        environ[BODY].next(go_on)
        return LATER

    server = start(application)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(f"{HEAD}Content-Length: {length}\r\n\r\nabc".encode())
    assert done.wait(20)
    assert b"" == ended[-1]
    assert set() == server.patience.reading


def test_a_thread_may_wait_for_it(start: Start) -> None:
    """An application of WSGI's reads lines, so many bytes, and the rest."""
    server = start(echo)
    body = b"one\ntwo\nthree\nfour" + bytes(300_000)
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    assert b"one\ntwo\n|thr|ee\nfour" + bytes(300_000) == exchange(server, head, body[:5], body[5:7], body[7:])


def test_a_thread_does_not_wait_for_ever(start: Start) -> None:
    """A form whose client hangs gives its thread back, and what came of it is known not to be all."""
    seen: list[tuple[bytes, bool]] = []

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        data = environ["wsgi.input"].read()
        seen.append((data, environ[BODY].cut))
        start_response("400 Bad Request", [])
        return [b"late"]

    server = start(application, body_timeout_s=1.2)
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
    assert b"late" == exchange(server, head, b"abc")
    assert [(b"abc", True)] == seen


def test_what_it_kept_is_let_go_of_at_once(start: Start) -> None:
    """A request whose body was refused keeps nothing alive that only the garbage collector would find: granian closes
    a connection whose body nobody wants only when nobody can ask for it any more."""

    def refuse(environ: dict[str, Any], _start_response: StartResponse) -> Iterable[bytes]:
        def go_on(_piece: bytes) -> None:
            environ[SEND_LATER](413, [("connection", "close")], b"too much")

        environ[BODY].next(go_on)
        return LATER

    server = start(refuse)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(f"{HEAD}Content-Length: 10000000\r\n\r\nabc".encode())
        while client.recv(1_000):
            pass
    assert server.stop(20)
