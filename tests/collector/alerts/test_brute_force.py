"""The evaluation against a reading of the raw invocations, one by one, that knows nothing of rollups."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.alerts.catalog import Catalog
from collector.alerts.conditions import completed
from collector.alerts.evaluation import Planner, evaluate
from collector.alerts.model import Condition, ConditionKind, Grouping, Rule
from collector.alerts.windows import Windows
from collector.domain.histogram import bucket_of, middle_ms
from tests.collector.alerts.maker import Maker
from tests.collector.alerts.strategies import SLOW, SPAN_S, Raw, raws, rules, store
from tests.collector.alerts.world import DAY_S, QUEUE, issue_id
from tests.collector.store.facts import function


def in_scope(rule: Rule, name: str) -> bool:
    patterns = {"pay": {"pay"}, "*a*": {"pay", "mail"}, "ship": {"ship"}, "mail": {"mail"}, "none": set()}
    return not rule.scope.functions or any(name in patterns[one] for one in rule.scope.functions)


def tagged(rule: Rule, raw: Raw) -> bool:
    wanted: dict[str, set[str]] = {}
    for key, value in rule.scope.execution_tags:
        wanted.setdefault(key, set()).add(value)
    return all(dict(raw.tags).get(key) in values for key, values in wanted.items())


def readings(rule: Rule, every: list[Raw], t: int) -> dict[str, float]:
    """The rule's value by subject at a moment; only those whose sample is large enough."""
    known = {raw.name: min(one.at_s for one in every if one.name == raw.name) for raw in every}
    names = sorted(name for name in known if in_scope(rule, name))
    if rule.grouping is Grouping.TOGETHER:
        groups = {"all": names} if names else {}
    else:
        groups = {f"function:{function(name).id}": [name] for name in names}
    rows = [raw for raw in every if tagged(rule, raw)]
    if rule.condition.kind is ConditionKind.ISSUE:
        return _issues(rule, rows, t)
    if rule.condition.kind is ConditionKind.AGE and rule.grouping is Grouping.RESOURCE:
        groups = {f"resource:{QUEUE.id}": names}
    found = {}
    for key, some in groups.items():
        value, sample = _value(rule, [raw for raw in rows if raw.name in some], t)
        if rule.condition.kind is ConditionKind.INVOCATIONS:
            early = [name for name in some if known[name] <= t - rule.window_s]
            if not early and not sample:
                continue
            if value is None:
                value = 0
        elif rule.condition.kind not in (ConditionKind.COST, ConditionKind.AGE) and sample < rule.minimum:
            continue
        if value is not None:
            found[key] = value
    return found


