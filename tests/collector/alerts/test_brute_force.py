"""The evaluation against a reading of the raw invocations, one by one, that knows nothing of rollups."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from collector.alerts.catalog import Catalog
from collector.alerts.conditions import completed
from collector.alerts.evaluation import Planner, evaluate
from collector.alerts.model import Burn, Condition, ConditionKind, Grouping, Rule, Scope
from collector.alerts.windows import Windows
from collector.domain.facts import Result
from collector.domain.histogram import bucket_of, middle_ms
from collector.store.engine import open_engine
from tests.collector.alerts.world import DAY_S, QUEUE, World, issue_id
from tests.collector.store.facts import function
from tests.databases import create_sqlite

NAMES = ("pay", "ship", "mail")
TAGS = (("tenant", "acme"), ("tenant", "other"), ("plan", "free"))
TYPES = (None, "Timeout", "Runtime.OutOfMemory", "HTTP 404", "ValueError")
SPAN_S = 5400  # everything happens in an hour and a half


@dataclass(frozen=True)
class Raw:
    """One invocation, as the test made it."""

    at_s: int
    name: str
    failed: bool
    type: str | None
    duration_ms: int
    memory_mb: int
    cold: bool
    cost_pd: int
    tags: tuple[tuple[str, str], ...]
    age_ms: int | None
    throttled: int
    arrives_s: int

    @property
    def issue(self) -> str | None:
        return (self.type or "Error") if self.failed or self.type else None


raws = st.builds(
    Raw,
    at_s=st.integers(0, SPAN_S),
    name=st.sampled_from(NAMES),
    failed=st.booleans(),
    type=st.sampled_from(TYPES),
    duration_ms=st.sampled_from((1, 40, 900, 2399, 2500, 3000, 9000)),
    memory_mb=st.sampled_from((10, 60, 90, 100)),  # more would be an issue of its own
    cold=st.booleans(),
    cost_pd=st.integers(0, 10**12),
    tags=st.lists(st.sampled_from(TAGS), max_size=2, unique_by=lambda tag: tag[0]).map(tuple),
    age_ms=st.none() | st.integers(0, 900_000),
    throttled=st.integers(0, 2),
    arrives_s=st.integers(0, 3 * 3600),
).map(lambda raw: raw if raw.failed else replace(raw, type=None))

KINDS = tuple(
    kind
    for kind in ConditionKind
    if kind not in (ConditionKind.NEW_ISSUE, ConditionKind.REGRESSED_ISSUE, ConditionKind.FORECAST)
    if kind is not ConditionKind.ANOMALY
)
_GROUPINGS = {
    ConditionKind.ISSUE: (Grouping.ISSUE,),
    ConditionKind.MEMORY: (Grouping.FUNCTION,),
    ConditionKind.AGE: (Grouping.RESOURCE, Grouping.FUNCTION),
}
_TAGLESS = {ConditionKind.MEMORY, ConditionKind.THROTTLES, ConditionKind.AGE}
_THRESHOLDS = {
    ConditionKind.DURATION: (0.5, 100, 2000),
    ConditionKind.MEMORY: (0.4, 0.6, 0.75),
    ConditionKind.ERROR_RATE: (0, 0.3, 0.5, 0.9),
    ConditionKind.COLD_STARTS: (0, 0.3, 0.5),
    ConditionKind.COST: (0, 0.4, 2),
    ConditionKind.AGE: (1, 300, 800),
    ConditionKind.BURN_RATE: (1,),
}


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    kind = draw(st.sampled_from(KINDS))
    bound = draw(st.sampled_from(_THRESHOLDS.get(kind, (0, 1, 3))))
    below = kind is ConditionKind.INVOCATIONS and draw(st.booleans())
    with_tags = kind not in _TAGLESS and draw(st.booleans())
    return completed(
        Rule(
            id=f"rule-{uuid4().hex[:8]}",
            name="Rule",
            condition=Condition(
                kind,
                above=None if below else bound,
                below=bound + 1 if below else None,
                percentile=draw(st.sampled_from((0.5, 0.95, 0.99))),
                types=draw(st.sampled_from(((), ("Timeout",), ("HTTP 404", "Error"))))
                if kind is ConditionKind.ISSUE
                else (),
                objective=0.9,
                burns=(Burn(3600, 300, 2.0), Burn(600, 60, 4.0)) if kind is ConditionKind.BURN_RATE else (),
            ),
            scope=Scope(
                functions=draw(st.sampled_from(((), ("pay",), ("*a*",), ("ship", "mail"), ("none",)))),
                execution_tags=draw(st.sampled_from((TAGS[:1], TAGS[:2], (TAGS[2], TAGS[0])))) if with_tags else (),
            ),
            grouping=draw(st.sampled_from(_GROUPINGS.get(kind, (Grouping.FUNCTION, Grouping.TOGETHER)))),
            window_s=draw(st.sampled_from((60, 120, 300, 3600, 5400))),
            minimum=draw(st.sampled_from((0, 2, 4))),
            ignore_4xx=draw(st.booleans()),
            resolve_after_s=draw(st.sampled_from((60, 300))),
        )
    )


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


class Maker:
    """Makes a new database for each example."""

    def __init__(
        self, dialect: str, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._dialect, self._folder, self._request, self._monkeypatch = dialect, folder, request, monkeypatch
        self._open: list[tuple[Engine, str]] = []

    def make(self) -> World:
        self.close()
        if self._dialect == "sqlite":
            name = ""
            url = create_sqlite(self._folder / f"{uuid4().hex}.db")
        else:
            server = self._request.getfixturevalue("postgres_server")
            name = server.create()
            url = server.url(name)
        self._open = [(open_engine(url), name), (open_engine(url, read_only=True), "")]
        return World(self._open[0][0], self._open[1][0], self._monkeypatch)

    def close(self) -> None:
        for engine, _ in self._open:
            engine.dispose()
        for _, name in self._open:
            if name:
                self._request.getfixturevalue("postgres_server").drop(name)
        self._open = []


@pytest.fixture
def maker(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Maker]:
    made = Maker(dialect, tmp_path, request, monkeypatch)
    yield made
    made.close()


def store(world: World, raw: Raw) -> None:
    world.invoke(
        raw.at_s,
        name=raw.name,
        result=Result.ERROR if raw.failed else Result.OK,
        duration_ms=raw.duration_ms,
        type=raw.issue,
        cost_pd=raw.cost_pd,
        max_memory_mb=raw.memory_mb,
        cold_start=raw.cold,
        tags=raw.tags,
        age_ms=raw.age_ms,
        throttled=raw.throttled,
    )


SLOW = settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example makes a database: shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


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
