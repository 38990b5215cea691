"""The pages of alerts: what is wrong now, what was, and what people do about it."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from collector.alerts.directory import Directory, Draft
from collector.alerts.model import Alert, ConditionKind
from collector.alerts.rounds import Rounds
from collector.alerts.rule_store import DEFAULT_RULES
from collector.domain.facts import Result
from tests.collector.alerts.world import World, rule
from tests.webapp.alerting import MARK, SECRET, alerts_of, channel_id, fields_of, fired, stored_rules
from tests.webapp.forms import send_form
from tests.webapp.test_lives import words as read_words
from webapp import create_app
from webapp.identifiers import format_id


@pytest.fixture
def client(engine: Engine, world: World, directory: Directory) -> FlaskClient:
    return create_app(engine, now=lambda: world.clock() // 1_000_000, directory=directory).test_client()


def test_an_open_alert(client: FlaskClient, engine: Engine, world: World) -> None:
    """What, since when, how much, the error, where to read on; also on its function's page."""
    fired(world)
    (alert,) = alerts_of(engine, "open")
    page = client.get("/alerts").text
    for words in (
        "checkout fails",
        "CardError: card was declined",
        "Sample transaction",
        "Acknowledge",
        'class="open-count',
    ):
        assert words in page
    assert "Nobody is told of alerts" in page
    own = client.get(f"/alerts/{format_id(alert.id)}").text
    for words in ("1 failed invocation in 5 min; the rule fires above 0", "Nobody was told", "Opened", "Fires when"):
        assert words in own
    assert "Open alerts" in client.get(f"/functions/{format_id(alert.subject.function_id or 0)}").text
    assert f"/alerts/{format_id(alert.id)}" in client.get("/alerts/history?severity=error&rule=rule").text
    for filter in ("state=resolved", "severity=critical", "rule=other", "function=0000000000000001"):
        assert f"/alerts/{format_id(alert.id)}" not in client.get(f"/alerts/history?{filter}").text


