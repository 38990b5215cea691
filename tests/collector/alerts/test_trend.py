"""What the pages show of rules and alerts: values over time, an alert's situation, what a preview knows of issues."""

from __future__ import annotations

from collector.alerts.model import ConditionKind, Grouping, Rule, Scope
from collector.alerts.pages import count_active, list_alerts, preview_rule, situations, trend
from collector.alerts.trend import Trend
from collector.domain.facts import Result
from collector.store import issue_states
from tests.collector.alerts.world import DAY_S, QUEUE, World, issue_id, rule
from tests.collector.store.facts import function


def values(world: World, rule: Rule, *, until_s: int, key: str | None = None, step_s: int = 60) -> list[float | None]:
    with world.reading.connect() as connection:
        found = trend(
            connection,
            rule,
            start_s=DAY_S,
            end_s=DAY_S + until_s,
            step_s=step_s,
            now_ms=(DAY_S + until_s) * 1000,
            key=key,
        )
    assert [t for t, _ in found.points] == list(range(DAY_S + step_s, DAY_S + until_s + 1, step_s))
    return [value for _, value in found.points]


def test_a_trend_is_what_the_rounds_see(world: World) -> None:
    """Of the worst function, of one by itself, and of all together."""
    for at, name, result in ((10, "a", Result.ERROR), (70, "a", Result.OK), (80, "b", Result.ERROR)):
        world.invoke(at, name=name, result=result)
    by_function = rule(ConditionKind.ERROR_RATE, above=0.5, window_s=120)
    assert values(world, by_function, until_s=300) == [1, 1, 1, None, None]
    a = f"function:{function('a').id}"
    assert values(world, by_function, until_s=300, key=a) == [1, 0.5, 0, None, None]
    together = rule(ConditionKind.ERROR_RATE, above=0.5, window_s=120, grouping=Grouping.TOGETHER)
    assert values(world, together, until_s=240) == [1, 2 / 3, 0.5, None]
    assert values(world, rule(window_s=60), until_s=240) == [1, 1, 0, 0]
    assert values(world, rule(window_s=60, scope=Scope(("b",))), until_s=240) == [0, 1, 0, 0]
    assert values(world, rule(ConditionKind.ERROR_RATE, window_s=60, minimum=2), until_s=120) == [None, None]


def test_a_trend_below_a_threshold_is_the_least(world: World) -> None:
    for at, name in ((10, "a"), (20, "a"), (30, "b"), (70, "a")):
        world.invoke(at, name=name)
    quiet = rule(ConditionKind.DURATION, above=None, below=5, window_s=60)
    world.invoke(15, name="c", duration_ms=1000)
    assert [round(value or 0) for value in values(world, quiet, until_s=120)] == [10, 10]


def test_a_trend_of_issues_and_of_queues(world: World) -> None:
    for at in (10, 20, 70):
        world.invoke(at, name="a", result=Result.ERROR, type="KeyError", age_ms=at * 1000)
    issues = rule(ConditionKind.ISSUE, window_s=60)
    assert values(world, issues, until_s=180) == [2, 1, 0]
    assert values(world, issues, until_s=180, key=f"issue:{issue_id('a', 'KeyError')}") == [2, 1, 0]
    assert values(world, issues, until_s=180, key="issue:1") == [0, 0, 0]
    ages = rule(ConditionKind.AGE, above=5, window_s=60, grouping=Grouping.RESOURCE)
    assert values(world, ages, until_s=180) == [20, 70, None]
    assert values(world, ages, until_s=180, key=f"resource:{QUEUE.id}") == [20, 70, None]
    assert values(world, ages, until_s=180, key="resource:1") == [None, None, None]


def test_a_long_trend_ends_when_it_has_taken_long_enough(world: World) -> None:
    """The newest part is what is left."""
    world.invoke(10)
    clock = iter([0.0, 0.5, 2.0])
    with world.reading.connect() as connection:
        found = trend(
            connection,
            rule(),
            start_s=DAY_S - 5 * 86_400,
            end_s=DAY_S + 86_400,
            step_s=3_600,
            now_ms=DAY_S * 1000,
            monotonic=lambda: next(clock),
        )
    assert isinstance(found, Trend)
    assert (found.points[0][0], found.points[-1][0]) == (DAY_S + 12 * 3_600 + 3_600, DAY_S + 86_400)


def test_a_situation_says_what_a_message_says(world: World) -> None:
    """Of an alert that is open as of now, of one that is over as of its end; of none whose rule is gone."""
    rounds = world.begin(rule(window_s=120))
    for at in (605, 606):
        world.invoke(at, result=Result.ERROR, type="CardError", message="declined")
    world.run(rounds, 610)
    with world.reading.connect() as connection:
        (alert,) = list_alerts(connection).alerts
        (found,) = situations(connection, [alert.id, 5], now_ms=(DAY_S + 610) * 1000).values()
        assert count_active(connection, now_ms=(DAY_S + 610) * 1000) == {"error": 1}
        assert situations(connection, [], now_ms=0) == {}
    assert (found.title, found.error, found.count, found.errors) == ("checkout fails", "CardError: declined", 2, 2)
    assert found.functions == ("checkout",)
    assert found.trace is not None

    world.run(rounds, 1_500)
    with world.reading.connect() as connection:
        (over,) = situations(connection, [alert.id], now_ms=(DAY_S + 90_000) * 1000).values()
    assert (over.error, over.over) == ("CardError: declined", True)
    world.begin()
    with world.reading.connect() as connection:
        assert situations(connection, [alert.id], now_ms=(DAY_S + 1_500) * 1000) == {}


def test_a_preview_of_issues_that_came_back(world: World) -> None:
    """At the first occurrence after each time that they had been resolved."""
    world.begin()
    id = issue_id("checkout", "KeyError")
    for at, resolved_s in ((600, 700), (900, 1_000), (1_300, None)):
        world.now_s = at
        world.invoke(at, result=Result.ERROR, type="KeyError")
        world.invoke(at + 5, result=Result.ERROR, type="KeyError")
        if resolved_s is not None:
            world.now_s = resolved_s
            with world.writing.begin() as connection:
                issue_states.resolve(connection, [id], "anna", now=world.clock)
    with world.reading.connect() as connection:
        found = preview_rule(
            connection, rule(ConditionKind.REGRESSED_ISSUE, resolve_after_s=60), now_ms=(DAY_S + 3_600) * 1000
        )
    assert [one.since_s - DAY_S for one in found.fired] == [1_320, 960]
