"""The HTTP server around an application."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from collector.app.errors import CannotListen
from collector.app.server import Server, bind

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

Start = Callable[["WSGIApplication"], Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Serves an application for as long as the test runs."""
    servers: list[Server] = []

    def serve(application: WSGIApplication, *, threads: int = 8) -> Server:
        server = Server(application, bind("127.0.0.1", 0), threads=threads, max_connections=128)
        server.start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        assert server.stop(20)


def get(server: Server, path: str = "/", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


def test_an_application_gets_wsgi_and_no_secrets(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environ holds what WSGI asks for, and none of the process's environment variables."""
    monkeypatch.setenv("PASSWORD", "geheim")
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    assert 204 == get(start(application), "/a%20b?c=%20d")[0]
    assert ("GET", "/a b", "c=%20d", "") == tuple(
        seen[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME")
    )
    assert {"wsgi.version", "wsgi.input", "wsgi.errors", "wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT"} <= seen.keys()
    assert "PASSWORD" not in seen


def test_a_body_in_pieces_is_sent_whole_and_closed(start: Start) -> None:
    """An iterable body, with what was written before it, arrives in order, and is told that it is no longer needed."""

    class Body:
        closed = threading.Event()

        def __iter__(self) -> Iterator[bytes]:
            yield from (b"two ", b"three")

        def close(self) -> None:
            self.closed.set()

    def application(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("x-kind", "pieces")])(b"one ")
        return Body()

    status, headers, body = get(start(application))
    assert (200, "pieces", b"one two three") == (status, headers["x-kind"], body)
    assert Body.closed.wait(20)


@pytest.mark.parametrize("when", ["at once", "in the body"])
def test_an_application_that_fails_is_500(start: Start, caplog: pytest.LogCaptureFixture, when: str) -> None:
    """An exception is logged and answered 500 without its details; the server goes on."""

    def body() -> Iterator[bytes]:
        yield b"so far so good"
        raise ValueError("the secret detail")

    def application(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        if when == "at once":
            raise ValueError("the secret detail")
        return body()

    server = start(application)
    for _ in range(2):
        status, _headers, text = get(server)
        assert (500, False) == (status, b"secret" in text)
    assert "the secret detail" in caplog.text


def test_requests_are_worked_on_at_the_same_time(start: Start) -> None:
    """As many requests as there are threads wait for each other and all get through."""
    barrier = threading.Barrier(4, timeout=20)

    def application(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        barrier.wait()
        start_response("200 OK", [])
        return [b""]

    server = start(application)
    answers: list[int] = []
    clients = [threading.Thread(target=lambda: answers.append(get(server)[0])) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [200] * 4 == answers


def test_stop_waits_for_requests_that_have_begun(start: Start) -> None:
    """A request under way is answered; new connections are not taken."""
    begun, go_on = threading.Event(), threading.Event()

    def application(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        begun.set()
        assert go_on.wait(20)
        start_response("200 OK", [])
        return [b"done"]

    server = Server(application, bind("127.0.0.1", 0), threads=4, max_connections=128)
    server.start()
    answers: list[bytes] = []
    client = threading.Thread(target=lambda: answers.append(get(server)[2]))
    client.start()
    assert begun.wait(20)
    assert not server.stop(0.1)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=20).close()
    go_on.set()
    assert server.stop(20)
    client.join()
    assert [b"done"] == answers


def test_a_port_is_never_shared() -> None:
    """A port that is listened on cannot be bound again, by this server or by one that would share it."""
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"^Cannot listen on 127.0.0.1 port {port}: address already in use.$"):
            bind("127.0.0.1", port)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))


def test_ipv6(start: Start) -> None:
    """The other loopback address works, and is written as URLs want it."""

    def application(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"six"]

    try:
        listener = bind("::1", 0)
    except CannotListen:
        pytest.skip("this machine has no IPv6")
    server = Server(application, listener, threads=4, max_connections=128)
    server.start()
    assert f"http://[::1]:{server.port}" == server.url
    with closing(http.client.HTTPConnection("::1", server.port, timeout=20)) as connection:
        connection.request("GET", "/")
        assert b"six" == connection.getresponse().read()
    assert server.stop(20)