def test_the_value_of_an_alert_that_just_opened_is_drawn(client: FlaskClient, engine: Engine, world: World) -> None:
    """In the minute that is not over: the line is above its threshold, and the alert begins where the line rises."""
    fired(world)
    (alert,) = alerts_of(engine)
    page = client.get(f"/alerts/{format_id(alert.id)}").text
    (drawn,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    traces = json.loads(html.unescape(drawn))["data"]
    line = next(one for one in traces if one.get("mode") == "lines")
    band = next(one for one in traces if one["type"] == "bar")
    risen = [x for x, y in zip(line["x"], line["y"], strict=True) if y]
    assert [0, 1] == sorted(set(line["y"]))
    assert [risen[0]] == band["x"] == [alert.began_s * 1000]
    assert risen[-1] - risen[0] == 60_000


def test_an_alert_that_waits_names_the_one_that_was_told(
    client: FlaskClient, engine: Engine, directory: Directory, world: World
) -> None:
    """Where a channel was told of the issue; without any channel nobody was told at all."""
    world.begin(*DEFAULT_RULES)
    rounds = Rounds(engine, engine, now=world.clock)
    world.invoke(700, name="silent", type="CardError", result=Result.ERROR)
    world.run(rounds, 705)
    directory.add(Draft("chat", "webhook", {"url": "https://example.com", "secret": SECRET}, is_default=True))
    world.invoke(710, type="CardError", result=Result.ERROR)
    world.run(rounds, 715)
    by_subject = {(one.rule_id, one.subject.function_name): one for one in alerts_of(engine)}

    def said(alert: Alert) -> str:
        return read_words(client.get(f"/alerts/{format_id(alert.id)}").text)

    waiting, told = by_subject["errors", "checkout"], by_subject["new-issue", "checkout"]
    assert "Not told by itself: New issue told of the same failures. If others come, or these go on for 1 h" in said(
        waiting
    )
    assert f"/alerts/{format_id(told.id)}" in client.get(f"/alerts/{format_id(waiting.id)}").text
    assert "Not told by itself" not in said(told)
    assert "no channel hears of this rule" in said(by_subject["errors", "silent"])
    world.run(rounds, 3 * 3_600)
    assert re.search(r"told of the same failures\. (?!If)", said(waiting))


def test_several_alerts_of_a_function_are_one_line_on_its_page(
    client: FlaskClient, engine: Engine, world: World
) -> None:
    """With their names, each of which leads to its alert; more than four are counted."""
    rules = [replace(rule(name=f"Rule {number}"), id=f"rule-{number}") for number in range(1, 6)]
    rounds = world.begin(*rules)
    world.invoke(700, type="CardError", result=Result.ERROR)
    world.run(rounds, 705)
    (function_id,) = {alert.subject.function_id for alert in alerts_of(engine, "open")}
    page = client.get(f"/functions/{format_id(function_id or 0)}").text
    (hint,) = re.findall(r'<section class="alert-hint.*?</section>', page, re.DOTALL)
    assert read_words(hint).startswith("error 5 alerts open: Rule")
    assert hint.count("<p>") == 1
    assert sum(f"/alerts/{format_id(alert.id)}" in hint for alert in alerts_of(engine, "open")) == 4
    assert read_words(hint).endswith("and 1 more")
    send_form(client, "/alerts", alert=format_id(alerts_of(engine)[0].id), action="acknowledge")
    assert "5 alerts open, 1 acknowledged:" in client.get(f"/functions/{format_id(function_id or 0)}").text


def test_what_is_done_about_an_alert(client: FlaskClient, engine: Engine, world: World) -> None:
    """Acknowledged, snoozed, woken, resolved; each is in its history."""
    fired(world)
    (alert,) = alerts_of(engine)
    id = format_id(alert.id)
    done = send_form(client, "/alerts", alert=id, action="acknowledge", note="on it", back="/alerts/history?range=4h")
    assert (done.status_code, done.headers["Location"]) == (303, "/alerts/history?range=4h")
    assert "on it" in client.get(f"/alerts/{id}").text
    assert "open-count" not in client.get("/").text
    away = send_form(client, "/alerts", alert=id, action="snooze", **{"for": "4h"}, back="https://example.com/alerts")
    assert away.headers["Location"].startswith("/alerts")
    (snoozed,) = alerts_of(engine)
    assert snoozed.snoozed_until_ms == world.clock() // 1_000_000 + 4 * 3_600_000
    assert "snoozed until" in client.get("/alerts").text
    send_form(client, "/alerts", alert=id, action="wake")
    world.now_s += 1
    assert "snoozed until" not in client.get("/alerts").text
    send_form(client, "/alerts", alert=id, action="resolve")
    assert [one.state for one in alerts_of(engine)] == ["resolved"]
    page = client.get(f"/alerts/{id}").text
    for words in ("Acknowledged", "Snoozed", "Resolved"):
        assert f"<b>{words}</b>" in page
    for fields in ({"action": "explode"}, {"action": "snooze", "for": "ever"}, {"action": "resolve", "alert": "x"}):
        assert send_form(client, "/alerts", **fields).status_code == 400
    assert client.post("/alerts", data={"alert": id, "action": "resolve"}).status_code == 403


def test_hostile_names_are_text(client: FlaskClient, engine: Engine, directory: Directory, world: World) -> None:
    """On every page, wherever a sender or a person may put one."""
    name = MARK[:90]
    directory.add(Draft(name, "webhook", {"url": "https://example.com", "secret": SECRET}, is_default=True))
    rounds = world.begin(rule(name=MARK, description=MARK, channels=(name, "gone" + name)))
    world.invoke(700, name=MARK, type=MARK, message=MARK * 20, result=Result.ERROR)
    world.run(rounds, 705)
    (alert,) = alerts_of(engine)
    mute: dict[str, Any] = {
        "name": MARK,
        "how": "weekly",
        "weekdays": ["mon"],
        "start": "22:00",
        "length": "8h",
        "timezone": "UTC",
    }
    assert send_form(client, "/alerts/mutes", **mute, functions=MARK).status_code == 303
    send_form(client, "/alerts", alert=format_id(alert.id), action="acknowledge", note=MARK)
    paths = [
        "/alerts",
        "/alerts/history",
        f"/alerts/{format_id(alert.id)}",
        "/alerts/rules",
        "/alerts/rules/rule",
        "/alerts/mutes",
        "/alerts/channels",
        f"/alerts/channels/{channel_id(engine, name)}",
        "/alerts/deliveries",
        f"/functions/{format_id(alert.subject.function_id or 0)}",
    ]
    for path in paths:
        page = client.get(path)
        assert page.status_code == 200, path
        assert "&lt;img" in page.text, path
        assert "<img" not in page.text, path
        assert "<script>alert" not in page.text, path
    preview = send_form(client, "/alerts/preview", **fields_of(stored_rules(engine)["rule"], ConditionKind.ERRORS)).text
    assert "&lt;img" in preview
    assert "<img" not in preview


def test_the_first_moments(client: FlaskClient, world: World) -> None:
    """Before there is anything every page says so; nothing is called well that nobody looked at."""
    for path, words in (
        ("/alerts", "Nothing was received yet, so no alert can open"),
        ("/alerts/history", "No rule has fired yet"),
        ("/alerts/rules", "There is no rule"),
        ("/alerts/mutes", "New window"),
        ("/alerts/channels", "There is no channel yet"),
        ("/alerts/deliveries", "Nothing was delivered yet"),
    ):
        assert words in client.get(path).text
    world.invoke(10)
    assert "Nothing is wrong: no alert is open" in client.get("/alerts").text


def test_many_alerts_at_once(client: FlaskClient, engine: Engine, world: World) -> None:
    """The page has room for fifty of them; one click acknowledges all."""
    rounds = world.begin(rule())
    for number in range(60):
        world.invoke(700, name=f"function-{number}", result=Result.ERROR)
    world.run(rounds, 705)
    page = client.get("/alerts").text
    assert page.count("<article") == 50
    assert "Acknowledge all 60" in page
    assert ">10 more</a>" in page
    ids = [format_id(alert.id) for alert in alerts_of(engine)]
    assert all(f'name="alert" value="{id}"' in page for id in ids)
    assert send_form(client, "/alerts", alert=ids, action="acknowledge").status_code == 303
    assert {alert.state for alert in alerts_of(engine)} == {"acknowledged"}
    oldest = client.get("/alerts/history?state=acknowledged")
    assert "Older alerts" in oldest.text
