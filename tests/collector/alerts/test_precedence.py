"""One failure wakes nobody twice."""

from __future__ import annotations

import pytest

from collector.alerts.model import EVERY_EVENT, ConditionKind, Rule, Scope, Severity
from collector.alerts.rounds import Rounds
from collector.alerts.rule_store import DEFAULT_RULES
from collector.alerts.settlement import NOT_ALONE
from collector.domain.facts import IssueKind, Result
from collector.store import issue_states
from tests.collector.alerts.world import World, issue_id, rule

HOUR_S, DAY_S = 3_600, 86_400
KNOWN, NEW = "CardDeclined", "BrokenDeploy"
NEW_ISSUE = rule(ConditionKind.NEW_ISSUE, id="new-issue", severity=Severity.ERROR)
TOLD_OF_NEW, TOLD_OF_ERRORS = ("new-issue", NEW), ("errors", KNOWN)


def told(world: World) -> list[tuple[str, str]]:
    return [(notice.rule.id, str(notice.kind)) for notice in world.notices]


def fail(world: World, at_s: float, type: str = KNOWN, count: int = 1, tags: tuple[tuple[str, str], ...] = ()) -> None:
    for number in range(count):
        world.invoke(at_s + number / 100, result=Result.ERROR, type=type, tags=tags)


def begin(world: World, *rules: Rule, known: str = KNOWN) -> Rounds:
    """In a world that has one issue since long ago."""
    fail(world, -2 * DAY_S, known)
    return world.begin(*(rules or DEFAULT_RULES))


def openings(world: World) -> list[tuple[str, str]]:
    """Of every alert that was told: its rule, and the issue that its message shows."""
    return [
        (notice.rule.id, notice.issue.type if notice.issue is not None else "")
        for notice in world.notices
        if notice.kind == "opened"
    ]


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


@pytest.mark.parametrize("known_s", [606, 615, 1_800, 4_100], ids=["same round", "next round", "later", "at the end"])
def test_another_issue_that_gets_worse_is_told_at_once(world: World, known_s: int) -> None:
    """Although an issue of the function was told within the hour, and goes on. Its message is about the other issue,
    which the new one outnumbers."""
    rounds = begin(world)
    happens = sorted([*((second, NEW) for second in range(605, known_s + 1, 60)), (known_s, KNOWN)])
    for second, type in happens:
        fail(world, second, type)
        if second < known_s - 30:
            world.run(rounds, second + 5)
            assert [TOLD_OF_NEW] == openings(world)
    world.run(rounds, known_s + 5)

    assert {TOLD_OF_NEW, TOLD_OF_ERRORS} == set(openings(world))
    assert len(world.notices) == 2
    (about_known,) = [notice for notice in world.notices if notice.rule.id == "errors"]
    assert about_known.note == NOT_ALONE
    world.run(rounds, known_s + 600)
    assert len(openings(world)) == 2


def test_a_new_issue_after_one_that_got_worse_is_told_as_well(world: World) -> None:
    rounds = begin(world)
    fail(world, 605)
    world.run(rounds, 610)
    assert [TOLD_OF_ERRORS] == openings(world)
    assert world.notices[0].note == ""
    fail(world, 615, NEW)
    world.run(rounds, 620)
    assert [TOLD_OF_ERRORS, TOLD_OF_NEW] == openings(world)


def test_two_new_issues_explain_what_both_bring(world: World) -> None:
    rounds = begin(world)
    fail(world, 605, NEW, 3)
    fail(world, 606, "NewToo", 2)
    for second in (610, 620, 680):
        world.run(rounds, second)
    assert {TOLD_OF_NEW, ("new-issue", "NewToo")} == set(openings(world))
    fail(world, 690)
    world.run(rounds, 695)
    assert TOLD_OF_ERRORS == openings(world)[-1]


def test_an_issue_that_came_back_explains_its_failures_alone(world: World) -> None:
    rounds = begin(world)
    with world.writing.begin() as connection:
        issue_states.resolve(connection, [issue_id("checkout", KNOWN)], "ada", now=world.clock)
    fail(world, 605)
    for second in (610, 660, 720):
        world.run(rounds, second)
    assert [("regressed-issue", KNOWN)] == openings(world)
    fail(world, 725, NEW)
    world.run(rounds, 730)
    assert [("regressed-issue", KNOWN), TOLD_OF_NEW] == openings(world)


