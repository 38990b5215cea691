"""Delivery: from the outbox to services that answer, refuse, stall and fail."""

from __future__ import annotations

import logging
import time

import pytest
from sqlalchemy import Engine

from collector.alerts import outbox
from collector.alerts.channels import slack as module
from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory, Draft
from collector.alerts.keyring import Keyring
from collector.alerts.model import Notice, NoticeKind
from collector.alerts.networks import Networks
from collector.store.lease import database_now_ms
from collector.store.queries.channels import DeliveryRow, list_deliveries, tickets_of_alert, tickets_of_issues
from tests.collector.alerts.conftest import BASE_URL, Clock
from tests.collector.alerts.notices import ISSUE, notice
from tests.collector.alerts.services.atlassian import EMAIL, Jira
from tests.collector.alerts.services.atlassian import TOKEN as JIRA_TOKEN
from tests.collector.alerts.services.incidents import ROUTING_KEY, PagerDuty
from tests.collector.alerts.services.server import Received, Reply
from tests.collector.alerts.services.slack import TOKEN, WEBHOOK, Slack
from tests.collector.alerts.services.tls import Authority


def add_slack(directory: Directory, service: Slack) -> None:
    directory.add(Draft("slack", "slack", {"webhook_url": service.url + WEBHOOK}, is_default=True))


def add(database: Engine, clock: Clock, *notices: Notice) -> None:
    with database.begin() as connection:
        outbox.add(connection, notices, now_ms=clock.now_ms)


def rows(database: Engine) -> list[DeliveryRow]:
    with database.connect() as connection:
        return list_deliveries(connection)


def test_from_the_opening_to_the_resolve(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, *, slack: Slack, pager: PagerDuty
) -> None:
    """Both channels hear of the opening, the acknowledgement and the end, in this order."""
    add_slack(directory, slack)
    directory.add(Draft("pager", "pagerduty", {"routing_key": ROUTING_KEY, "api_url": pager.url}, is_default=True))
    for kind in (NoticeKind.OPENED, NoticeKind.ACKNOWLEDGED, NoticeKind.RESOLVED):
        add(database, clock, notice(kind=kind))
        assert 2 == deliverer.run_pass()
        clock.pass_s(5)

    assert ["trigger", "acknowledge", "resolve"] == [sent.json()["event_action"] for sent in pager.received]
    titles = [sent.json()["blocks"][0]["text"]["text"] for sent in slack.received]
    assert ["🔴 checkout fails", "👀 Acknowledged: checkout fails", "✅ Resolved: checkout fails"] == titles
    assert {("sent", 1)} == {(row.state, row.attempts) for row in rows(database)}


def test_a_service_that_is_down_gets_it_later(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, slack: Slack
) -> None:
    """After 5xx, a cut connection and 429 it arrives once; the reasons were shown meanwhile."""
    add_slack(directory, slack)
    slack.failures.extend([Reply(503, "down"), Reply(cut=True), Reply(429, "rate_limited", {"Retry-After": "60"})])
    add(database, clock, notice())
    reasons = []
    for _ in range(3):
        assert 1 == deliverer.run_pass()
        assert 0 == deliverer.run_pass()
        (row,) = rows(database)
        reasons.append(row.reason)
        clock.now_ms = row.next_ms
    assert 1 == deliverer.run_pass()
    (row,) = rows(database)

    assert ["503: down", "The connection to", "429: rate_limited"] == [
        next(part for part in ("503: down", "The connection to", "429: rate_limited") if part in str(reason))
        for reason in reasons
    ]
    assert ("sent", 4, None) == (row.state, row.attempts, row.reason)
    assert 4 == len(slack.received)


def test_retry_after_is_kept(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, slack: Slack
) -> None:
    """Nothing is sent before the service said, also no other alert; and soon after it."""
    add_slack(directory, slack)
    slack.failures.append(Reply(429, "rate_limited", {"Retry-After": "60"}))
    add(database, clock, notice(1))
    deliverer.run_pass()
    add(database, clock, notice(2))
    clock.pass_s(59.9)
    assert 0 == deliverer.run_pass()
    clock.pass_s(7.2)

    assert 2 >= deliverer.run_pass() >= 1


