"""What one round of the evaluation looks at, in its snapshot of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from collector.alerts.catalog import Catalog
from collector.alerts.evaluation import Hit, Plan, evaluate
from collector.alerts.kept import AGAIN_S, Joined, Kept
from collector.alerts.model import ConditionKind, Grouping, MuteWindow, Rule
from collector.alerts.position import MINUTE_S, Position
from collector.alerts.precedence import ISSUE_KINDS
from collector.alerts.windows import Windows
from collector.store.issue_changes import IssueChange
from collector.store.rollup_rows import LATEST_S

BLIND_S = 3 * MINUTE_S  # a longer pause between two rounds means that nothing may have been received either
# Looked at between whole minutes: what somebody is to know at once, and what is found at little cost.
_URGENT = frozenset(
    {
        ConditionKind.NEW_ISSUE,
        ConditionKind.REGRESSED_ISSUE,
        ConditionKind.ISSUE,
        ConditionKind.ERRORS,
        ConditionKind.TIMEOUTS,
        ConditionKind.OUT_OF_MEMORY,
        ConditionKind.THROTTLES,
    }
)
# Not looked at for late minutes: they look at a month, or so much of the past that the next look finds it anyway.
_SLOW = frozenset({ConditionKind.FORECAST, ConditionKind.ANOMALY})


@dataclass(slots=True)
class Look:
    """What one round sees in its snapshot."""

    position: Position
    now_ms: int
    plans: dict[str, Plan]
    stopped: dict[str, Rule]
    left_out: frozenset[str]  # ids of rules that are not looked at in this round
    mutes: Sequence[MuteWindow]
    late: Sequence[tuple[int, int, int]]  # token, function, start_s
    changes: Sequence[IssueChange]
    from_s: int  # whole minutes up to here were looked at
    through_s: int  # and now up to here
    hits: dict[str, list[Hit]]
    done_late: list[tuple[int, int, int]]  # of `late`, what was looked at
    half_late: frozenset[tuple[int, int, int]]  # and what only `at_late` by function has looked at
    whole: bool  # a minute has ended since the last round, or something was late
    unread: bool = False  # what rules look at must be read first: nothing was looked at

    @property
    def open_s(self) -> int:
        """The end of the minute that is not over."""
        return self.now_ms // 60_000 * MINUTE_S + MINUTE_S

    @property
    def blind_until_s(self) -> int:
        """After a long pause it may be that nothing was received meanwhile: few invocations mean nothing then."""
        if self.now_ms // 1000 - self.position.evaluated_s > BLIND_S:
            return max(self.position.blind_until_s, self.now_ms // 60_000 * MINUTE_S)
        return self.position.blind_until_s

    @property
    def catches_up(self) -> bool:
        """Only moments that another process looked at before are looked at: that one saw more than this round does."""
        return self.through_s < self.position.evaluated_s

    @property
    def seen_s(self) -> dict[str, int]:
        """By rule the last of its moments that all that is to be known of it is known of."""
        if not self.whole or self.catches_up:
            return {}
        now_s, through_s = self.now_ms // 1000, self.through_s
        return {id: min(through_s, now_s - plan.lag_s) // plan.step_s * plan.step_s for id, plan in self.plans.items()}


@dataclass(frozen=True, slots=True)
class Looker:
    """Puts what it finds into the look. `joined` lasts from round to round."""

    _connection: Connection
    _catalog: Catalog
    _joined: Joined
    look: Look

    def at_moments(self, kept: Kept) -> Kept:
        """At those that have come, and again at the last ones. `kept`: what the last round left. Returns what this one
        leaves."""
        look = self.look
        position, now_s = look.position, look.now_ms // 1000
        whole = look.through_s > look.from_s
        oldest_s = position.evaluated_s - AGAIN_S + MINUTE_S  # before that nothing changes without being late
        first = max(look.from_s - AGAIN_S + MINUTE_S, oldest_s) if whole else look.through_s
        blind_until_s = look.blind_until_s
        # What is read here holds all that was late until now; what is kept of earlier rounds does not.
        late = frozenset((function_id, start_s) for _, function_id, start_s in look.late)
        kept = kept.with_late(late)
        self._joined.forget(late, settled_s=look.now_ms // 1000 - AGAIN_S - MINUTE_S)

        def wanted(plan: Plan, t: int) -> bool:
            if t > look.through_s:
                return plan.lag_s == 0
            if t > now_s - plan.lag_s or not whole:
                return False
            return plan.below is None or t - plan.reach_s >= blind_until_s

        moments = list(range(first, look.through_s + 1, MINUTE_S))
        if moments[-1] + MINUTE_S == look.open_s:
            moments.append(look.open_s)
        plans = list(look.plans.values())
        if not whole:
            moments, plans = moments[1:], [plan for plan in plans if plan.rule.condition.kind in _URGENT]
            if not moments:
                return kept
        sums = Windows(
            self._connection,
            self._catalog,
            last_s=moments[-1],
            now_ms=look.now_ms,
            kept=kept,
            keep_s=max(look.through_s - AGAIN_S + MINUTE_S, oldest_s),
        )
        if not whole:
            _gather(look.hits, evaluate(sums, plans, moments, wanted, self._catalog))
            return kept
        changed = _Changed(sums, kept, look)
        _gather(look.hits, evaluate(sums, plans, moments, wanted, self._catalog, changed=changed))
        position_s = max(position.evaluated_s, look.through_s)
        return sums.keep(through_s=look.through_s, position_s=position_s, plans=look.plans)

    def at_late(self, late: Sequence[tuple[int, int, int]], *, joined: bool) -> None:
        """At the moments whose windows hold minutes that changed: by the rules that look at one function after the
        other these functions; or (`joined`) by the others all that one of these functions belongs to."""
        look = self.look
        earliest = look.now_ms // 1000 - LATEST_S
        minutes = sorted({start_s for _, _, start_s in late if start_s >= earliest})
        if not minutes:
            return
        ids = {function_id for _, function_id, _ in late}
        everyone = 0 in ids  # of issues only the minute is known
        reached: dict[int, set[int]] = {}

        def wanted(plan: Plan, t: int) -> bool:
            if plan.reach_s not in reached:
                reached[plan.reach_s] = _moments_of(minutes, plan.reach_s, look.position.evaluated_s)
            return t in reached[plan.reach_s]

        plans = [
            plan
            for plan in look.plans.values()
            if plan.rule.condition.kind not in _SLOW
            and not plan.rule.condition.month
            and (plan.rule.grouping is Grouping.TOGETHER) == joined
            and (everyone or not ids.isdisjoint(self._catalog.within(plan.rule.scope)))
        ]
        reach = max((plan.reach_s for plan in plans), default=0)
        moments = sorted(_moments_of(minutes, reach, look.position.evaluated_s))
        if moments:
            sums = Windows(
                self._connection,
                self._catalog,
                last_s=moments[-1],
                now_ms=look.now_ms,
                only=None if everyone or joined else sorted(ids),
                joined=self._joined if joined else None,
            )
            _gather(look.hits, evaluate(sums, plans, moments, wanted, self._catalog))

    def at_changes(self) -> None:
        """At issues that came or came back."""
        look = self.look
        plans = [plan for plan in look.plans.values() if plan.rule.condition.kind in ISSUE_KINDS]
        if not plans or not look.changes:
            return
        sums = Windows(self._connection, self._catalog, last_s=look.through_s, now_ms=look.now_ms)
        facts = sums.issue_facts([change.issue_id for change in look.changes])
        earliest = look.now_ms - LATEST_S * 1000
        for change in look.changes:
            issue = facts.get(change.issue_id)
            if issue is None or issue.muted or change.seen_ms < earliest:
                continue
            for plan in plans:
                rule = plan.rule
                regressed = rule.condition.kind is ConditionKind.REGRESSED_ISSUE
                if (
                    regressed == change.regressed
                    and issue.function_id in self._catalog.within(rule.scope)
                    and issue.is_of(rule.condition.types)
                    and not (rule.ignore_4xx and issue.client_error)
                ):
                    t = min(change.seen_ms // 60_000 * MINUTE_S + MINUTE_S, look.open_s)
                    look.hits.setdefault(rule.id, []).append(Hit(t, f"issue:{change.issue_id}", 1, 1, strict=True))


class _Changed:
    """What is worth another look in a whole round: at a moment that the last round looked at, the functions of which
    anything is different since, also long before; in the minute that is not over, those that did anything in it, for
    only what grows is looked at there."""

    def __init__(self, sums: Windows, kept: Kept, look: Look) -> None:
        self._sums = sums
        self._kept = kept
        self._look = look
        self._follows = kept.at_s > 0 and kept.through_s == look.from_s
        self._any_stale = any(id == 0 for id, _ in kept.stale)  # of issues only the minute is known
        self._found: dict[int, frozenset[int]] = {}

    def __call__(self, plan: Plan, t: int) -> frozenset[int] | None:
        kept = self._kept
        if not self._follows or kept.plans.get(plan.rule.id) is not plan:
            return None
        if min(kept.through_s, kept.looked_s - plan.lag_s) < t <= self._look.through_s:
            return None
        again = t <= self._look.through_s
        if again and self._any_stale:
            return None
        if t not in self._found:
            changed = self._sums.changed(kept.at_s if again else self._look.through_s, t)
            self._found[t] = changed | kept.stale_ids if again else changed
        return self._found[t]


def _moments_of(minutes: Iterable[int], reach_s: int, last_s: int) -> set[int]:
    """The moments up to `last_s` whose windows hold one of the minutes."""
    found: set[int] = set()
    done = 0
    for minute in minutes:
        found.update(range(max(minute + MINUTE_S, done), min(minute + reach_s, last_s) + 1, MINUTE_S))
        done = max(done, minute + reach_s)
    return found


def _gather(hits: dict[str, list[Hit]], more: Mapping[str, list[Hit]]) -> None:
    for id, some in more.items():
        hits.setdefault(id, []).extend(some)
