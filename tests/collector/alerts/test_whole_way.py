"""The whole way: a handler of the example raises, and Slack and PagerDuty hear of it, and of its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from collector.alerts.directory import Directory, Draft
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from collector.app.alerting import key_file
from collector.store.engine import open_engine
from collector.store.queries.channels import list_deliveries
from tests.collector.alerts.breaking import CULPRIT, ERROR, breaking_example, wait_for
from tests.collector.alerts.services.incidents import ROUTING_KEY, PagerDuty
from tests.collector.alerts.services.slack import WEBHOOK, Slack
from tests.databases import create_sqlite


def events(pager: PagerDuty) -> list[dict[str, Any]]:
    return [received.json() for received in pager.received]


def states(engine: Engine) -> list[str]:
    """Of all deliveries."""
    with engine.connect() as connection:
        return [row.state for row in list_deliveries(connection)]


def test_an_error_of_the_example_reaches_slack_and_pagerduty_and_so_does_its_end(
    slack: Slack, pager: PagerDuty, tmp_path: Path, networks: Networks
) -> None:
    """By the real tracer, a real Clew, the rules that are there from the beginning, and one message at each service.
    The end comes two hours later."""
    database = tmp_path / "clew.db"
    engine = open_engine(create_sqlite(database))
    directory = Directory(engine, Keyring(path=key_file(engine)), networks, "http://clew.example.com")
    directory.add(Draft("chat", "slack", {"webhook_url": slack.url + WEBHOOK}, is_default=True))
    directory.add(Draft("pager", "pagerduty", {"routing_key": ROUTING_KEY, "api_url": pager.url}, is_default=True))

    with breaking_example(database, tmp_path) as scene:
        clew = scene.clew
        scene.run()
        scene.break_it()
        wait_for(lambda: bool(slack.received and pager.received), "nobody heard of the error")
        shown = slack.received[0].json()
        links = dict(re.findall(r"<(http[^|>]+)\|([^>]+)>", str(shown)))
        pages = {label: clew.get(link.removeprefix(clew.url))[0] for link, label in links.items()}
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
        counted = (
            'clew_fired_alerts_total{severity="error"} 2.0',
            'clew_sent_deliveries_total{channel_kind="slack"} 1.0',
            'clew_sent_deliveries_total{channel_kind="pagerduty"} 1.0',
        )
        wait_for(lambda: set(counted) <= set(clew.get("/metrics")[1].decode().splitlines()), "it was not counted")

        scene.mend()
        scene.pass_time()
        wait_for(lambda: ["sent"] * 4 == states(engine), "nobody heard of the end")

    assert (2, 2) == (len(slack.received), len(pager.received))
    ended = slack.received[1].json()
    assert f"Resolved: New issue: {ERROR} in transcribe" in ended["text"] + str(ended["blocks"])
    assert ("resolve", opened["dedup_key"]) == (events(pager)[1]["event_action"], events(pager)[1]["dedup_key"])
    assert {} == pager.open
    engine.dispose()
