"""One failure wakes nobody twice."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from collector.alerts.model import EVERY_EVENT, ConditionKind, Severity
from collector.alerts.rule_store import DEFAULT_RULES
from collector.domain.facts import Result
from tests.collector.alerts.world import World, rule

HOUR_S = 3_600


@pytest.fixture
def world(database: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(database, reader, monkeypatch)


def told(world: World) -> list[tuple[str, str]]:
    return [(notice.rule.id, str(notice.kind)) for notice in world.notices]


def test_a_failure_with_a_new_issue_is_told_once(world: World) -> None:
    """By what comes with the default rules: of the issue. The alert about errors is open, and tells nobody."""
    rounds = world.begin(*DEFAULT_RULES)
    world.invoke(605, result=Result.ERROR, type="CardDeclined")
    world.run(rounds, 610)

    assert {"errors", "new-issue"} == {row.rule_id for row in world.alerts()}
    assert [("new-issue", "opened")] == told(world)
    for second in range(660, 5_400, 60):
        world.run(rounds, second)
    assert [("new-issue", "opened"), ("new-issue", "resolved")] == told(world)


def test_what_was_over_before_its_hour_is_not_told_after_a_pause(world: World) -> None:
    """Nobody looked for two hours; then it is known to have ended, and nobody has to hear that it was there."""
    rounds = world.begin(*DEFAULT_RULES)
    world.invoke(605, result=Result.ERROR, type="CardDeclined")
    world.run(rounds, 610)
    world.run(rounds, 8_000)
    assert [("new-issue", "opened"), ("new-issue", "resolved")] == told(world)


def test_failures_that_go_on_are_told_when_they_would_have_been_told_again(world: World) -> None:
    rounds = world.begin(*DEFAULT_RULES)
    for second in range(605, HOUR_S + 900, 60):
        world.invoke(second, result=Result.ERROR, type="CardDeclined")
        world.run(rounds, second + 30)

    assert [("new-issue", "opened"), ("errors", "opened")] == told(world)
    assert world.notices[1].at_ms - world.notices[0].at_ms >= HOUR_S * 1000


def test_a_function_that_fails_as_before_is_told_of_at_once(world: World) -> None:
    """Its issue is known, and so says nothing."""
    rounds = world.begin(*DEFAULT_RULES)
    world.invoke(605, result=Result.ERROR, type="CardDeclined")
    for second in (610, *range(660, 20_000, 900)):
        world.run(rounds, second)
    world.invoke(20_000, result=Result.ERROR, type="CardDeclined")
    world.invoke(20_001, name="refund", result=Result.ERROR, type="CardDeclined")
    world.run(rounds, 20_010)

    late = [notice for notice in world.notices if notice.at_ms // 1000 - world.clock() // 10**9 > -60]
    assert {("errors", "checkout"), ("new-issue", "refund")} == {
        (notice.rule.id, notice.subject.function_name) for notice in late
    }


@pytest.mark.parametrize(
    "errors",
    [
        rule(id="errors", channels=("pager",)),
        rule(id="errors", severity=Severity.CRITICAL, channels=None),
        rule(id="errors", repeat_s=EVERY_EVENT),
        rule(ConditionKind.ERROR_RATE, id="errors", above=0.5),
        rule(id="errors", scope=DEFAULT_RULES[0].scope, window_s=600, channels=()),
    ],
    ids=["other people", "more severe", "every event", "a share", "nobody"],
)
def test_what_the_other_alert_does_not_tell_is_told(world: World, errors: object) -> None:
    """Other channels, a higher severity, a rule about every event or about something else: nothing waits."""
    new_issue = rule(ConditionKind.NEW_ISSUE, id="new-issue", severity=Severity.ERROR)
    rounds = world.begin(new_issue, errors)  # type: ignore[arg-type]
    world.invoke(605, result=Result.ERROR, type="CardDeclined")
    for second in (610, 660, 720):
        world.run(rounds, second)

    assert {("new-issue", "opened"), ("errors", "opened")} <= set(told(world))


def test_an_issue_that_came_while_the_round_had_begun_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its failure is seen by a round that does not know of the issue yet."""
    from collector.alerts import rounds as module

    rounds = world.begin(*DEFAULT_RULES)
    world.invoke(605, result=Result.ERROR, type="CardDeclined")
    with monkeypatch.context() as patched:
        patched.setattr(module, "number_changes", lambda *_, **__: 0)
        world.run(rounds, 610)
    assert [] == told(world)
    assert ["errors"] == [row.rule_id for row in world.alerts()]
    world.run(rounds, 620)
    assert [("new-issue", "opened")] == told(world)
