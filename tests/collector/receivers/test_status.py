"""The pages for supervisors and for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.collector.receivers import exports
from tests.collector.receivers.conftest import Answer, Receiving


def get(receiving: Receiving, path: str, method: str = "GET") -> Answer:
    return receiving.send(path=path, method=method, content_type=None)


def test_healthz_while_exports_can_be_stored(receiving: Receiving) -> None:
    """A collector that works says so, with its version."""
    answer = get(receiving, "/healthz")

    assert (200, "application/json") == (answer.status, answer.headers["content-type"])
    assert {"status": "ok", "version": "1.2.3", "uptime_s": 0} == json.loads(answer.body) | {"uptime_s": 0}


def test_healthz_when_the_writer_has_ended(receiving: Receiving) -> None:
    """A collector that can store nothing is unavailable, though it still answers."""
    receiving.store.alive = False
    answer = get(receiving, "/healthz")

    assert (503, "unavailable") == (answer.status, json.loads(answer.body)["status"])


def test_livez_and_readyz(receiving: Receiving) -> None:
    """A collector whose database is gone is alive, as a restart would not help, and not ready."""
    assert [200, 200] == [get(receiving, path).status for path in ("/livez", "/readyz")]
    receiving.store.alive = False
    assert [200, 503] == [get(receiving, path).status for path in ("/livez", "/readyz")]
    receiving.store.running = False
    assert 503 == get(receiving, "/livez").status


def test_draining(receiving: Receiving) -> None:
    """A collector that is about to stop is alive, and wants no more requests."""
    receiving.pages.draining = True
    assert 200 == get(receiving, "/livez").status
    answer = get(receiving, "/readyz")
    assert (503, "draining") == (answer.status, json.loads(answer.body)["status"])


def test_head(receiving: Receiving) -> None:
    """HEAD is answered as GET, without the body."""
    answer = get(receiving, "/healthz", "HEAD")

    assert (200, b"") == (answer.status, answer.body)


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/metrics", "/readyz"])
def test_other_methods(receiving: Receiving, path: str) -> None:
    """The pages are only read."""
    answer = get(receiving, path, "POST")

    assert (405, "GET, HEAD") == (answer.status, answer.headers["allow"])


def samples(answer: Answer) -> dict[str, float]:
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_count_what_happened(receive: Callable[..., Receiving]) -> None:
    """Exports, items, bytes and refusals are counted by kind; every family has its type and help."""
    receiving = receive()
    body = exports.traces(spans=3)
    receiving.send(body)
    receiving.send(exports.traces(spans=2, trace_id=b"short"))
    receiving.send(exports.logs(records=4), path="/v1/logs")
    receiving.send(b"not protobuf")
    receiving.send(b"", path="/v1/profiles")
    answer = get(receiving, "/metrics")

    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["content-type"]
    read = samples(answer)
    assert 2 == read['clew_requests_total{signal="traces",status="200"}']
    assert 1 == read['clew_requests_total{signal="traces",status="400"}']
    assert 1 == read['clew_requests_total{signal="none",status="404"}']
    assert 3 == read['clew_stored_items_total{signal="traces"}']
    assert 4 == read['clew_stored_items_total{signal="logs"}']
    assert 2 == read['clew_rejected_items_total{signal="traces"}']
    assert 1 == read['clew_requests_refused_total{reason="malformed"}']
    assert read["clew_received_bytes_total"] > len(body)
    assert (0, 0) == (read["clew_requests_under_way"], read["clew_bytes_under_way"])
    assert read["process_resident_memory_bytes"] > 1_000_000
