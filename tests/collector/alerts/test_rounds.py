"""Rounds: alerts open, go on and resolve, each told once, whatever comes late and whoever dies."""

from __future__ import annotations

from collector.alerts.model import ConditionKind
from collector.domain.facts import Result
from tests.collector.alerts.world import DAY_S, World, rule


def test_an_error_opens_an_alert_and_its_end_resolves_it(world: World) -> None:
    """The alert opens within the minute of the error, and resolves when none was in the window for long enough."""
    rounds = world.begin(rule(window_s=120))
    world.invoke(605, result=Result.ERROR)
    world.run(rounds, 610)
    assert [("checkout", 660, 660, "open")] == world.intervals()
    assert ["opened"] == world.told

    world.run(rounds, 800)
    assert [("checkout", 660, 720, "open")] == world.intervals()
    world.run(rounds, 840)
    assert [("checkout", 660, 720, "resolved")] == world.intervals()
    assert ["opened", "resolved"] == world.told
    assert ["opened", "resolved"] == world.history()


def test_rounds_that_see_the_same_again_change_nothing(world: World) -> None:
    """However often a moment is looked at, there is one alert and one notice."""
    rounds = world.begin(rule())
    world.invoke(65, result=Result.ERROR)
    for second in range(70, 300, 10):
        world.run(rounds, second)

    assert [("checkout", 120, 300, "open")] == world.intervals()
    assert ["opened"] == world.told


def test_late_data_counts_for_the_window_it_belongs_to(world: World) -> None:
    """An error that arrives an hour late opens an alert of then, which is over at once; told once."""
    rounds = world.begin(rule(window_s=120))
    world.run(rounds, 7200)
    world.invoke(3605, result=Result.ERROR)
    world.run(rounds, 7205)
    world.invoke(3606, result=Result.ERROR)
    world.run(rounds, 7215)
    world.run(rounds, 7300)

    assert [("checkout", 3660, 3720, "resolved")] == world.intervals()
    assert ["opened", "resolved"] == world.told


def test_a_restart_neither_repeats_nor_misses(world: World) -> None:
    """Another process goes on where the last one was: what came while none ran is found."""
    world.run(world.begin(rule(window_s=60)), 60)
    world.invoke(605, result=Result.ERROR)
    world.run(world.rounds(), 900)
    world.run(world.rounds(), 910)

    assert [("checkout", 660, 660, "resolved")] == world.intervals()
    assert ["opened", "resolved"] == world.told


def test_none_at_all(world: World) -> None:
    """A function that stops being called is told of; one that is new to us, or a collector that was away, is not."""
    rounds = world.begin(rule(ConditionKind.INVOCATIONS, above=None, below=1, window_s=600))
    for second in range(0, 1200, 60):
        world.invoke(second)
        world.run(rounds, second + 1)
    assert [] == world.intervals()
    for second in range(1200, 2400, 60):
        world.run(rounds, second)
    assert [("checkout", 1800, 2220, "open")] == world.intervals()
    world.invoke(2401)
    for second in range(2410, 2900, 60):
        world.run(rounds, second)
    assert [("checkout", 1800, 2400, "resolved")] == world.intervals()


def test_two_that_believe_to_be_the_only_one_exclude_each_other(world: World) -> None:
    """Of two that look at the same, the second finds that the first was there."""
    first = world.begin(rule())
    second = world.rounds()
    world.invoke(65, result=Result.ERROR)
    world.now_s = 130
    with world.reading.connect() as connection:
        look = second._look(connection, world.clock() // 1_000_000)
    assert first.run().notices == 1
    monkey = second._look
    second._look = lambda *_: look  # type: ignore[method-assign]
    assert not second.run().done
    second._look = monkey  # type: ignore[method-assign]
    assert ["opened"] == world.told
    assert DAY_S + 120 == world.alerts()[0].since_s
