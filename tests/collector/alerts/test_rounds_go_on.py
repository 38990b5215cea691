"""What one rule, one mute window or a wrong clock does to the rounds of all rules: nothing that lasts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text, update

from collector.alerts import evaluation, settlement
from collector.alerts.catalog import Catalog
from collector.alerts.failing_rules import PAUSE_MS
from collector.alerts.lifecycle import merge
from collector.alerts.model import MuteWindow
from collector.alerts.rule_store import save_mute
from collector.domain.facts import Result
from collector.store.alert_tables import alert_mutes
from tests.collector.alerts.world import World, rule

# An integer overflow in either database.
OVERFLOW = text("SELECT abs(CAST(-9223372036854775807 - 1 AS BIGINT))")


def test_a_rule_that_fails_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once and left out, its open alert stays, and it is looked at again later."""
    rounds = world.begin(rule(), rule(id="bad", window_s=120))
    world.invoke(605, result=Result.ERROR)
    world.run(rounds, 610)
    assert ["opened", "opened"] == world.told

    real, fails = evaluation.hits_at, True

    def hits(sums: Any, plan: evaluation.Plan, t: int, scope: frozenset[int]) -> list[evaluation.Hit]:
        if plan.rule.id == "bad" and fails:
            sums._connection.execute(OVERFLOW)
        return real(sums, plan, t, scope)

    monkeypatch.setattr(evaluation, "hits_at", hits)
    for second in range(660, 1_200, 30):
        world.run(rounds, second)
    assert [("checkout", 660, 900, "resolved")] == world.intervals("rule")
    assert [("checkout", 660, 660, "open")] == world.intervals("bad")
    assert ["bad" in record.getMessage() for record in caplog.records] == [True]

    fails = False
    world.run(rounds, 1_200 + PAUSE_MS / 1000)
    assert [("checkout", 660, "resolved")] == [(name, since, state) for name, since, _, state in world.intervals("bad")]


def test_a_rule_whose_alerts_cannot_be_written_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails after the look is found as well."""
    rounds = world.begin(rule(), rule(id="bad"))
    real = merge

    def failing(plan: evaluation.Plan, *values: Any, **named: Any) -> Any:
        if plan.rule.id == "bad":
            raise OverflowError("too large")
        return real(plan, *values, **named)

    monkeypatch.setattr(settlement, "merge", failing)
    world.invoke(605, result=Result.ERROR)
    world.run(rounds, 610)
    assert [row.rule_id for row in world.alerts()] == ["rule"]
    assert ["bad" in record.getMessage() for record in caplog.records] == [True]


def test_what_is_no_rules_fault_is_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out when the database itself does not answer."""
    rounds = world.begin(rule())

    def fail(*_: Any) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "refresh", fail)
        with pytest.raises(OSError, match="gone"):
            world.run(rounds, 600)
    world.invoke(605, result=Result.ERROR)
    world.run(rounds, 610)
    assert ["opened"] == world.told


def test_a_mute_window_that_cannot_be_read_is_left_out(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The others still hold, and it is logged once."""
    rounds = world.begin(rule())
    window = {"start_ms": 1_000_000_000_000, "end_ms": 4_000_000_000_000}
    with world.writing.begin() as connection:
        for id in ("broken", "whole"):
            save_mute(connection, MuteWindow(id=id, name=id, **window), now_ms=0)  # type: ignore[arg-type]
        broken = update(alert_mutes).where(alert_mutes.c.id == "broken")
        connection.execute(broken.values(definition='{"from": ['))
    world.invoke(605, result=Result.ERROR)
    world.run(rounds, 610)
    world.run(rounds, 620)
    assert [True] == [row.muted for row in world.alerts()]
    assert [] == world.told
    assert ["broken" in record.getMessage() for record in caplog.records] == [True]


def test_a_clock_that_was_ahead_silences_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """After the clock is right again, what fails opens an alert at once; two clocks that differ little are usual."""
    rounds = world.begin(rule())
    world.run(rounds, 7_800)
    world.run(rounds, 600)
    assert ["ahead" in record.getMessage() for record in caplog.records] == [True]
    world.invoke(665, result=Result.ERROR)
    world.run(rounds, 670)
    world.run(rounds, 730)
    assert ["opened"] == world.told

    world.run(rounds, 650)
    assert len(caplog.records) == 1
