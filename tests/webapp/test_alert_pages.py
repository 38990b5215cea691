"""The pages of alerts, rules, mute windows and channels: what they show, what their forms change, what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, update

from collector.alerts import outbox
from collector.alerts.conditions import KINDS, completed
from collector.alerts.directory import Directory, Draft, open_values
from collector.alerts.keyring import Keyring
from collector.alerts.model import (
    Alert,
    Burn,
    ConditionKind,
    Grouping,
    Metric,
    NoticeKind,
    Rule,
    Scope,
    Severity,
)
from collector.alerts.networks import Networks
from collector.alerts.pages import list_alerts, list_mutes, read_rule, read_rules
from collector.alerts.rounds import Rounds
from collector.domain.facts import Result
from collector.store.channel_tables import channels, deliveries
from tests.collector.alerts.notices import notice
from tests.collector.alerts.world import World, rule
from tests.webapp.forms import send_form
from webapp import create_app
from webapp.identifiers import format_id
from webapp.rules.form import form_of, new_form, values_of
from webapp.rules.words import describe_condition

MARK = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
SECRET = "0123456789-secret-0123456789"
MAIL = {"name": "x", "value-to": "a@example.com", "value-from": "b@example.com", "value-host": "mail.example.com"}


@pytest.fixture
def world(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(engine, engine, monkeypatch, now_s=600)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(path=tmp_path / "clew.key")


@pytest.fixture
def directory(engine: Engine, world: World, keyring: Keyring) -> Directory:
    return Directory(engine, keyring, Networks(), "http://127.0.0.1", now=lambda: world.clock() // 1_000_000)


@pytest.fixture
def client(engine: Engine, world: World, directory: Directory) -> FlaskClient:
    return create_app(engine, now=lambda: world.clock() // 1_000_000, directory=directory).test_client()


def fired(world: World, name: str = "checkout", **said: Any) -> Rounds:
    """A rule about errors that has fired on a function of that name."""
    rounds = world.begin(rule(name="Checkout fails", **said))
    world.invoke(700, name=name, type="CardError", message="card was declined", result=Result.ERROR)
    world.run(rounds, 705)
    return rounds


def alerts_of(engine: Engine, state: str = "all") -> tuple[Alert, ...]:
    with engine.connect() as connection:
        return list_alerts(connection, state=state).alerts


def stored_rules(engine: Engine) -> dict[str, Rule]:
    with engine.connect() as connection:
        return {id: stored.rule for id, stored in read_rules(connection).items()}


def fields_of(rule: Rule | None, kind: ConditionKind) -> dict[str, str | list[str]]:
    """What a browser sends of the form as it stands."""
    form = new_form(kind) if rule is None else form_of(rule)
    sent: dict[str, str | list[str]] = {
        name: value for name, value in form.items() if isinstance(value, str) or name == "channels"
    }
    sent |= {name: "1" for name, value in form.items() if value is True}
    for number, burn in enumerate(form["burns"]):
        sent |= {f"{part}-{number}": text for part, text in burn.items()}
    return sent


RULES = [
    rule(
        above=3,
        minimum=10,
        ignore_4xx=True,
        scope=Scope(("a-*", "b"), ("eu-west-1",), ("123",), (("t", "1"), ("t", "2"))),
    ),
    rule(ConditionKind.DURATION, above=None, below=250, percentile=0.99, grouping=Grouping.TOGETHER, window_s=3_600),
    rule(ConditionKind.ISSUE, above=5, types=("ValueError", "Task timed out"), repeat_s=0, channels=("On call", "x")),
    rule(ConditionKind.ANOMALY, above=4, below=-3, metric=Metric.DURATION, days=7, channels=()),
    rule(ConditionKind.BURN_RATE, above=None, objective=0.95, burns=(Burn(3_600, 300, 10.5), Burn(7_200, 600, 2))),
    rule(ConditionKind.COST, above=12.5, month=True, repeat_s=14_400, enabled=False, severity=Severity.CRITICAL),
    rule(ConditionKind.NEAR_TIMEOUT, above=0, share=0.9, description="Look here.\nThen there."),
    rule(ConditionKind.AGE, above=90, grouping=Grouping.FUNCTION, resolve_after_s=86_400),
    rule(ConditionKind.INVOCATIONS, above=None, below=1, window_s=7 * 86_400),
]


@pytest.mark.parametrize("given", RULES, ids=lambda given: str(given.condition.kind))
def test_a_form_loses_nothing_of_a_rule(given: Rule) -> None:
    assert read_rule(given.id, values_of(form_of(given))) == completed(given)


@pytest.mark.parametrize("kind", ConditionKind)
def test_every_condition_has_a_form(client: FlaskClient, engine: Engine, world: World, kind: ConditionKind) -> None:
    """It can be looked at in advance, saved as it stands, and saved again without a change."""
    world.begin()
    world.invoke(10)
    assert KINDS[kind].title in client.get("/alerts/new-rule").text
    page = client.get(f"/alerts/new-rule?condition={kind}")
    assert page.status_code == 200
    sent = fields_of(None, kind) | {"name": f"A rule about {kind}"}

    preview = send_form(client, "/alerts/preview", **sent)
    assert preview.status_code == 200
    assert "Fires when" in preview.text
    assert describe_condition(read_rule("x", values_of(new_form(kind)))) in preview.text
    assert stored_rules(engine) == {}
    assert "<h1" not in preview.text
    without_script = send_form(client, "/alerts/new-rule", action="preview", **sent)
    assert without_script.status_code == 200
    assert "Fires when" in without_script.text
    assert stored_rules(engine) == {}

    assert send_form(client, "/alerts/new-rule", action="save", **sent).status_code == 303
    ((id, made),) = stored_rules(engine).items()
    assert id == f"a-rule-about-{kind}"
    assert made.condition.kind is kind
    assert client.get(f"/alerts/rules/{id}").status_code == 200
    assert send_form(client, f"/alerts/rules/{id}", action="save", **fields_of(made, kind)).status_code == 303
    assert stored_rules(engine) == {id: made}
    assert describe_condition(made)[:20] in client.get("/alerts/rules").text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"above": "many"}, "above: not a share"),
        ({"name": ""}, "a rule needs a name"),
        ({"window": "90s"}, "window: must be whole minutes"),
        ({"minimum": "1.5"}, "minimum: must be a whole number"),
        ({"severity": "dire"}, "is none of critical"),
        ({"tags": "tenant"}, ""),
        ({"repeat": "1s"}, "repeat: must be once"),
        ({"description": "x" * 2_001}, "at most 2000 characters"),
    ],
)
def test_what_cannot_be_saved(client: FlaskClient, engine: Engine, changed: dict[str, str], said: str) -> None:
    """The page says where and why, and keeps what was typed."""
    sent = fields_of(None, ConditionKind.ERROR_RATE) | {"name": "Kept as typed"} | changed
    answer = send_form(client, "/alerts/new-rule", action="save", **sent)
    if not said:  # a tag without a value is one whose value is empty
        assert answer.status_code == 303
        return
    assert answer.status_code == 400
    assert said in answer.text
    for text in changed.values():
        assert text in answer.text
    assert stored_rules(engine) == {}


def test_two_rules_of_one_name(client: FlaskClient, engine: Engine) -> None:
    """Each has an id of its own, also where nothing of a name can be in one."""
    for name in ("Checkout fails!", "checkout FAILS", "支払い", "…"):
        sent = fields_of(None, ConditionKind.ERRORS) | {"name": name}
        assert send_form(client, "/alerts/new-rule", action="save", **sent).status_code == 303
    assert set(stored_rules(engine)) == {"checkout-fails", "checkout-fails-2", "rule", "rule-2"}


def test_switching_and_deleting_a_rule(client: FlaskClient, engine: Engine, world: World) -> None:
    """Nothing else of it changes; its open alerts resolve when it is deleted."""
    fired(world, scope=Scope(("check*",)), minimum=1)
    (before,) = stored_rules(engine).values()
    assert send_form(client, "/alerts/rules/rule/switch", enabled="0").status_code == 303
    assert stored_rules(engine) == {"rule": replace(before, enabled=False)}
    assert send_form(client, "/alerts/rules/rule/switch", enabled="1").status_code == 303
    assert stored_rules(engine) == {"rule": before}
    assert send_form(client, "/alerts/rules/rule/delete").status_code == 303
    assert stored_rules(engine) == {}
    assert [alert.state for alert in alerts_of(engine)] == ["resolved"]
    (alert,) = alerts_of(engine)
    page = client.get(f"/alerts/{format_id(alert.id)}")
    assert page.status_code == 200
    assert "It was deleted" in page.text
    assert client.get("/alerts/history").status_code == 200
    for path in ("/alerts/rules/rule", "/alerts/rules/rule%00", "/alerts/ffffffffffffffff", "/alerts/nothing"):
        assert client.get(path).status_code == 404


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


def test_mute_windows(client: FlaskClient, engine: Engine, world: World) -> None:
    """Once and every week; changed, refused, removed."""
    world.begin(rule())
    once: dict[str, Any] = {"name": "Deployment", "how": "once", "enabled": "1", "functions": "a-*", "rules": ["rule"]}
    times = {"from": "2026-11-16T00:00Z", "until": "2026-11-16T01:00Z"}
    assert send_form(client, "/alerts/mutes", **once, **times).status_code == 303
    weekly: dict[str, Any] = {
        "name": "Nights",
        "how": "weekly",
        "weekdays": ["mon", "tue"],
        "start": "22:00",
        "length": "8h",
    }
    assert send_form(client, "/alerts/mutes", **weekly, timezone="Europe/Berlin", enabled="1").status_code == 303
    page = client.get("/alerts/mutes").text
    for words in ("Monday, Tuesday from 22:00 for 8 h, Europe/Berlin", "a-*", ">on</span>", "not now"):
        assert words in page
    wrong = send_form(client, "/alerts/mutes", **weekly, timezone="Mars/Olympus")
    assert wrong.status_code == 400
    assert "is no timezone" in wrong.text
    assert send_form(client, "/alerts/mutes", **(once | {"name": ""}), **times).status_code == 400
    assert send_form(client, "/alerts/mutes", **once, **times, id="nothing").status_code == 404
    changed = send_form(client, "/alerts/mutes", **weekly, timezone="UTC", id="nights")
    assert changed.status_code == 303
    with engine.connect() as connection:
        rows = {row.mute.id: row for row in list_mutes(connection, now_ms=world.clock() // 1_000_000)}
    assert set(rows) == {"deployment", "nights"}
    assert (rows["deployment"].is_on, rows["deployment"].mute.rules) == (True, ("rule",))
    assert (rows["nights"].mute.timezone, rows["nights"].mute.enabled) == ("UTC", False)
    assert 'value="nights"' in client.get("/alerts/mutes?mute=nights").text
    assert send_form(client, "/alerts/mutes/nights/delete").status_code == 303
    assert "Nights" not in client.get("/alerts/mutes").text


def channel_id(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        id = connection.scalar(select(channels.c.id).where(channels.c.name == name))
    assert id is not None
    return format_id(id)


def test_a_channel_shows_no_secret(client: FlaskClient, engine: Engine, keyring: Keyring) -> None:
    """Neither when it is made, nor when it is refused, changed or looked at; left empty it stays as it was."""
    sent = {
        "kind": "pagerduty",
        "name": "On call",
        "value-routing_key": "0123456789abcdef0123456789abcdef",
        "least": "info",
    }
    pages = [send_form(client, "/alerts/new-channel", **(sent | {"name": ""}))]
    assert pages[0].status_code == 400
    assert send_form(client, "/alerts/new-channel", **sent, enabled="1", is_default="1").status_code == 303
    id = channel_id(engine, "On call")
    changed = sent | {"name": "Nights", "value-routing_key": "", "least": "critical"}
    assert send_form(client, f"/alerts/channels/{id}", **changed).status_code == 303
    pages += [client.get(path) for path in ("/alerts/channels", f"/alerts/channels/{id}", "/alerts/deliveries")]
    assert all(sent["value-routing_key"] not in page.text for page in pages)
    with engine.connect() as connection:
        row = connection.execute(select(channels)).one()
    assert (row.name, row.least_severity, row.enabled, row.is_default) == ("Nights", "critical", False, False)
    assert open_values(keyring, row.id, row.settings, row.secrets)["routing_key"] == sent["value-routing_key"]
    assert "critical" in pages[1].text
    assert send_form(client, f"/alerts/channels/{id}/remove").status_code == 303
    assert "There is no channel yet" in client.get("/alerts/channels").text
    for path in (f"/alerts/channels/{id}", f"/alerts/channels/{id}/test", f"/alerts/channels/{id}/remove"):
        assert send_form(client, path, **changed).status_code == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"kind": "webhook", "name": "x", "value-url": "ftp://example.com", "value-secret": SECRET},
            "must be an address",
        ),
        ({"kind": "webhook", "name": "x", "value-url": "https://example.com"}, "Signing secret is needed"),
        ({"kind": "email", **MAIL, "value-security": "rot13"}, "is one of starttls"),
        ({"kind": "webhook", "name": "x", "least": "dire"}, "The least severity is"),
        ({"kind": "pigeon", "name": "x"}, "no such kind"),
    ],
)
def test_a_channel_that_cannot_be(client: FlaskClient, fields: dict[str, str], said: str) -> None:
    """It says why, in words that hold no secret."""
    answer = send_form(client, "/alerts/new-channel", **({"least": "info"} | fields))
    assert answer.status_code == 400
    assert said in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "kind", ["slack", "pagerduty", "opsgenie", "jsm", "jira", "teams", "email", "webhook", "apprise"]
)
def test_every_kind_has_a_form(client: FlaskClient, kind: str) -> None:
    page = client.get(f"/alerts/new-channel?kind={kind}")
    assert page.status_code == 200
    assert "Add the channel" in page.text
    assert f"kind={kind}" in client.get("/alerts/new-channel").text


def test_a_test_that_may_not_leave(client: FlaskClient, engine: Engine, directory: Directory) -> None:
    """An internal address is not asked, and the page says which setting would allow it."""
    directory.add(Draft("Inside", "webhook", {"url": "http://127.0.0.1:9/hook", "secret": SECRET}))
    page = send_form(client, f"/alerts/channels/{channel_id(engine, 'Inside')}/test")
    assert page.status_code == 200
    assert "CLEW_ALERT_NETWORKS" in page.text
    assert "/hook" not in page.text
    assert ">failed</span>" in client.get("/alerts/channels").text


def test_deliveries_that_were_given_up(client: FlaskClient, engine: Engine, directory: Directory, world: World) -> None:
    """They are told on the first page, with their reason, and wait again when somebody says so."""
    directory.add(Draft("On call", "webhook", {"url": "https://example.com", "secret": SECRET}, is_default=True))
    now_ms = world.clock() // 1_000_000
    with engine.begin() as connection:
        outbox.add(connection, [notice(at_ms=now_ms), notice(2, NoticeKind.OPENED, at_ms=now_ms)], now_ms=now_ms)
        connection.execute(update(deliveries).values(state="dead", ended_ms=now_ms, reason=f"They said {MARK}"))
    assert "2 messages were given up" in client.get("/alerts").text
    page = client.get("/alerts/deliveries?state=dead").text
    assert "They said &#34;&gt;&lt;img" in page
    with engine.connect() as connection:
        first, second = connection.scalars(select(deliveries.c.id).order_by(deliveries.c.id))
    assert send_form(client, "/alerts/deliveries", delivery=format_id(first), back="//example.com").status_code == 303
    with engine.connect() as connection:
        states = {row.id: row.state for row in connection.execute(select(deliveries))}
    assert states == {first: "waiting", second: "dead"}
    for query in (
        "state=waiting",
        "state=nonsense",
        "before=1",
        "before=x",
        f"channel={channel_id(engine, 'On call')}",
    ):
        assert client.get(f"/alerts/deliveries?{query}").status_code == 200


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


def test_without_a_directory_nothing_of_channels_changes(engine: Engine, world: World) -> None:
    """Channels are shown and cannot be changed."""
    client = create_app(engine, now=lambda: world.clock() // 1_000_000).test_client()
    assert client.get("/alerts/channels").status_code == 200
    sent = {"kind": "webhook", "name": "x", "value-url": "https://example.com", "value-secret": SECRET, "least": "info"}
    assert send_form(client, "/alerts/new-channel", **sent).status_code == 403


def test_the_first_moments(client: FlaskClient) -> None:
    """Before there is anything every page says so."""
    for path, words in (
        ("/alerts", "Nothing is wrong"),
        ("/alerts/history", "No rule has fired yet"),
        ("/alerts/rules", "There is no rule"),
        ("/alerts/mutes", "New window"),
        ("/alerts/channels", "There is no channel yet"),
        ("/alerts/deliveries", "Nothing was delivered yet"),
    ):
        assert words in client.get(path).text


def test_rules_as_a_file(client: FlaskClient, engine: Engine, world: World) -> None:
    """What there is as YAML; what another would change, before it does."""
    world.begin(rule(name=f"Made here {MARK}"))
    download = client.get("/alerts/rules.yaml")
    assert download.mimetype == "application/yaml"
    assert "attachment" in download.headers["Content-Disposition"]
    same = send_form(client, "/alerts/rules-file", file=download.text, action="compare")
    assert "Nothing is different" in same.text
    assert "<img" not in same.text
    page = client.get("/alerts/rules-file").text
    assert "condition: errors" in page
    assert "<img" not in page

    text = "version: 1\nrules:\n  slow:\n    condition: duration\n    above: 2s\n"
    window = "mutes:\n  night: {start: '22:00', length: 8h}\n"
    compared = send_form(client, "/alerts/rules-file", file=text + window, action="compare").text
    for words in ("1 rule is made or changed, 0 removed; 1 mute window", "+  slow:", ">Apply</button>"):
        assert words in compared
    assert set(stored_rules(engine)) == {"rule"}
    assert send_form(client, "/alerts/rules-file", file=text + window, action="apply").status_code == 303
    assert set(stored_rules(engine)) == {"rule", "slow"}
    assert "This rule came from a file" in client.get("/alerts/rules/slow").text
    assert "night" in client.get("/alerts/mutes").text
    other = "version: 1\nrules:\n  other: {condition: errors}\n"
    assert send_form(client, "/alerts/rules-file", file=other, action="apply").status_code == 303
    assert set(stored_rules(engine)) == {"rule", "other"}
    for wrong, said in (("", "the file is empty"), (f"version: 1\nrules: {{x: {{condition: '{MARK}'}}}}", "line 2")):
        answer = send_form(client, "/alerts/rules-file", file=wrong, action="apply")
        assert answer.status_code == 400
        assert said in answer.text
        assert "<img" not in answer.text
    assert set(stored_rules(engine)) == {"rule", "other"}


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
