"""`clew up` delivers what the outbox holds, through a kill and a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.alerts import outbox
from collector.alerts.model import NoticeKind
from collector.store.engine import open_engine
from tests.collector.alerts.notices import notice
from tests.collector.alerts.services.server import Received
from tests.collector.alerts.services.teams import SECRET, Webhook
from tests.collector.app.clew import Clew, clew
from tests.databases import create_sqlite

ALLOWED = {"CLEW_ALERT_NETWORKS": "127.0.0.1"}


@pytest.fixture
def service() -> Iterator[Webhook]:
    with Webhook() as service:
        yield service
    assert [] == service.faults


def add_channel(url: str, service: Webhook) -> None:
    done = clew(
        "channels", "add", "webhook", "ops", "--default", "--secret-env", "url=ADDRESS", "--secret-env", "secret=KEY",
        CLEW_DATABASE_URL=url, ADDRESS=f"{service.url}/alerts", KEY=SECRET, CLEW_ALERT_NETWORKS="127.0.0.1",
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)


def alert(url: str, kind: NoticeKind) -> None:
    """As the evaluation does, from another process."""
    now_ms = time.time_ns() // 1_000_000
    engine = open_engine(url)
    with engine.begin() as connection:
        outbox.add(connection, [notice(kind=kind, at_ms=now_ms)], now_ms=now_ms)
    engine.dispose()


def test_a_running_clew_delivers_with_links_to_itself(tmp_path: Path, service: Webhook) -> None:
    """What was there before it started and what came since, in order; a stop waits for nothing."""
    url = create_sqlite(tmp_path / "clew.db")
    add_channel(url, service)
    arrived = threading.Semaphore(0)
    service.on_request = lambda _received: arrived.release()
    alert(url, NoticeKind.OPENED)
    with Clew(tmp_path / "clew.db", **ALLOWED) as running:
        assert arrived.acquire(timeout=30)
        alert(url, NoticeKind.RESOLVED)
        assert arrived.acquire(timeout=30)
    first, second = (received.json()["alerts"][0] for received in service.received)

    assert ("opened", "resolved") == (first["event"], second["event"])
    assert f"{running.url}/alerts/0000000000000001" == first["links"]["alert"]


def test_a_killed_clew_is_succeeded_at_once(tmp_path: Path, service: Webhook) -> None:
    """On SQLite nobody else can hold the channel: the next start sends what the last one was sending."""
    url = create_sqlite(tmp_path / "clew.db")
    add_channel(url, service)
    alert(url, NoticeKind.OPENED)
    heard, again = threading.Event(), threading.Event()
    killed: list[Clew] = []

    def kill(_received: Received) -> None:
        if killed:
            again.set()
            return
        heard.wait(30)  # until the test knows the process
        killed.append(running)
        running.kill()

    service.on_request = kill
    running = Clew(tmp_path / "clew.db", **ALLOWED)
    heard.set()
    deadline = time.monotonic() + 30
    while not killed and time.monotonic() < deadline:
        time.sleep(0.02)
    with running, Clew(tmp_path / "clew.db", **ALLOWED):
        assert again.wait(30)

    first, second = (received.headers["clew-delivery"] for received in service.received)
    assert first == second
