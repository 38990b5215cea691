"""Invocations and rules as Hypothesis draws them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from collector.alerts.conditions import completed
from collector.alerts.model import Burn, Condition, ConditionKind, Grouping, Rule, Scope
from collector.domain.facts import Result
from tests.collector.alerts.world import World

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
