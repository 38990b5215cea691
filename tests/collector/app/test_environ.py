"""What granian knows of a request, as WSGI has it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from collector.app import environ
from collector.app.server import Server, bind

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse


class Seen:
    """The environments of requests to a server."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []
        self.server = Server(self._answer, bind("127.0.0.1", 0), threads=2, max_connections=128)
        self.server.start()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.environs.append(environ)
        start_response("204 No Content", [])
        return []

    def send(self, request: bytes) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as client:
            client.sendall(request + b"\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 204 ")
        return self.environs.pop()


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen()
    yield found
    assert found.server.stop(20)


def test_headers(seen: Seen) -> None:
    """Names as WSGI has them; one that comes twice is joined, cookies by semicolons."""
    got = seen.send(
        b"POST / HTTP/1.1\r\nHost: clew:1\r\ncontent-TYPE: text/plain\r\nX-Forwarded-For: 203.0.113.7\r\n"
        b"x-forwarded-for: 203.0.113.8\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Length: 0"
    )
    expected = {
        "HTTP_HOST": "clew:1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "0",
        "HTTP_X_FORWARDED_FOR": "203.0.113.7,203.0.113.8",
        "HTTP_COOKIE": "a=1;b=2",
        "HTTP_CONNECTION": "close",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(seen.server.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }
    assert expected == {name: got[name] for name in expected}


def test_a_header_that_is_not_ascii_is_there(seen: Seen) -> None:
    """What a proxy adds is not overlooked because of its bytes: whether a token is needed goes by it."""
    got = seen.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \xff\r\nVia: \xe4\r\nVia: 1.1 proxy")
    assert "" == got["HTTP_X_FORWARDED_FOR"]
    assert "HTTP_VIA" in got


def test_a_path_is_in_latin_1(seen: Seen) -> None:
    """As WSGI wants it: each byte of UTF-8 a character."""
    got = seen.send(b"GET /caf%C3%A9?q=%C3%A9 HTTP/1.1\r\nHost: x")
    assert ("/café", "q=%C3%A9") == (got["PATH_INFO"].encode("latin-1").decode(), got["QUERY_STRING"])


def test_what_clients_make_up_is_not_kept(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of headers are remembered up to a number, and short ones only."""
    monkeypatch.setattr(environ, "_MOST_NAMES", len(environ._NAMES) + 10)
    with closing(http.client.HTTPConnection("127.0.0.1", seen.server.port, timeout=20)) as connection:
        for number in range(3):
            headers = {f"x-{number}-{index}": "1" for index in range(20)} | {f"x-{'long' * 50}": "1"}
            connection.request("GET", "/", headers=headers)
            connection.getresponse().read()
            assert "1" == seen.environs[-1][f"HTTP_X_{number}_19"]
    assert environ._MOST_NAMES == len(environ._NAMES)
    assert max(map(len, environ._NAMES)) <= 64
