"""Rules about execution tags: what is read for them."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from collector.alerts.model import ConditionKind, Grouping, Rule, Scope
from collector.domain.facts import Result
from tests.collector.alerts.world import World, rule

ACME = Scope(execution_tags=(("tenant", "acme"), ("tenant", "globex")))
PAYING = Scope(execution_tags=(("plan", "paid"), ("tenant", "acme")))


@pytest.mark.parametrize(
    ("made", "from_rows"),
    [
        (rule(ConditionKind.INVOCATIONS, above=2, scope=ACME), False),
        (rule(ConditionKind.INVOCATIONS, above=2, scope=ACME, grouping=Grouping.TOGETHER), False),
        (rule(ConditionKind.ERRORS, above=2, scope=ACME), False),
        (rule(ConditionKind.ERROR_RATE, above=0.7, scope=ACME), False),
        (rule(ConditionKind.COST, above=2e-9, scope=ACME), False),
        (rule(ConditionKind.COLD_STARTS, above=0.7, scope=ACME), True),
        (rule(ConditionKind.DURATION, above=5, scope=ACME), True),
        (rule(ConditionKind.ERRORS, above=1, scope=PAYING), True),
        (rule(ConditionKind.ERRORS, above=2, scope=ACME, ignore_4xx=True), True),
    ],
    ids=lambda value: f"{value.condition.kind} {value.grouping}" if isinstance(value, Rule) else str(value),
)
def test_a_rule_about_one_tag_reads_no_invocations(world: World, made: Rule, *, from_rows: bool) -> None:
    """Where the tag's sums have what it needs. What it finds is the same: of the four invocations that failed two are
    acme's, one is globex's, and one has no such tag; two of acme's are of a paid plan."""
    rounds = world.begin(made)
    statements: list[str] = []
    event.listen(world.reading, "before_cursor_execute", lambda *said: statements.append(said[2]))
    for second, tags in ((601, "acme"), (602, "acme"), (603, "globex"), (604, "other")):
        paid = [("plan", "paid")] if tags == "acme" else []
        world.invoke(second, result=Result.ERROR, cold_start=True, tags=[("tenant", tags), *paid])
    for second in (610, 690):
        world.run(rounds, second)

    assert ["opened"] == world.told
    assert from_rows == any("invocation_tags" in statement for statement in statements)


def test_one_invocation_less_is_not_enough(world: World) -> None:
    """What other values of the tag and other tags have does not count."""
    rounds = world.begin(rule(above=2, scope=ACME, grouping=Grouping.TOGETHER))
    for second, tags in ((601, ("tenant", "acme")), (602, ("tenant", "globex")), (603, ("plan", "acme"))):
        world.invoke(second, result=Result.ERROR, tags=[tags])
    world.run(rounds, 690)
    assert [] == world.told
    world.invoke(640, result=Result.ERROR, tags=[("tenant", "acme")])
    world.run(rounds, 750)
    assert ["opened"] == world.told