def test_what_a_service_refuses_is_a_dead_end(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, slack: Slack
) -> None:
    """4xx is sent once; the reason is stored, and nothing of the address with it."""
    add_slack(directory, slack)
    slack.failures.append(Reply(404, f"no_service {WEBHOOK}"))
    add(database, clock, notice())
    deliverer.run_pass()
    clock.pass_s(100_000)
    assert 0 == deliverer.run_pass()
    (row,) = rows(database)

    assert ("dead", 1) == (row.state, row.attempts)
    assert row.reason is not None
    assert row.reason.startswith("127.0.0.1 answered 404: no_service")
    assert "abcdefghijkl" not in row.reason


def test_an_internal_address_is_a_dead_end_that_says_so(
    database: Engine, reader: Engine, directory: Directory, keyring: Keyring, clock: Clock, *, slack: Slack
) -> None:
    """Nothing reaches a service on loopback unless the administrator allows it."""
    add_slack(directory, slack)
    add(database, clock, notice())
    strict = Deliverer(database, reader, keyring=keyring, networks=Networks(), base_url=BASE_URL, clock=clock)
    strict.run_pass()
    (row,) = rows(database)

    assert "dead" == row.state
    assert "internal address 127.0.0.1" in str(row.reason)
    assert [] == slack.received


def test_many_at_once_arrive_as_one_message(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, slack: Slack
) -> None:
    """Thirty alerts are one message; their resolves are one too."""
    add_slack(directory, slack)
    add(database, clock, *(notice(alert) for alert in range(1, 31)))
    deliverer.run_pass()
    clock.pass_s(60)
    add(database, clock, *(notice(alert, NoticeKind.RESOLVED) for alert in range(1, 31)))
    deliverer.run_pass()

    assert ["🔴 30 alerts at once", "✅ 30 resolved at once"] == [
        sent.json()["blocks"][0]["text"]["text"] for sent in slack.received
    ]


def test_a_thread_is_followed(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, slack: Slack
) -> None:
    """A bot's resolve goes into the thread of the opening, as the database remembers it."""
    values = {"token": TOKEN, "channel": "C1", "api_url": f"{slack.url}/api/"}
    directory.add(Draft("bot", "slack", values, is_default=True))
    add(database, clock, notice())
    deliverer.run_pass()
    clock.pass_s(60)
    add(database, clock, notice(kind=NoticeKind.RESOLVED))
    deliverer.run_pass()

    assert "1700000000.000001" == slack.received[1].json()["thread_ts"]


def test_a_ticket_is_linked_both_ways_and_not_made_twice(
    database: Engine, directory: Directory, deliverer: Deliverer, clock: Clock, trusted: Authority
) -> None:
    """Pages find the ticket by the alert and by the issue; the next alert on the issue is a comment."""
    with Jira(trusted.server_context()) as jira:
        values = {"site": jira.url, "email": EMAIL, "token": JIRA_TOKEN, "project": "OPS"}
        directory.add(Draft("jira", "jira", values, is_default=True))
        for alert in (1, 2):
            add(database, clock, notice(alert))
            deliverer.run_pass()
            clock.pass_s(60)
        with database.connect() as connection:
            by_issue = tickets_of_issues(connection, [ISSUE.id, 5])
            by_alert = tickets_of_alert(connection, 2)
        assert [] == jira.faults
        assert (["OPS-1"], 1) == (list(jira.issues), len(jira.issues["OPS-1"].comments))
        assert [f"{jira.url}/browse/OPS-1"] == [ticket.url for ticket in by_alert]
        assert {ISSUE.id: by_alert} == by_issue

        jira.issues["OPS-1"].category = "done"
        add(database, clock, notice(3))
        deliverer.run_pass()
    with database.connect() as connection:
        assert ["OPS-2"] == [ticket.key for ticket in tickets_of_issues(connection, [ISSUE.id])[ISSUE.id]]