def test_what_is_left_is_held_against_the_threshold_of_the_rule(world: World) -> None:
    """Three more failures than the told issue's are too few, in any of its windows; five are enough."""
    rounds = begin(world, NEW_ISSUE, rule(id="errors", above=4, window_s=300, severity=Severity.ERROR))
    fail(world, 605, NEW, 6)
    fail(world, 606, KNOWN, 3)
    world.run(rounds, 610)
    fail(world, 1_000, NEW, 6)
    fail(world, 1_001, KNOWN, 3)
    world.run(rounds, 1_005)
    assert [TOLD_OF_NEW] == openings(world)
    assert "errors" in {row.rule_id for row in world.alerts()}
    fail(world, 1_010, KNOWN, 2)
    world.run(rounds, 1_015)
    assert [TOLD_OF_NEW, TOLD_OF_ERRORS] == openings(world)


def test_only_what_the_rule_counts_is_taken_off(world: World) -> None:
    """No occurrences that are no failures, and none that are the client's and so were never counted."""
    near = rule(ConditionKind.NEW_ISSUE, id="new-issue", types=("near-timeout", "HTTP 404"), severity=Severity.ERROR)
    rounds = begin(world, near, rule(id="errors", ignore_4xx=True, severity=Severity.ERROR))
    for second in range(5):
        world.invoke(605 + second, type="NearTimeout", kind=IssueKind.NEAR_TIMEOUT)
    fail(world, 611, "HTTP 404", 3)
    world.run(rounds, 612)
    assert {("new-issue", "NearTimeout"), ("new-issue", "HTTP 404")} == set(openings(world))
    fail(world, 620)
    world.run(rounds, 625)
    assert TOLD_OF_ERRORS == openings(world)[-1]


def test_tags_of_executions_go_for_what_is_taken_off_as_well(world: World) -> None:
    acme = (("tenant", "acme"),)
    errors = rule(id="errors", scope=Scope(execution_tags=acme), severity=Severity.ERROR)
    rounds = begin(world, NEW_ISSUE, errors)
    fail(world, 605, NEW, tags=acme)
    fail(world, 606, NEW, 4)
    fail(world, 607, KNOWN, 4)
    for second in (610, 660):
        world.run(rounds, second)
    assert [TOLD_OF_NEW] == openings(world)
    fail(world, 665, tags=acme)
    world.run(rounds, 670)
    assert [TOLD_OF_NEW, "errors"] == [openings(world)[0], openings(world)[1][0]]


def test_what_arrives_late_is_told_when_it_is_there(world: World) -> None:
    """Of a minute half an hour ago, in which nothing but the new issue was known to have happened."""
    rounds = begin(world)
    for second in range(605, 3_000, 60):
        fail(world, second, NEW)
        world.run(rounds, second + 5)
    assert [TOLD_OF_NEW] == openings(world)
    fail(world, 1_000)
    world.run(rounds, 3_005)
    assert [TOLD_OF_NEW, TOLD_OF_ERRORS] == openings(world)


def test_what_was_over_in_a_pause_is_told_after_it(world: World) -> None:
    """The other issue failed in a window that nobody looked at when it was the last one."""
    rounds = begin(world)
    for second in range(605, 3_000, 60):
        fail(world, second, NEW)
        if second < 700:
            world.run(rounds, second + 5)
    fail(world, 1_000)
    world.run(rounds, 3_000)
    assert [TOLD_OF_NEW, TOLD_OF_ERRORS] == openings(world)


@pytest.mark.parametrize("repeat_s", [900, HOUR_S, None])
def test_after_it_was_told_it_is_repeated_as_ever(world: World, repeat_s: int | None) -> None:
    """And without another issue the first telling is as late as a repeat would be."""
    errors = rule(id="errors", repeat_s=repeat_s, severity=Severity.ERROR)
    rounds = begin(world, NEW_ISSUE, errors)
    for second in range(605, 605 + 2 * HOUR_S, 60):
        fail(world, second, NEW)
        world.run(rounds, second + 5)
    first_s = [notice.at_ms // 1000 for notice in world.notices]
    held_s = repeat_s or HOUR_S
    assert [("new-issue", "opened"), ("errors", "opened")] == told(world)[:2]
    assert 0 <= first_s[1] - first_s[0] - held_s <= 60
    repeats = [kind for id, kind in told(world) if id == "errors"][1:]
    assert repeats == (["repeated"] * len(repeats) if repeat_s else [])
    assert len(repeats) == {900: 6, HOUR_S: 0, None: 0}[repeat_s]


def test_an_issue_that_comes_with_a_known_one_hides_it_in_no_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round that does not know of the new issue yet tells of the known one."""
    from collector.alerts import rounds as module

    rounds = begin(world)
    fail(world, 605, NEW, 3)
    fail(world, 606)
    with monkeypatch.context() as patched:
        patched.setattr(module, "number_changes", lambda *_, **__: 0)
        world.run(rounds, 610)
    assert [TOLD_OF_ERRORS] == openings(world)
    world.run(rounds, 620)
    assert [TOLD_OF_ERRORS, TOLD_OF_NEW] == openings(world)
