"""The pages of rules and mute windows: their forms, the preview, the file, and what they refuse."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, update

from collector.alerts.conditions import KINDS, completed
from collector.alerts.directory import Directory
from collector.alerts.model import (
    Burn,
    ConditionKind,
    Grouping,
    Metric,
    Rule,
    Scope,
    Severity,
)
from collector.alerts.pages import list_mutes, read_rule
from collector.domain.facts import Result
from collector.store.alert_tables import alert_rules
from tests.collector.alerts.world import DAY_S, World, rule
from tests.webapp.alerting import MARK, alerts_of, fields_of, fired, stored_rules
from tests.webapp.forms import send_form
from tests.webapp.test_lives import words as read_words
from webapp import charts, create_app
from webapp.identifiers import format_id
from webapp.rules.form import form_of, new_form, values_of
from webapp.rules.words import describe_condition


@pytest.fixture
def client(engine: Engine, world: World, directory: Directory) -> FlaskClient:
    return create_app(engine, now=lambda: world.clock() // 1_000_000, directory=directory).test_client()


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
        ({"above": "many"}, "not a share"),
        ({"name": ""}, "a rule needs a name"),
        ({"window": "90s"}, "must be whole minutes, from 1m to 7d"),
        ({"minimum": "1.5"}, "must be a whole number"),
        ({"severity": "dire"}, "is none of critical"),
        ({"tags": "tenant"}, ""),
        ({"repeat": "1s"}, "must be once, every event"),
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


def test_all_that_is_wrong_is_said_at_once(client: FlaskClient, engine: Engine) -> None:
    """Beside each field, and together above them, by the names that the form has for them."""
    wrong = {"name": "", "above": "many", "window": "90s", "minimum": "1.5", "repeat": "1s"}
    sent = fields_of(None, ConditionKind.ERROR_RATE) | wrong
    answer = send_form(client, "/alerts/new-rule", action="save", **sent)
    assert answer.status_code == 400
    (summary,) = re.findall(r'<div class="problem".*?</div></div>', answer.text, re.DOTALL)
    said = read_words(summary)
    assert said.startswith("Nothing was saved: 5 fields need another look. Name : a rule needs a name")
    for text in ("Fires above : not a share", "Within : must be whole minutes", "Least invocations : must be a whole"):
        assert text in said
    assert "How often : must be once" in said
    for name in wrong:
        assert f'id="fault-{name}"' in answer.text
        assert f'aria-describedby="fault-{name}"' in answer.text
    preview = send_form(client, "/alerts/preview", **sent).text
    assert "Within: must be whole minutes" in preview
    assert "rule needs a name" not in preview
    assert stored_rules(engine) == {}


@pytest.mark.parametrize(
    ("kind", "changed", "expected"),
    [
        (ConditionKind.INVOCATIONS, {"above": "", "below": ""}, ["above"]),
        (ConditionKind.INVOCATIONS, {"above": "3", "below": "1", "window": "x"}, ["below", "window"]),
        (ConditionKind.ANOMALY, {"days": "99", "above": "x"}, ["above", "days"]),
        (ConditionKind.BURN_RATE, {"objective": "200%", "long-1": "5m", "short-1": "1h"}, ["objective", "burns"]),
        (ConditionKind.ISSUE, {"types": "x" * 9_000, "regions": "y" * 9_000}, ["types", "regions"]),
    ],
)
def test_faults_of_every_kind(
    client: FlaskClient, kind: ConditionKind, changed: dict[str, str], expected: list[str]
) -> None:
    answer = send_form(client, "/alerts/new-rule", action="save", **fields_of(None, kind) | {"name": "A"} | changed)
    assert answer.status_code == 400
    assert re.findall(r'<span class="fault name" id="fault-([a-z-]+)"', answer.text) == expected


def test_the_preview_begins_with_the_data_and_shows_what_fired(client: FlaskClient, world: World) -> None:
    """Its points are looked at less often than the rule is; a moment that fired stands above the line all the same."""
    world.begin()
    world.invoke(30)
    world.invoke(700, result=Result.ERROR)
    world.now_s = 3 * 3_600
    text = send_form(client, "/alerts/preview", **fields_of(None, ConditionKind.ERRORS)).text
    assert "when the first data came" in read_words(text)
    (drawn,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    line = next(one for one in json.loads(html.unescape(drawn))["data"] if one.get("mode") == "lines")
    assert line["x"][0] / 1000 - DAY_S < 600
    assert max(line["y"]) == 1
    world.now_s = 840
    text = send_form(client, "/alerts/preview", **fields_of(None, ConditionKind.ERRORS)).text
    (drawn,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    line = next(one for one in json.loads(html.unescape(drawn))["data"] if one.get("mode") == "lines")
    assert line["x"][-1] - line["x"][0] == 59 * 60_000  # an hour, of which a part has no value
    assert {None, 0, 1} == set(line["y"])
    world.now_s = 8 * 86_400
    assert "in the last seven days" in read_words(
        send_form(client, "/alerts/preview", **fields_of(None, ConditionKind.ERRORS)).text
    )


def test_points_rise_to_what_fired_between_them() -> None:
    points = [(0, 0.0), (900, None), (1800, 2.0), (2700, 0.0)]
    assert charts.with_peaks(points, [(60, 120, 7.0)]) == [(0, 0.0), (900, 7.0), (1800, 2.0), (2700, 0.0)]
    assert charts.with_peaks(points, [(1000, 1700, 1.5)]) == points
    assert charts.with_peaks(points, [(2000, None, 3.0)])[3] == (2700, 3.0)
    assert charts.with_peaks(points, [(2800, None, 3.0)]) == points
    assert charts.with_peaks(points, [(1000, 1700, 0.5)], lowest=True)[2] == (1800, 0.5)


def test_two_rules_of_one_name(client: FlaskClient, engine: Engine) -> None:
    """Each has an id of its own, also where nothing of a name can be in one."""
    for name in ("Checkout fails!", "checkout FAILS", "支払い", "…"):
        sent = fields_of(None, ConditionKind.ERRORS) | {"name": name}
        assert send_form(client, "/alerts/new-rule", action="save", **sent).status_code == 303
    assert set(stored_rules(engine)) == {"checkout-fails", "checkout-fails-2", "rule", "rule-2"}


def test_a_rule_that_cannot_be_read(client: FlaskClient, engine: Engine, world: World) -> None:
    """It is shown with the reason, beside the others, and can be deleted; its open alerts resolve."""
    fired(world, scope=Scope(("check*",)), minimum=1)
    with engine.begin() as connection:
        connection.execute(update(alert_rules).values(definition='{"condition": "of a later version"}'))
    page = read_words(client.get("/alerts/rules").text)
    assert "cannot be read, and looks at nothing" in page
    assert client.get("/alerts/rules/rule").status_code == 404
    assert send_form(client, "/alerts/rules/rule/delete").status_code == 303
    assert "cannot be read" not in client.get("/alerts/rules").text
    assert [alert.state for alert in alerts_of(engine)] == ["resolved"]


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
    assert "Timezone: " in wrong.text
    empty = send_form(client, "/alerts/mutes", **(weekly | {"length": "8d"}), timezone="UTC")
    assert "a weekly window needs a Start such as 22:00" in empty.text
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
