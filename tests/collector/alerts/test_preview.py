"""A preview says what the rule would have done, by the same way."""

from __future__ import annotations

import random

from collector.alerts.catalog import Catalog
from collector.alerts.model import ConditionKind, Grouping, Metric, Rule, Scope
from collector.alerts.preview import MOST, preview
from collector.domain.facts import IssueKind, Result
from tests.collector.alerts.world import DAY_S, World, rule

RULES = [
    rule(id="errors"),
    rule(ConditionKind.ERROR_RATE, above=0.4, id="rate", minimum=3, window_s=600),
    rule(ConditionKind.TIMEOUTS, id="timeouts"),
    rule(ConditionKind.DURATION, above=500, id="slow", window_s=600),
    rule(ConditionKind.NEAR_TIMEOUT, id="near"),
    rule(ConditionKind.MEMORY, above=0.6, id="memory"),
    rule(ConditionKind.COLD_STARTS, above=0.5, id="cold"),
    rule(ConditionKind.THROTTLES, id="throttles"),
    rule(ConditionKind.INVOCATIONS, above=None, below=1, id="silent", window_s=300),
    rule(ConditionKind.INVOCATIONS, above=8, id="busy", grouping=Grouping.TOGETHER),
    rule(ConditionKind.COST, above=0.004, id="cost", window_s=3600, grouping=Grouping.TOGETHER),
    rule(ConditionKind.AGE, above=60, id="age", grouping=Grouping.RESOURCE),
    rule(ConditionKind.ISSUE, id="issue", types=("ValueError",)),
    rule(ConditionKind.NEW_ISSUE, id="new", resolve_after_s=1800),
    rule(ConditionKind.BURN_RATE, id="burn", objective=0.8, above=None),
]


def previewed(world: World, made: Rule) -> list[tuple[str, int, int | None]]:
    with world.reading.connect() as connection:
        found = preview(connection, made, now_ms=world.clock() // 10**6, monotonic=lambda: 0.0)
    assert not found.limited
    ends = {one.since_s: one.until_s for one in found.fired}
    assert len(ends) <= len(found.fired)
    return sorted(
        (one.subject.name, one.since_s - DAY_S, None if one.until_s is None else one.until_s - DAY_S)
        for one in found.fired
    )


def test_a_preview_is_what_happened(world: World) -> None:
    """An hour and a half of three functions with all kinds of trouble, looked at as they went by and afterwards."""
    generator = random.Random(11)  # any will do, as long as it is the same tomorrow
    rounds = world.begin(*RULES)
    for minute in range(90):
        for name in ("pay", "ship", "mail"):
            quiet = (minute // 20 + len(name)) % 3 == 0
            for _ in range(0 if quiet else generator.choice((0, 1, 2))):
                failed = generator.random() < (0.6 if minute // 30 % 2 else 0.05)
                world.invoke(
                    60 * minute + generator.randrange(5),
                    name=name,
                    result=Result.ERROR if failed else Result.OK,
                    type=generator.choice(("ValueError", "Timeout", "KeyError")) if failed else None,
                    kind=IssueKind.FAILURE,
                    duration_ms=generator.choice((10, 400, 2900)),
                    max_memory_mb=generator.choice((40, 60, 90)),
                    cold_start=generator.random() < 0.3,
                    cost_pd=10**9,
                    age_ms=generator.choice((None, 10_000, 70_000)),
                    throttled=int(generator.random() < 0.1),
                )
        world.run(rounds, 60 * minute + 7)
    for minute in range(90, 151):
        world.run(rounds, 60 * minute + 7)

    fired = 0
    for made in RULES:
        happened = sorted((name, since, last) for name, since, last, _ in world.intervals(made.id))
        open_ones = [row.since_s - DAY_S for row in world.alerts() if row.rule_id == made.id and row.state == "open"]
        ended = [(name, since, None if since in open_ones else last) for name, since, last in happened]
        assert previewed(world, made) == ended, made.id
        fired += len(ended)
    assert fired > 25


def test_a_preview_ends_in_time(world: World) -> None:
    """What takes too long, or fires too often, is cut off, newest first; a scope without functions is told."""
    for number in range(MOST + 20):
        world.invoke(60, name=f"function-{number}", result=Result.ERROR)
    world.now_s = 7200
    ticks = iter(range(0, 1000, 1))
    with world.reading.connect() as connection:
        now_ms = world.clock() // 10**6
        many = preview(connection, rule(), now_ms=now_ms, catalog=Catalog())
        slow = preview(connection, rule(), now_ms=now_ms, monotonic=lambda: float(next(ticks)))
        nothing = preview(connection, rule(scope=Scope(("nobody",))), now_ms=now_ms)
        unusual = preview(connection, rule(ConditionKind.ANOMALY, above=5, metric=Metric.COST), now_ms=now_ms)
    assert (len(many.fired), many.limited) == (MOST, True)
    assert slow.limited
    assert slow.start_s > DAY_S + 7200 - 86_400
    assert "No function" in nothing.reason
    assert unusual.fired == ()
