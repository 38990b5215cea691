"""Costs of a month and their forecast, against sums over the invocations themselves."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.alerts.catalog import Catalog
from collector.alerts.conditions import completed
from collector.alerts.evaluation import Planner, evaluate
from collector.alerts.kept import Kept
from collector.alerts.model import Condition, ConditionKind, Grouping, Rule
from collector.alerts.windows import Windows
from tests.collector.alerts.maker import Maker
from tests.collector.alerts.strategies import SLOW
from tests.collector.alerts.world import DAY_S
from tests.collector.store.facts import function

DAY = 86_400
NAMES = ("pay", "ship")
Spent = tuple[int, str, int]  # seconds since DAY_S, a function, picodollars


def month(t: int) -> tuple[int, int]:
    """Start and end of the month that the second before `t` is in."""
    day = datetime.fromtimestamp(t - 1, UTC)
    start = datetime(day.year, day.month, 1, tzinfo=UTC)
    days = calendar.monthrange(day.year, day.month)[1]
    return int(start.timestamp()), int(start.timestamp()) + days * DAY


def between(spent: list[Spent], names: tuple[str, ...], start: int, end: int) -> float:
    """In dollars; minutes count as wholes."""
    return sum(cost for at, name, cost in spent if name in names and start <= (DAY_S + at) // 60 * 60 < end) / 1e12


def so_far(spent: list[Spent], names: tuple[str, ...], t: int) -> float:
    return between(spent, names, month(t)[0], t)


def forecast(spent: list[Spent], names: tuple[str, ...], t: int) -> float:
    oldest = min(((DAY_S + at) // 3_600 * 3_600 for at, _, _ in spent), default=t)
    since = max(t - 7 * DAY, min(oldest, t - 3_600))
    pace = between(spent, names, since, t) / (t - since)
    return so_far(spent, names, t) + pace * (month(t)[1] - t)


COST = Rule("cost", "Cost", Condition(ConditionKind.COST, above=0, month=True), grouping=Grouping.FUNCTION)
RULES = (
    COST,
    Rule("cost-all", "Cost", Condition(ConditionKind.COST, above=0, month=True), grouping=Grouping.TOGETHER),
    Rule("next", "Forecast", Condition(ConditionKind.FORECAST, above=0), grouping=Grouping.FUNCTION),
    Rule("next-all", "Forecast", Condition(ConditionKind.FORECAST, above=0), grouping=Grouping.TOGETHER),
)


@given(
    st.lists(
        st.tuples(st.integers(-20 * DAY, 16 * DAY), st.sampled_from(NAMES), st.integers(10**9, 10**13)), max_size=20
    ),
    st.lists(st.integers(-19 * 96, 16 * 96), min_size=1, max_size=6, unique=True),
    st.booleans(),
)
@settings(SLOW, max_examples=12)
@example([(15 * DAY - 30, "pay", 10**12), (15 * DAY + 30, "ship", 10**12)], [15 * 96, 15 * 96 + 1], True)
@example([(-100, "pay", 10**12)], [0, 1, 7 * 96, 8 * 96], False)
def test_costs_of_a_month(maker: Maker, spent: list[Spent], quarters: list[int], of_round: bool) -> None:
    """At any quarter of an hour, also on both sides of a month's end, for each function and for all together."""
    world = maker.make()
    for at, name, cost in spent:
        world.now_s = at + 60
        world.invoke(at, name=name, cost_pd=cost)
    moments = [DAY_S + 900 * quarter for quarter in sorted(quarters)]
    catalog, planner = Catalog(), Planner()
    plans = [planner.plan(completed(one)) for one in RULES]
    with world.reading.connect() as connection:
        catalog.refresh(connection)
        sums = Windows(
            connection,
            catalog,
            last_s=moments[-1],
            now_ms=(moments[-1] + 60) * 1000,
            kept=Kept() if of_round else None,
        )
        found = evaluate(sums, plans, moments, lambda *_: True, catalog)

    known = tuple(sorted({name for _, name, _ in spent}))
    groups = {f"function:{function(name).id}": (name,) for name in known}
    for one in RULES:
        value_of = so_far if one.condition.kind is ConditionKind.COST else forecast
        wanted = groups if one.grouping is Grouping.FUNCTION else {"all": known} if known else {}
        expected = {(t, key): value_of(spent, names, t) for t in moments for key, names in wanted.items()}
        values = {(hit.t, hit.key): hit.value for hit in found.get(one.id, ())}
        assert {at: value for at, value in expected.items() if value > 0} == pytest.approx(values)