def _within(rows: list[Raw], t: int, window_s: int) -> list[Raw]:
    return [raw for raw in rows if t - window_s <= raw.at_s // 60 * 60 < t]


def _issues(rule: Rule, rows: list[Raw], t: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for raw in _within(rows, t, rule.window_s):
        type = raw.issue
        if type is None or not in_scope(rule, raw.name) or (rule.ignore_4xx and type == "HTTP 404"):
            continue
        if not rule.condition.types or type in rule.condition.types:
            key = f"issue:{issue_id(raw.name, type)}"
            found[key] = found.get(key, 0) + 1
    return found


def _failures(rule: Rule, rows: list[Raw]) -> int:
    return sum(raw.failed and not (rule.ignore_4xx and raw.type == "HTTP 404") for raw in rows)


def _value(rule: Rule, every: list[Raw], t: int) -> tuple[float | None, int]:
    rows, kind = _within(every, t, rule.window_s), rule.condition.kind
    sample = len(rows)
    if kind is ConditionKind.BURN_RATE:
        best = None
        for burn in rule.condition.burns:
            long, short = _within(every, t, burn.long_s), _within(every, t, burn.short_s)
            if long:
                shares = [_failures(rule, some) / len(some) if some else 0.0 for some in (long, short)]
                value = min(shares) / (1 - rule.condition.objective) / burn.rate
                if best is None or value > best[0]:
                    best = (value, len(long))
        return best or (None, 0)
    if kind is ConditionKind.DURATION:
        return _percentile(rule, rows), sample
    if kind in (ConditionKind.ERROR_RATE, ConditionKind.COLD_STARTS) and not rows:
        return None, 0
    values: dict[ConditionKind, Callable[[], float]] = {
        ConditionKind.ERRORS: lambda: _failures(rule, rows),
        ConditionKind.ERROR_RATE: lambda: _failures(rule, rows) / sample,
        ConditionKind.TIMEOUTS: lambda: sum(raw.issue == "Timeout" for raw in rows),
        ConditionKind.OUT_OF_MEMORY: lambda: sum(raw.issue == "Runtime.OutOfMemory" for raw in rows),
        ConditionKind.NEAR_TIMEOUT: lambda: sum(_rounded(raw) > 2400 for raw in rows),
        ConditionKind.MEMORY: lambda: max((raw.memory_mb for raw in rows), default=0) / 128,
        ConditionKind.COLD_STARTS: lambda: sum(raw.cold for raw in rows) / sample,
        ConditionKind.THROTTLES: lambda: sum(raw.throttled for raw in rows),
        ConditionKind.INVOCATIONS: lambda: sample,
        ConditionKind.COST: lambda: sum(raw.cost_pd for raw in rows) / 1e12,
        ConditionKind.AGE: lambda: max((raw.age_ms or 0 for raw in rows), default=0) / 1000,
    }
    return values[kind](), sample


def _rounded(raw: Raw) -> float:
    """A histogram knows a duration to within 2 %."""
    return middle_ms(bucket_of(raw.duration_ms * 1_000_000))


def _percentile(rule: Rule, rows: list[Raw]) -> float | None:
    durations = sorted(_rounded(raw) for raw in rows)
    rank = math.ceil(rule.condition.percentile * len(durations))
    return durations[max(rank, 1) - 1] if durations else None


def is_met(rule: Rule, value: float) -> bool:
    if rule.condition.above is not None:
        return value > rule.condition.above
    assert rule.condition.below is not None
    return value < rule.condition.below


@given(st.lists(raws, max_size=25), st.lists(rules(), min_size=1, max_size=8), st.integers(1, 89), st.integers(0, 60))
@SLOW
def test_conditions_are_met_when_the_invocations_say_so(
    maker: Maker, every: list[Raw], made: list[Rule], first: int, length: int
) -> None:
    """Every kind of condition, over every window and scope, at every minute."""
    world = maker.make()
    world.now_s = SPAN_S
    for raw in every:
        store(world, raw)
    planner, catalog = Planner(), Catalog()
    plans = [planner.plan(rule) for rule in made]
    moments = [DAY_S + 60 * minute for minute in range(first, first + length + 1)]
    with world.reading.connect() as connection:
        catalog.refresh(connection)
        sums = Windows(connection, catalog, last_s=moments[-1], now_ms=world.clock() // 10**6)
        found = evaluate(sums, plans, moments, lambda *_: True, catalog)

    for plan in plans:
        strict = {(hit.t - DAY_S, hit.key) for hit in found.get(plan.rule.id, ()) if hit.strict}
        values = {(hit.t - DAY_S, hit.key): hit.value for hit in found.get(plan.rule.id, ())}
        for t in (moment - DAY_S for moment in moments):
            if (DAY_S + t) % plan.step_s:
                continue
            for key, value in readings(plan.rule, every, t).items():
                assert is_met(plan.rule, value) == ((t, key) in strict), (plan.rule, t, key, value)
                if (t, key) in values:
                    assert values.pop((t, key)) == pytest.approx(value)
                strict.discard((t, key))
        assert not strict
        assert not values


@given(st.lists(raws, max_size=12), rules(), st.lists(st.integers(60, 3 * 3600), min_size=1, max_size=12))
@SLOW
@example(
    [
        Raw(0, "pay", True, None, 1, 10, False, 0, (), None, 0, 0),
        Raw(600, "pay", True, None, 1, 10, False, 0, (), None, 0, 5000),
    ],
    completed(Rule("rule", "Rule", Condition(ConditionKind.ERRORS, above=0), window_s=60, resolve_after_s=60)),
    [100, 400, 9000],
)
def test_alerts_cover_what_the_invocations_say_however_late_they_are(
    maker: Maker, every: list[Raw], made: Rule, rounds_at: list[int]
) -> None:
    """Whenever rounds take place and invocations arrive, every moment at which a growing condition is met lies in
    exactly one alert, alerts lie apart, and each was opened by a moment that met it. Nothing is told twice in a row."""
    if made.condition.below is not None or made.condition.kind in (
        ConditionKind.ERROR_RATE,
        ConditionKind.DURATION,
        ConditionKind.COLD_STARTS,
        ConditionKind.BURN_RATE,
    ):
        made = completed(Rule("rule", "Rule", Condition(ConditionKind.ERRORS, above=0), window_s=made.window_s))
    world = maker.make()
    world.now_s = -3600
    rounds = world.begin(made)
    arrivals = sorted(every, key=lambda raw: max(raw.at_s, raw.arrives_s))
    for at_s in [*sorted(rounds_at), 5 * 3600]:
        while arrivals and max(arrivals[0].at_s, arrivals[0].arrives_s) <= at_s:
            raw = arrivals.pop(0)
            world.now_s = max(raw.at_s, raw.arrives_s) + 1
            store(world, raw)
        world.run(rounds, at_s + 1)

    plan = Planner().plan(made)
    for row in world.alerts():
        # An alert that was told to be over is told again only if late data shows that it goes on.
        told = [str(notice.kind) for notice in world.notices if notice.alert_id == row.id]
        assert ["opened", "resolved"] * (len(told) // 2) == told != []
    by_subject: dict[str, list[tuple[int, int]]] = {}
    for row in world.alerts():
        by_subject.setdefault(row.subject_key, []).append((row.since_s - DAY_S, row.last_s - DAY_S))
        assert row.state == "resolved"
    for t in range(60, 3 * 3600 + SPAN_S, 60):
        if (DAY_S + t) % plan.step_s:
            continue
        for key, value in readings(made, every, t).items():
            covering = [1 for start, end in by_subject.get(key, ()) if start <= t <= end]
            assert len(covering) <= 1
            assert covering or not is_met(made, value), (made, t, key, value)
    for key, intervals in by_subject.items():
        for start, end in intervals:
            for moment in (start, end):
                assert readings(made, every, moment).get(key, 0) > 0
