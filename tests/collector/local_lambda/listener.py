"""A destination of the Telemetry API, in the test's own process."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self


class Listener:
    """Keeps every event that is delivered to its port of 127.0.0.1."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self._arrived = Condition()
        self._events: list[dict[str, Any]] = []
        handler = type("ListenerHandler", (_Handler,), {"listener": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, events: list[dict[str, Any]]) -> None:
        with self._arrived:
            self._events += events
            self._arrived.notify_all()

    @property
    def events(self) -> list[dict[str, Any]]:
        with self._arrived:
            return list(self._events)

    def of(self, type: str) -> list[Any]:
        """The records of one type of event."""
        return [event["record"] for event in self.events if event["type"] == type]

    def wait_for(self, type: str, count: int = 1) -> list[Any]:
        """The records of that type, once there are so many."""
        with self._arrived:
            found = self._arrived.wait_for(
                lambda: sum(event["type"] == type for event in self._events) >= count, timeout=20
            )
        assert found, f"only {len(self.of(type))} of {count} {type} arrived"
        return self.of(type)


class _Handler(BaseHTTPRequestHandler):
    listener: Listener

    def do_POST(self) -> None:
        self.listener.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.listener.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests read the events."""
