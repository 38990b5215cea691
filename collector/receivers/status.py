"""`/livez`, `/readyz` and `/healthz` for whoever supervises the process, `/metrics` for Prometheus."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Protocol

from collector.receivers.answer import JSON, TEXT, refused, respond
from collector.receivers.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse

    from collector.receivers.authentication import Authentication

PATHS = ("/healthz", "/livez", "/metrics", "/readyz")
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Health(Protocol):
    """What tells whether exports can be stored; `collector.store.writer.Writer` does."""

    @property
    def running(self) -> bool:
        """Whether what stores is there at all; if not, only a new process helps."""

    @property
    def alive(self) -> bool:
        """Whether exports are taken and, as far as is known, stored."""


class StatusPages:
    """A bare WSGI callable for PATHS. The metrics are for those who may look; whether we are well is for all."""

    def __init__(
        self,
        store: Health,
        *,
        metrics: Callable[[], bytes],
        version: str,
        authentication: Authentication | None = None,
    ) -> None:
        self._store = store
        self._authentication = authentication
        self._metrics = metrics
        self._version = version
        self.draining = False  # True: the process is about to stop, and wants no more requests
        self._started_s = time.time()

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return respond(start_response, 405, TEXT, b"This page is read by GET.\n", [("allow", "GET, HEAD")])
        headers = [("cache-control", "no-store")]
        if environ["PATH_INFO"] == "/metrics":
            try:
                if self._authentication is not None:
                    self._authentication.look(environ)
            except Refusal as refusal:
                return refused(start_response, TEXT, refusal)
            return respond(start_response, 200, _PROMETHEUS, self._metrics(), headers)
        if environ["PATH_INFO"] == "/livez":
            well = self._store.running
            status = "ok" if well else "dead"
        else:
            well = self._store.alive and not self.draining
            status = "ok" if well else "draining" if self.draining else "unavailable"
        health = {"status": status, "version": self._version, "uptime_s": int(time.time() - self._started_s)}
        return respond(start_response, 200 if well else 503, JSON, json.dumps(health).encode(), headers)
