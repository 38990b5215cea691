"""The whole way: a handler of the example raises, and Slack and PagerDuty hear of it, and of its end."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from collector.alerts import delivery
from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory, Draft
from collector.alerts.evaluator import Evaluator
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from collector.app.alerting import key_file
from collector.store.engine import open_engine
from collector.store.lease import database_now_ms
from collector.store.queries.channels import list_deliveries
from examples.audio_to_text.example import running_example
from tests.collector.alerts.services.incidents import ROUTING_KEY, PagerDuty
from tests.collector.alerts.services.slack import WEBHOOK, Slack
from tests.collector.alerts.services.tls import Authority
from tests.collector.app.clew import Clew
from tests.databases import create_sqlite

LATER_S = 2 * 3_600
WAIT_S = 60
ERROR, CULPRIT = "BadRequestException", "Transcribe.StartTranscriptionJob"


@pytest.fixture
def slack(trusted: Authority) -> Iterator[Slack]:
    with Slack(trusted.server_context()) as service:
        yield service
    assert [] == service.faults


@pytest.fixture
def pager(trusted: Authority) -> Iterator[PagerDuty]:
    with PagerDuty(trusted.server_context()) as service:
        yield service
    assert [] == service.faults


def wait_for(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def events(pager: PagerDuty) -> list[dict[str, Any]]:
    return [received.json() for received in pager.received]


def test_an_error_of_the_example_reaches_slack_and_pagerduty_and_so_does_its_end(
    slack: Slack, pager: PagerDuty, tmp_path: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real tracer, a real Clew, the rules that are there from the beginning, and one message at each service.
    The end comes two hours later, in another process's evaluator, which does not let the deliverer wait."""
    database = tmp_path / "clew.db"
    url = create_sqlite(database)
    writing, reading = open_engine(url), open_engine(url, read_only=True)
    keyring = Keyring(path=key_file(writing))
    directory = Directory(writing, keyring, networks, "http://clew.example.com")
    directory.add(Draft("chat", "slack", {"webhook_url": slack.url + WEBHOOK}, is_default=True))
    directory.add(Draft("pager", "pagerduty", {"routing_key": ROUTING_KEY, "api_url": pager.url}, is_default=True))

    with Clew(database, CLEW_ALERT_NETWORKS="127.0.0.1") as clew:
        with running_example(otlp_endpoint=clew.url, directory=tmp_path) as example:
            example.upload("podcast-042.mp3")
            example.upload("customer call 17.wav")
            example.wait_idle()
            wait_for(lambda: bool(slack.received and pager.received), "nobody heard of the error")
        shown = slack.received[0].json()
        links = dict(re.findall(r"<(http[^|>]+)\|([^>]+)>", str(shown)))
        pages = {label: clew.get(link.removeprefix(clew.url))[0] for link, label in links.items()}
        told = clew.get("/metrics")[1].decode()
    for counted in (
        'clew_fired_alerts_total{severity="error"} 2.0',
        'clew_sent_deliveries_total{channel_kind="slack"} 1.0',
        'clew_sent_deliveries_total{channel_kind="pagerduty"} 1.0',
    ):
        assert counted in told
    text = shown["text"] + str(shown["blocks"])
    assert all(said in text for said in (f"New issue: {ERROR} in transcribe", CULPRIT, "1 of 2 invocations"))
    assert {"Issue": 200, "Sample transaction": 200, "Alert": 200, "Rule": 200} == pages
    (opened,) = events(pager)
    assert ("trigger", "error", "transcribe") == (
        opened["event_action"],
        opened["payload"]["severity"],
        opened["payload"]["component"],
    )
    assert ERROR in opened["payload"]["custom_details"]["Error"]

    resolve(writing, reading, keyring, networks, monkeypatch)

    wait_for(lambda: (len(slack.received), len(pager.received)) == (2, 2), "nobody heard of the end")
    ended = slack.received[1].json()
    assert f"Resolved: New issue: {ERROR} in transcribe" in ended["text"] + str(ended["blocks"])
    assert ("resolve", opened["dedup_key"]) == (events(pager)[1]["event_action"], events(pager)[1]["dedup_key"])
    assert {} == pager.open
    with reading.connect() as connection:
        assert ["sent"] * 4 == [row.state for row in list_deliveries(connection)]
    writing.dispose()
    reading.dispose()


def resolve(
    writing: Engine, reading: Engine, keyring: Keyring, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluates and delivers two hours later, until there is nothing more to tell."""

    def later_ms(connection: Connection) -> int:
        return database_now_ms(connection) + LATER_S * 1_000

    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 600.0)  # whoever is not woken does not look
    deliverer = Deliverer(
        writing, reading, keyring=keyring, networks=networks, base_url="http://clew.example.com", clock=later_ms
    )
    told = threading.Event()

    def wake() -> None:
        deliverer.wake()
        told.set()

    evaluator = Evaluator(
        writing, reading, every_s=0.05, now=lambda: time.time_ns() + LATER_S * 1_000_000_000, told=wake
    )
    deliverer.start()
    evaluator.start()
    try:
        assert told.wait(WAIT_S)
        wait_for(lambda: _delivered(reading), "what was told was not delivered")
    finally:
        evaluator.close()
        assert deliverer.close(WAIT_S)


def _delivered(reading: Engine) -> bool:
    with reading.connect() as connection:
        return all(row.state == "sent" for row in list_deliveries(connection))
