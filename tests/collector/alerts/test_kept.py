"""What rounds keep for the next one changes nothing of what they find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.alerts.conditions import completed, finest_step_s
from collector.alerts.kept import gaps
from collector.alerts.model import Condition, ConditionKind, Grouping, Rule
from collector.domain.facts import Result
from tests.collector.alerts.maker import Maker
from tests.collector.alerts.strategies import SLOW, Raw, raws, rules, store
from tests.collector.alerts.world import DAY_S, World, rule


@pytest.fixture
def makers(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Maker, Maker]]:
    both = Maker(dialect, tmp_path, request, monkeypatch), Maker(dialect, tmp_path, request, monkeypatch)
    yield both
    for maker in both:
        maker.close()


ERRORS = Rule("rule", "Rule", Condition(ConditionKind.ERRORS, above=0), window_s=60, resolve_after_s=60)
TOGETHER = Rule(
    "rule", "Rule", Condition(ConditionKind.ERRORS, above=1), window_s=300, grouping=Grouping.TOGETHER, minimum=1
)
MEMORY = Rule("rule", "Rule", Condition(ConditionKind.MEMORY, above=0.6), window_s=120, resolve_after_s=60)


@given(
    st.lists(
        st.builds(
            lambda raw, at_s, delay_s: replace(raw, at_s=at_s, arrives_s=at_s + delay_s),
            raws,
            st.integers(0, 900),
            st.sampled_from((1, 5, 20, 70, 130, 190, 300)),
        ),
        min_size=1,
        max_size=25,
    ),
    st.lists(rules(), min_size=1, max_size=6),
    st.lists(st.integers(5, 70), min_size=12, max_size=18),
    st.booleans(),
)
@settings(SLOW, max_examples=8)
@example(
    [
        Raw(55, "pay", True, None, 1, 100, False, 0, (), None, 0, 75),
        Raw(55, "pay", True, None, 1, 10, False, 0, (), None, 0, 200),
    ],
    [ERRORS, TOGETHER, MEMORY],
    [10] * 40,
    True,
)
def test_a_round_that_remembers_decides_as_one_that_does_not(
    makers: tuple[Maker, Maker], every: list[Raw], made: list[Rule], pauses: list[int], slow: bool
) -> None:
    """Nor does it if all takes so long that each round reads what one rule looks at, or looks at one moment."""
    # Alerts that cover no moment between those that met the condition, so that only these count.
    made = [replace(completed(one), id=f"rule-{number}", resolve_after_s=60) for number, one in enumerate(made)]
    steps = {one.id: finest_step_s(one) for one in made}
    found = []
    for maker, lasting in zip(makers, (True, False), strict=True):
        world = maker.make()
        world.now_s = -600
        cpu = count().__next__ if slow and not lasting else lambda: 0
        rounds = world.begin(*made, cpu=cpu)
        arrivals = sorted(every, key=lambda raw: (raw.arrives_s, raw.at_s))
        at_s = 0
        for pause in [*pauses, *[60] * 6, 5000, 60]:
            at_s += pause
            while arrivals and arrivals[0].arrives_s <= at_s:
                raw = arrivals.pop(0)
                world.now_s = raw.arrives_s
                store(world, raw)
            world.run(rounds if lasting else world.rounds(cpu), at_s)
        found.append(
            {
                (row.rule_id, row.subject_key, t)
                for row in world.alerts()
                for t in range(row.since_s, row.last_s + 60, 60)
                if t % steps[row.rule_id] == 0 and t <= DAY_S + at_s  # of the last minute one may know more already
            }
        )
    assert found[0] == found[1]


def test_late_data_between_whole_rounds_is_in_the_sums_of_the_next(world: World) -> None:
    """It is looked at, and not noted any more, before the next whole round begins with what the last one kept."""
    rounds = world.begin(rule(above=2, window_s=900))
    for number in range(3):
        world.invoke(300 + number)
    for second in (310, 370, 430, 490, 550, 610):
        world.run(rounds, second)
    for number in range(2):
        world.invoke(310 + number, result=Result.ERROR)
    world.run(rounds, 620)
    world.run(rounds, 670)
    world.invoke(700, result=Result.ERROR)
    world.run(rounds, 730)
    assert [("checkout", 720, 780, "open")] == [
        (name, since, max(last, 780), state) for name, since, last, state in world.intervals()
    ]
    for second in range(790, 1_700, 60):
        world.run(rounds, second)
    assert [("checkout", 720, 1_200, "resolved")] == world.intervals()


def test_the_end_of_a_minute_that_comes_after_the_first_look_counts(world: World) -> None:
    """Also between minutes at which nothing else changes."""
    rounds = world.begin(rule(window_s=60))
    world.invoke(100)
    for second in (110, 185, 245):
        world.run(rounds, second)
    world.invoke(179, result=Result.ERROR)
    world.run(rounds, 305)
    assert [("checkout", 180, 180)] == [interval[:3] for interval in world.intervals()]


def test_the_minutes_that_are_not_known() -> None:
    assert [] == gaps({0, 60}, 0, 120)
    assert [(0, 120), (180, 240)] == gaps({120}, 0, 240)
    assert [] == gaps({}, 60, 60)
