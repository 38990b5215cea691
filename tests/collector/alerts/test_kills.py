"""Nothing is lost when the process is killed between any two steps, nor doubled when several deliver at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine

from collector.alerts import outbox
from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory, Draft
from collector.store.queries.channels import list_deliveries
from tests.collector.alerts.conftest import Clock
from tests.collector.alerts.killed import STEPS
from tests.collector.alerts.notices import AT_MS, notice
from tests.collector.alerts.services.incidents import ROUTING_KEY, PagerDuty
from tests.collector.alerts.services.server import Received
from tests.collector.alerts.services.teams import SECRET, Webhook
from tests.collector.alerts.services.tls import Authority

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 120


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, env={**os.environ})


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_is_killed_loses_nothing(
    step: str,
    database: Engine,
    database_url: str,
    directory: Directory,
    deliverer: Deliverer,
    *,
    trusted: Authority,
    tmp_path: Path,
    clock: Clock,
) -> None:
    """Whoever comes next delivers it. It is heard twice only if it had been heard and that was not stored, and then
    its key makes one incident of both."""
    with PagerDuty(trusted.server_context()) as pager:
        directory.add(Draft("pager", "pagerduty", {"routing_key": ROUTING_KEY, "api_url": pager.url}, is_default=True))
        process = start("tests.collector.alerts.killed", database_url, str(tmp_path / "clew.key"), step)
        if step == "request received":
            pager.on_request = lambda _received: process.kill()
        assert -signal.SIGKILL == process.wait(TIMEOUT_S)
        pager.on_request = lambda _received: None
        heard = len(pager.received)
        assert STEPS[step] == heard

        if step == "alert not committed":  # the evaluation is repeated, as its own commit was lost with it
            with database.begin() as connection:
                outbox.add(connection, [notice()], now_ms=AT_MS)
        assert deliverer.run_pass() == int(
            step in ("alert not committed", "alert committed", "before claim", "claim not committed")
        )
        clock.pass_s(outbox.HOLD_MS / 1000 + 1)
        deliverer.run_pass()
        assert 0 == deliverer.run_pass()

    again = heard and step != "settled"
    assert (1 + bool(again), 1, []) == (len(pager.received), sum(pager.opened.values()), pager.faults)
    with database.connect() as connection:
        assert ["sent"] == [row.state for row in list_deliveries(connection)]


def test_several_processes_deliver_each_message_once(
    database: Engine, database_url: str, directory: Directory, tmp_path: Path
) -> None:
    """Three processes drain eight channels at once: every alert arrives at every channel exactly once."""
    arrived: Counter[tuple[str, str]] = Counter()

    def count(received: Received) -> None:
        arrived.update((received.path, alert["key"]) for alert in received.json()["alerts"])

    with Webhook() as service:
        service.on_request = count
        for number in range(8):
            values = {"url": f"{service.url}/{number}", "secret": SECRET}
            directory.add(Draft(f"hook {number}", "webhook", values, is_default=True))
        with database.begin() as connection:
            outbox.add(connection, [notice(alert) for alert in range(1, 4)], now_ms=AT_MS)
        processes = [
            start("tests.collector.alerts.killed", database_url, str(tmp_path / "clew.key"), "never") for _ in range(3)
        ]
        assert [0, 0, 0] == [process.wait(TIMEOUT_S) for process in processes]

    assert [] == service.faults
    assert {(f"/{number}", f"clew-{alert:016x}"): 1 for number in range(8) for alert in range(1, 4)} == dict(arrived)
