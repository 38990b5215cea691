"""Whom an alert hits: of all invocations those that its rule is about."""

from __future__ import annotations

import pytest

from collector.alerts.model import ConditionKind, Rule
from collector.domain.facts import IssueKind, Result
from tests.collector.alerts.world import World, rule


@pytest.mark.parametrize(
    ("made", "hits"),
    [
        (rule(ConditionKind.NEW_ISSUE), 2),
        (rule(ConditionKind.ISSUE, types=("CardDeclined",)), 2),
        (rule(ConditionKind.ERRORS), 6),
        (rule(ConditionKind.ERRORS, ignore_4xx=True), 5),
        (rule(ConditionKind.ERROR_RATE, above=0.1, ignore_4xx=True), 5),
        (rule(ConditionKind.TIMEOUTS), 3),
        (rule(ConditionKind.NEAR_TIMEOUT, share=0.8), 1),
        (rule(ConditionKind.DURATION, above=1), 0),
        (rule(ConditionKind.MEMORY, above=0.4), 0),
    ],
    ids=lambda value: str(value.condition.kind) if isinstance(value, Rule) else str(value),
)
def test_hits_are_what_the_rule_is_about(world: World, made: Rule, hits: int) -> None:
    """Of eight invocations two failed with the issue, three ran into the time limit of 3 s and one came near it, and
    one failed by its caller's mistake."""
    rounds = world.begin(made)
    for second in (601, 602):
        world.invoke(second, result=Result.ERROR, type="CardDeclined")
    for second in (603, 604, 605):
        world.invoke(second, result=Result.TIMEOUT, type="Timeout", duration_ms=3_000, kind=IssueKind.TIMEOUT)
    world.invoke(606, result=Result.ERROR, type="HTTP 404")
    world.invoke(607, duration_ms=2_600)
    world.invoke(608)
    for second in (615, 690):
        world.run(rounds, second)

    notice = next(one for one in world.notices if one.subject.name in ("checkout", "CardDeclined"))
    assert (hits, 8) == (notice.errors, notice.invocations)


def test_what_timed_out_is_not_about_to(world: World) -> None:
    """Also with its issue muted, and for all functions together."""
    rounds = world.begin(rule(ConditionKind.NEAR_TIMEOUT, share=0.8))
    world.invoke(603, result=Result.TIMEOUT, type="Timeout", duration_ms=2_990, kind=IssueKind.TIMEOUT)
    world.run(rounds, 610)
    assert [] == world.told