def test_a_lost_key_is_told_and_heals(
    database: Engine, reader: Engine, directory: Directory, networks: Networks, clock: Clock, *, slack: Slack
) -> None:
    """Without its key nothing can be sent and nothing is lost; secrets that are entered again mend it."""
    add_slack(directory, slack)
    add(database, clock, notice())
    other = Keyring("mWzIVDYJqZTYdY8AlHvsb1Aqi0BZ8kqIuXkWHjKcX10=")
    deliverer = Deliverer(database, reader, keyring=other, networks=networks, base_url=BASE_URL, clock=clock)
    deliverer.run_pass()
    (row,) = rows(database)
    assert "waiting" == row.state
    assert "The channel's keys cannot be read." in str(row.reason)

    mended = Directory(database, other, networks, BASE_URL)
    mended.change("slack", Draft("slack", "slack", {"webhook_url": slack.url + WEBHOOK}, is_default=True))
    clock.pass_s(60)
    deliverer.run_pass()
    assert "sent" == rows(database)[0].state


def test_a_message_that_cannot_be_made_stops_no_other(
    database: Engine,
    directory: Directory,
    deliverer: Deliverer,
    clock: Clock,
    *,
    slack: Slack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of ours is a dead end with a trace in the log, without the fault's own words."""
    add_slack(directory, slack)
    real = module.send

    def fail_once(*arguments: object) -> object:
        monkeypatch.setattr(module, "send", real)
        raise RuntimeError(slack.url + WEBHOOK)

    monkeypatch.setattr(module, "send", fail_once)
    add(database, clock, notice(1))
    deliverer.run_pass()
    clock.pass_s(10)
    add(database, clock, notice(2, at_ms=clock.now_ms))
    deliverer.run_pass()

    assert ["sent", "dead"] == [row.state for row in rows(database)]
    assert "The message could not be made: RuntimeError." == rows(database)[1].reason
    assert "fail_once" in caplog.text
    assert "abcdefghijkl" not in caplog.text


def test_threads_deliver_in_the_background(
    database: Engine,
    reader: Engine,
    directory: Directory,
    keyring: Keyring,
    networks: Networks,
    *,
    slack: Slack,
    pager: PagerDuty,
) -> None:
    """Started, it finds what is due by itself, and `close` waits for what is on its way."""
    add_slack(directory, slack)
    directory.add(Draft("pager", "pagerduty", {"routing_key": ROUTING_KEY, "api_url": pager.url}, is_default=True))
    deliverer = Deliverer(database, reader, keyring=keyring, networks=networks, base_url=BASE_URL)
    deliverer.start()
    with database.begin() as connection:
        now_ms = database_now_ms(connection)
        outbox.add(connection, [notice(alert, at_ms=now_ms) for alert in range(1, 11)], now_ms=now_ms)
    deliverer.wake()
    deadline = time.monotonic() + 30
    while len(pager.opened) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert deliverer.close(10)

    assert 10 == len(pager.opened)
    assert 1 == len(slack.received)


def test_nothing_secret_is_logged(
    database: Engine,
    directory: Directory,
    deliverer: Deliverer,
    clock: Clock,
    *,
    slack: Slack,
    pager: PagerDuty,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the finest level, through success, refusal and failure, no address, token or key is in the log."""
    caplog.set_level(logging.DEBUG)
    for name in (
        "httpx2",
        "httpcore2",
        "httpcore2.connection",
        "httpcore2.http11",
        "pagerduty.api_client",
        "slack_sdk",
    ):
        logging.getLogger(name).propagate = True
    add_slack(directory, slack)
    bot = {"token": TOKEN, "channel": "C1", "api_url": f"{slack.url}/api/"}
    directory.add(Draft("bot", "slack", bot, is_default=True))
    directory.add(Draft("pager", "pagerduty", {"routing_key": ROUTING_KEY, "api_url": pager.url}, is_default=True))

    def echo(service: Slack | PagerDuty, status: int) -> None:
        """Refuses, with all that it got as the reason."""

        def answer(received: Received) -> None:
            said = f"{received.path} {received.headers.get('authorization')} {received.body[-200:].decode()}"
            service.failures.append(Reply(status, said, cut=status == 0))

        service.on_request = answer

    for alert, status in enumerate((500, 404, 0), 1):
        echo(slack, status)
        echo(pager, status)
        add(database, clock, notice(alert, at_ms=clock.now_ms))
        deliverer.run_pass()
        clock.pass_s(3600)
    directory.test("slack")
    stored = repr(rows(database)) + repr(caplog.messages)

    assert caplog.records
    for secret in ("abcdefghijklmnopqrstuvwx", TOKEN, ROUTING_KEY):
        assert secret not in caplog.text
        assert secret not in stored
