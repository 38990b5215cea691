"""The collector's numbers about itself, as Prometheus and as another collector get them."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, insert

from collector.alerts.measures import AlertCounts, alert_measures
from collector.app.prometheus import exposition
from collector.store.alert_tables import alert_position, alerts
from collector.store.channel_tables import deliveries
from tests.collector.app.clew import Clew
from tests.collector.app.load import load
from tests.collector.store.test_retention import any_row
from tests.databases import create_sqlite
from tests.proof.unsteady import free_port


def samples(process: Clew) -> dict[str, float]:
    text = process.get("/metrics")[1].decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_stored_is_told(database_url: str, reader: Engine) -> None:
    """On both databases: exports, commits, durations, what waits, and the size of the database."""
    with Clew(database_url) as process:
        with load(process.port, clients=2) as clients:
            clients.wait(20)
        read = samples(process)
        sent = len(clients.acknowledged)

        assert sent == read["clew_stored_exports_total"]
        assert sent == read['clew_requests_total{signal="traces",status="200"}']
        assert 3 * sent == read['clew_stored_items_total{signal="traces"}']
        assert 1 <= read["clew_commits_total"] <= sent
        assert read["clew_commits_total"] == read["clew_commit_seconds_count"]
        assert read['clew_commit_seconds_bucket{le="+Inf"}'] == read["clew_commit_seconds_count"]
        assert sent == read["clew_export_wait_seconds_count"]
        assert read["clew_export_wait_seconds_sum"] > 0
        assert read["clew_stitch_passes_total"] >= 1
        assert (0, 0, 1) == (read["clew_waiting_exports"], read["clew_waiting_bytes"], read["clew_store_alive"])
        assert read["clew_database_bytes"] > 50_000
        assert read["clew_unstitched_traces"] >= 0
        assert read["process_resident_memory_bytes"] > 1_000_000


def test_alerts_and_deliveries_are_told(database: Engine, reader: Engine) -> None:
    """What is open, what waits, and up to when rules were evaluated, from the database; what happened, from counts."""
    with database.begin() as connection:
        for number, (severity, state) in enumerate(
            [("error", "open"), ("error", "acknowledged"), ("info", "resolved"), ("critical", "open")]
        ):
            row = any_row(alerts) | {"id": number, "severity": severity, "state": state}
            connection.execute(insert(alerts), row)
        for number, state in enumerate(["waiting", "sent", "dead", "waiting"]):
            connection.execute(insert(deliveries), any_row(deliveries) | {"id": number, "state": state})
        connection.execute(insert(alert_position), any_row(alert_position) | {"id": 0, "evaluated_s": 1_795_000_000})
    counts = AlertCounts()
    counts.fired.update({"error": 2})
    counts.dead["slack"] += 1
    counts.round_s.add(0.2)

    text = exposition(alert_measures(counts, reader))().decode()
    read = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    assert ["2.0", "1.0", "0.0"] == [
        read[f'clew_active_alerts{{severity="{severity}"}}'] for severity in ("error", "critical", "info")
    ]
    assert "2.0" == read["clew_waiting_deliveries"]
    assert 1_795_000_000 == float(read["clew_last_evaluation_timestamp_seconds"])
    assert ("2.0", "1.0") == (
        read['clew_fired_alerts_total{severity="error"}'],
        read['clew_dead_deliveries_total{channel_kind="slack"}'],
    )
    assert ("1.0", "0.0") == (read["clew_evaluation_seconds_count"], read["clew_failed_evaluations_total"])


def test_by_otlp(tmp_path: Path) -> None:
    """The standard variable for metrics sends them; another collector gets them, also the last ones before the end."""
    with Clew(tmp_path / "other.db") as other:
        settings: dict[str, str] = {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{other.url}/v1/metrics",
            "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        }
        with Clew(tmp_path / "clew.db", **settings) as process:
            process.signal(signal.SIGTERM)
            code, _, _ = process.wait()
        assert 0 == code
        assert samples(other)['clew_rejected_items_total{signal="metrics"}'] >= 10


def test_never_to_itself(tmp_path: Path) -> None:
    """A variable that names the collector itself, or that is meant for what runs beside it, sends nothing."""
    port = free_port()
    own: dict[str, str] = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://localhost:{port}/v1/metrics"}
    meant_for_others: dict[str, str] = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    for settings, warned in ((own, True), (meant_for_others, False)):
        path = tmp_path / f"{warned}.db"
        create_sqlite(path)
        with Clew(path, CLEW_PORT=port, CLEW_GRPC="false", OTEL_METRIC_EXPORT_INTERVAL=100, **settings) as process:
            time.sleep(0.5)
            assert not [name for name in samples(process) if 'signal="metrics"' in name]
            process.signal(signal.SIGTERM)
            code, _, err = process.wait()

        assert 0 == code
        assert warned == ("names this collector itself" in err)


def test_readiness_follows_the_database(tmp_path: Path) -> None:
    """While another process holds the database the collector is alive and not ready, though nobody sends anything."""
    path = tmp_path / "clew.db"
    create_sqlite(path)
    with Clew(path) as process, closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        assert [200, 200] == [process.get(page)[0] for page in ("/livez", "/readyz")]
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: process.get("/readyz")[0] == 503)
        assert 200 == process.get("/livez")[0]
        assert 1 <= samples(process)["clew_failed_passes_total"]
        assert 0 == samples(process)["clew_store_alive"]
        other.execute("ROLLBACK")
        with load(process.port, clients=1) as clients:
            clients.wait(1)
        assert 200 == process.get("/readyz")[0]
