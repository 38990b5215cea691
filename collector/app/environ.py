"""What granian knows of a request, as WSGI has it."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, Protocol

_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_MOST_NAMES = 1_024
_LONGEST_NAME = 64  # characters: what a client makes up may not stay in memory by the megabyte
_CONSTANT = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Clew",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Headers(Protocol):
    def __len__(self) -> int: ...

    def items(self) -> list[tuple[str, str]]: ...

    def keys(self) -> list[str]: ...


class Scope(Protocol):
    """A request before its body."""

    authority: str | None
    client: str  # address:port
    headers: Headers
    http_version: str
    method: str
    path: str
    query_string: str
    scheme: str
    server: str


def environ_of(scope: Scope) -> dict[str, Any]:
    """Without a `wsgi.input`. None of the process's environment variables is in it, as they are with granian's own.

    A header whose value is not ASCII is there, and empty.
    """
    environ: dict[str, Any] = _CONSTANT.copy()
    path = scope.path
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = path if path.isascii() else path.encode().decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
    environ["SERVER_NAME"], environ["SERVER_PORT"] = _server(scope.server)
    environ["REMOTE_ADDR"] = _address(scope.client)
    environ["wsgi.url_scheme"] = scope.scheme
    headers = scope.headers
    found = 0
    for name, value in headers.items():
        key = _NAMES.get(name) or _name(name)
        if key not in environ:
            environ[key] = value
            found += 1
        else:
            environ[key] += f"{';' if key == 'HTTP_COOKIE' else ','}{value}"
    if found < len(headers):
        for name in headers.keys():  # noqa: SIM118  # a granian.RSGIHeaders is no dict
            environ.setdefault(_NAMES.get(name) or _name(name), "")
    if "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority or ""
    return environ


def _name(header: str) -> str:
    name = f"HTTP_{header.replace('-', '_').upper()}"
    if len(header) <= _LONGEST_NAME and len(_NAMES) < _MOST_NAMES:
        _NAMES[header] = name
    return name


@lru_cache(maxsize=64)
def _server(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port


def _address(client: str) -> str:
    return client.rpartition(":")[0].strip("[]")
