"""`/healthz` for whoever supervises the process, `/metrics` for Prometheus."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Protocol

from collector.receivers.answer import JSON, TEXT, refused, respond
from collector.receivers.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse

    from collector.receivers.admission import Admission
    from collector.receivers.authentication import Authentication
    from collector.receivers.counters import Counters

PATHS = ("/healthz", "/metrics")
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Health(Protocol):
    """What tells whether exports can be stored; `collector.store.writer.Writer` does."""

    @property
    def alive(self) -> bool: ...


class StatusPages:
    """A bare WSGI callable for PATHS. The metrics are for those who may look; whether we are well is for all."""

    def __init__(
        self,
        store: Health,
        *,
        admission: Admission,
        counters: Counters,
        version: str,
        authentication: Authentication | None = None,
    ) -> None:
        self._store = store
        self._authentication = authentication
        self._admission = admission
        self._counters = counters
        self._version = version
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
            return respond(start_response, 200, _PROMETHEUS, self._metrics().encode(), headers)
        alive = self._store.alive
        health = {
            "status": "ok" if alive else "unavailable",
            "version": self._version,
            "uptime_s": int(time.time() - self._started_s),
        }
        return respond(start_response, 200 if alive else 503, JSON, json.dumps(health).encode(), headers)

    def _metrics(self) -> str:
        counters = self._counters
        lines: list[str] = []

        def add(name: str, kind: str, text: str, values: Mapping[str, float]) -> None:
            lines.extend((f"# HELP clew_{name} {text}", f"# TYPE clew_{name} {kind}"))
            lines.extend(f"clew_{name}{labels} {value}" for labels, value in sorted(values.items()))

        def by(label: str, counts: Mapping[str, int]) -> dict[str, float]:
            return {f'{{{label}="{value}"}}': count for value, count in dict(counts).items()}

        add(
            "requests_total",
            "counter",
            "Export requests answered, by signal and HTTP status.",
            {f'{{signal="{name}",status="{status}"}}': n for (name, status), n in dict(counters.requests).items()},
        )
        add("requests_refused_total", "counter", "Export requests refused.", by("reason", counters.refusals))
        add("stored_items_total", "counter", "Spans and log records stored.", by("signal", counters.stored_items))
        add(
            "rejected_items_total",
            "counter",
            "Spans and log records refused by partial success.",
            by("signal", counters.rejected_items),
        )
        add(
            "unplaced_log_records_total",
            "counter",
            "Log records of no trace, not kept.",
            {"": counters.unplaced_records},
        )
        add("received_bytes_total", "counter", "Bytes of bodies as sent.", {"": counters.received_bytes})
        add("decompressed_bytes_total", "counter", "Bytes of the same bodies.", {"": counters.decompressed_bytes})
        add("requests_under_way", "gauge", "Exports being received or stored.", {"": self._admission.requests})
        add("bytes_under_way", "gauge", "Bytes of their bodies.", {"": self._admission.bytes})
        add("store_alive", "gauge", "1 if exports can be stored.", {"": int(self._store.alive)})
        add("start_time_seconds", "gauge", "When the process began, seconds since 1970.", {"": self._started_s})
        return "\n".join(lines) + "\n"
