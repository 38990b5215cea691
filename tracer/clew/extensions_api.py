"""Lambda's Extensions API 2020-01-01 and Telemetry API 2022-07-01, as an internal extension uses them."""

from __future__ import annotations

import json
from time import monotonic  # now: a function may replace it
from typing import Any

from clew.connection import Connection, Response

_EXTENSION = "/2020-01-01/extension"
_TELEMETRY = "/2022-07-01/telemetry"
# The older one has all that is read. The newer one is asked for in case Lambda gives up the older.
_SCHEMAS = ("2022-12-13", "2025-01-29")
# The API is in the same machine and answers in a millisecond.
_PATIENCE = 2.0


class RefusedError(OSError):
    """The API answered, and not with what was asked for."""


class ExtensionsApi:
    """`address` is AWS_LAMBDA_RUNTIME_API. Everything raises OSError when the API cannot be had."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            host, port = address, "80"
        self._address = address
        self._calls = Connection(host, int(port), None)
        # Of its own: a request for the next event is answered when there is one.
        self._events = Connection(host, int(port), None)
        self._identifier = ""

    def register(self, name: str) -> None:
        """Become an extension that hears of invocations; only while INIT lasts."""
        response = self._call("POST", f"{_EXTENSION}/register", {"Lambda-Extension-Name": name}, {"events": ["INVOKE"]})
        self._identifier = response.headers.get("lambda-extension-identifier", "")
        if response.status != 200 or not self._identifier:
            raise _refused("registering", response)

    def subscribe(self, port: int) -> None:
        """Have the platform's events posted to that port, as soon as they are there."""
        for schema in _SCHEMAS:
            wish = {
                "schemaVersion": schema,
                "types": ["platform"],
                "buffering": {"maxBytes": 262144, "maxItems": 1000, "timeoutMs": 25},
                "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}"},
            }
            response = self._call("PUT", _TELEMETRY, {"Lambda-Extension-Identifier": self._identifier}, wish)
            if response.status == 200:
                return
        raise _refused("subscribing to telemetry", response)

    def ask(self) -> None:
        """Ask for the next event: until it is there, Lambda may freeze this process."""
        head = f"GET {_EXTENSION}/event/next HTTP/1.1\r\nHost: {self._address}\r\n"
        head += f"Lambda-Extension-Identifier: {self._identifier}\r\n\r\n"
        self._events.send(head.encode(), monotonic() + _PATIENCE)

    def fileno(self) -> int:
        """What can be read once there is an event."""
        return self._events.fileno()

    def event(self) -> dict[str, Any]:
        """The event, once there is one."""
        response = self._events.receive(monotonic() + _PATIENCE)
        if response.status != 200:
            raise _refused("asking for the next event", response)
        try:
            event = json.loads(response.body)
        except ValueError:
            event = None
        return event if isinstance(event, dict) else {}

    def close(self) -> None:
        self._calls.close()
        self._events.close()

    def abandon(self) -> None:
        """Let go of what belongs to the parent process."""
        self._calls.abandon()
        self._events.abandon()

    def _call(self, method: str, path: str, headers: dict[str, str], document: dict[str, Any]) -> Response:
        body = json.dumps(document).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._address}",
            *(f"{name}: {value}" for name, value in headers.items()),
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        (response,) = self._calls.exchange(["\r\n".join(lines).encode() + b"\r\n\r\n" + body], monotonic() + _PATIENCE)
        return response


def _refused(doing: str, response: Response) -> RefusedError:
    return RefusedError(f"{doing}: HTTP {response.status} {response.body[:200].decode('utf-8', 'replace')}")
