"""One round of the evaluation: what is new or changed is looked at, and what follows from it is committed whole.

A round reads one snapshot of the database. It looks

* at every moment since the last round, and again at those of the last minutes, for which data may still have come;
* at the moments that late minutes belong to, as far back as a day (`late_minutes`);
* between whole minutes only at the present one, by rules about failures, whose values can but grow;
* at issues that came or came back, by their cursor.

What it decides is stored together with how far it looked. So a round that dies is done again by the next one, whoever
does that; two processes that should both believe to hold the lease exclude each other by the position.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, Engine, insert, select, update

from collector.alerts import outbox
from collector.alerts.catalog import Catalog
from collector.alerts.evaluation import Hit, Plan, Planner, evaluate
from collector.alerts.failing_rules import FailingRules
from collector.alerts.kept import AGAIN_S, Joined, Kept
from collector.alerts.model import ConditionKind, Grouping, MuteWindow, Rule
from collector.alerts.mutes import Mutes
from collector.alerts.rule_store import MuteCache, RuleCache, StoredRule, add_default_rules
from collector.alerts.settlement import Settlement, Tell
from collector.alerts.windows import Windows
from collector.store.alert_tables import alert_position, late_minutes
from collector.store.issue_changes import IssueChange, issue_changes_since, latest_change, number_changes
from collector.store.lease import Lease
from collector.store.rollup_rows import LATEST_S
from collector.store.statements import delete_by_key

MINUTE_S = 60
BLIND_S = 3 * MINUTE_S  # a longer pause between two rounds means that nothing may have been received either
MOST_AHEAD_S = 2 * MINUTE_S  # from the start of the minute that is not over: by how much clocks may differ
MOST_MOMENTS = 60  # of one round, so that it stays short after a long pause; the next follows at once
MOST_LATE = 20_000  # minutes of functions
_ISSUE_KINDS = frozenset({ConditionKind.NEW_ISSUE, ConditionKind.REGRESSED_ISSUE})
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

logger = logging.getLogger(__name__)


class Position(NamedTuple):
    """How far the evaluation is; a row of `alert_position`."""

    evaluated_s: int
    blind_until_s: int
    issue_cursor: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a round: whether another should follow at once, how many notices it made, and by severity how many alerts
    opened and resolved."""

    behind: bool = False
    notices: int = 0
    done: bool = True  # False: another process was first, or does it
    opened: Mapping[str, int] = field(default_factory=dict)
    resolved: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Look:
    """What one round sees in its snapshot."""

    position: Position
    now_ms: int
    plans: dict[str, Plan]
    stopped: dict[str, Rule]
    left_out: frozenset[str]  # ids of rules that are not looked at in this round
    mutes: Sequence[MuteWindow]
    late: Sequence[tuple[int, int, int]]  # token, function, start_s
    changes: Sequence[IssueChange]
    through_s: int  # whole minutes up to here are looked at
    hits: dict[str, list[Hit]]
    done_late: list[tuple[int, int, int]]  # of `late`, what was looked at
    whole: bool  # a minute has ended since the last round, or something was late

    @property
    def open_s(self) -> int:
        """The end of the minute that is not over."""
        return self.now_ms // 60_000 * MINUTE_S + MINUTE_S


class Rounds:
    """Does rounds. It lasts, for what it need not read again; not to be shared by threads.

    `now` gives nanoseconds since 1970. `tell` is `outbox.add`. Without a lease the caller sees to it that nobody else
    does rounds at the same time; it would cost time, and do no harm.
    """

    def __init__(
        self,
        writing: Engine,
        reading: Engine,
        *,
        lease: Lease | None = None,
        now: Callable[[], int] = time.time_ns,
        tell: Tell = outbox.add,
    ) -> None:
        self._writing = writing
        self._reading = reading
        self._lease = lease
        self._now = now
        self._tell = tell
        self._rules = RuleCache()
        self._mutes = MuteCache()
        self._failing = FailingRules()
        self._planner = Planner()
        self._plans: dict[str, tuple[Rule, int, Plan]] = {}
        self._catalog = Catalog()
        self._late_waits = False
        self._joined = Joined()
        self._kept = Kept()
        self._keeping = Kept()  # what becomes of it if the round is done

    def run(self) -> Outcome:
        """One round, without the rules that cannot be evaluated. Raises what the database raises; then nothing of it
        was done."""
        now_ms = self._now() // 1_000_000
        with self._writing.begin() as connection:
            self._begin(connection, now_ms)
            number_changes(connection, now=self._now)
        late_waits = self._late_waits
        try:
            return self._attempt(now_ms)
        except Exception:
            self._late_waits = late_waits
            if not self._find_failing(now_ms):
                raise
        return self._attempt(now_ms)

    def _attempt(self, now_ms: int) -> Outcome:
        kept, self._kept = self._kept, Kept()  # lost unless all goes well
        with self._reading.connect() as connection:
            look = self._look(connection, now_ms, kept)
        with self._writing.begin() as connection:
            if self._lease is not None and not self._lease.confirm(connection):
                return Outcome(done=False)
            if _position(connection, lock=True) != look.position:
                return Outcome(done=False)
            settled = self._settle(connection, look, self._tell)
        self._kept = self._keeping
        behind = look.through_s < now_ms // 60_000 * MINUTE_S or self._late_waits or len(look.late) == MOST_LATE
        return Outcome(behind=behind, notices=len(settled.notices), opened=settled.opened, resolved=settled.ended)

    def _find_failing(self, now_ms: int) -> bool:
        """Tries the rules one by one, and notes those that fail. Returns whether there are any. Raises where it is not
        for a rule that a round fails."""
        self._try(now_ms, None)
        with self._reading.connect() as connection:
            stored = self._rules.read(connection)
        found = False
        for one in stored.values():
            if not one.rule.enabled or self._failing.has(one, now_ms=now_ms):
                continue
            try:
                self._try(now_ms, one)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other rules go on
                self._try(now_ms, None)  # the database is still there
                self._failing.add(one, error, now_ms=now_ms)
                found = True
        return found

    def _try(self, now_ms: int, only: StoredRule | None) -> None:
        """A round of one rule, or of none, of which nothing stays."""
        late_waits = self._late_waits
        try:
            with self._reading.connect() as connection:
                look = self._look(connection, now_ms, Kept(), {only.rule.id} if only is not None else set())
            with self._writing.connect() as connection, connection.begin() as transaction:
                self._settle(connection, look, lambda *_, **__: None)
                transaction.rollback()
        finally:
            self._late_waits = late_waits

    def _begin(self, connection: Connection, now_ms: int) -> None:
        """Where there is no position yet it is now: what was before is nobody's concern. One that lies ahead is of a
        clock that was wrong; to wait until the time comes there would be to miss what happens until then."""
        now_s = now_ms // 60_000 * MINUTE_S
        known = _position(connection)
        if known is not None:
            ahead_s = known.evaluated_s - now_s
            if ahead_s > MOST_AHEAD_S:
                logger.warning("the clock was %d s ahead when rules were last evaluated; they go on from now", ahead_s)
                connection.execute(update(alert_position).values(evaluated_s=now_s, blind_until_s=now_s))
                self._kept = Kept()
            return
        connection.execute(
            insert(alert_position).values(
                id=0,
                evaluated_s=now_s,
                blind_until_s=now_s,
                issue_cursor=latest_change(connection),
            )
        )
        add_default_rules(connection, now_ms=now_ms)

    def _look(
        self, connection: Connection, now_ms: int, kept: Kept | None = None, only: Collection[str] | None = None
    ) -> _Look:
        """`only`: ids of the rules to look at, instead of all that do not fail."""
        position = _position(connection)
        if position is None:
            raise RuntimeError("the position of the evaluation is gone")
        stored = self._rules.read(connection)
        running = {id: one for id, one in stored.items() if one.rule.enabled}
        if only is None:
            left_out = frozenset(id for id, one in running.items() if self._failing.has(one, now_ms=now_ms))
        else:
            left_out = frozenset(running.keys() - only)
        now_s = now_ms // 60_000 * MINUTE_S
        oldest_first = select(late_minutes).order_by(late_minutes.c.token).limit(MOST_LATE)
        late = [(row.token, row.function_id, row.start_s) for row in connection.execute(oldest_first)]
        through_s = max(position.evaluated_s, min(now_s, position.evaluated_s + MOST_MOMENTS * MINUTE_S))
        look = _Look(
            position=position,
            now_ms=now_ms,
            plans={
                id: self._plan(one.rule, one.updated_ms, now_ms) for id, one in running.items() if id not in left_out
            },
            stopped={id: one.rule for id, one in stored.items() if not one.rule.enabled},
            left_out=left_out,
            mutes=self._mutes.read(connection),
            late=late,
            changes=issue_changes_since(connection, position.issue_cursor),
            through_s=through_s,
            hits={},
            whole=through_s > position.evaluated_s or bool(late),
            done_late=[],
        )
        self._catalog.refresh(connection)
        self._look_at_moments(connection, look, kept or Kept())
        # Each by itself is short; one after the other they would keep what waits for the processor waiting.
        self._late_waits = look.through_s > position.evaluated_s and bool(late) and not self._late_waits
        if not self._late_waits:
            self._look_at_late(connection, look)
        self._look_at_changes(connection, look)
        return look

    def _plan(self, rule: Rule, updated_ms: int, now_ms: int) -> Plan:
        """A rule that was saved by a clock that was ahead counts from when it was first seen."""
        known = self._plans.get(rule.id)
        if known is None or known[:2] != (rule, updated_ms):
            known = rule, updated_ms, self._planner.plan(rule, since_s=min(updated_ms, now_ms) // 1000)
            self._plans[rule.id] = known
        return known[2]

    def _look_at_moments(self, connection: Connection, look: _Look, kept: Kept) -> None:
        position, now_s = look.position, look.now_ms // 1000
        whole = look.through_s > position.evaluated_s
        first = position.evaluated_s - AGAIN_S + MINUTE_S if whole else look.through_s
        blind_until_s = _blind_until(look)
        # What is read here holds all that was late until now; what is kept of earlier rounds does not.
        late = frozenset((function_id, start_s) for _, function_id, start_s in look.late)
        kept = kept.with_late(late)
        self._joined.forget(late, settled_s=look.now_ms // 1000 - AGAIN_S - MINUTE_S)
        self._keeping = kept

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
                return
        sums = Windows(
            connection,
            self._catalog,
            last_s=moments[-1],
            now_ms=look.now_ms,
            kept=kept,
            keep_s=look.through_s - AGAIN_S + MINUTE_S,
        )
        if not whole:
            _gather(look.hits, evaluate(sums, plans, moments, wanted, self._catalog))
            return
        changed = _Changed(sums, kept, look)
        _gather(look.hits, evaluate(sums, plans, moments, wanted, self._catalog, changed=changed))
        self._keeping = sums.keep(through_s=look.through_s, plans=look.plans)

    def _look_at_late(self, connection: Connection, look: _Look) -> None:
        """The functions whose minutes changed, at the moments whose windows hold these minutes; and everything
        together at the same moments where one of these functions belongs to it."""
        look.done_late.extend(look.late)
        earliest = look.now_ms // 1000 - LATEST_S
        minutes = sorted({start_s for _, _, start_s in look.late if start_s >= earliest})
        if not minutes:
            return
        ids = {function_id for _, function_id, _ in look.late}
        everyone = 0 in ids  # of issues only the minute is known
        reached: dict[int, set[int]] = {}

        def wanted(plan: Plan, t: int) -> bool:
            if plan.reach_s not in reached:
                reached[plan.reach_s] = _moments_of(minutes, plan.reach_s, look.position.evaluated_s)
            return t in reached[plan.reach_s]

        plans = [
            plan
            for plan in look.plans.values()
            if plan.rule.condition.kind not in _SLOW and not plan.rule.condition.month
        ]
        plans = [plan for plan in plans if everyone or not ids.isdisjoint(self._catalog.within(plan.rule.scope))]
        apart = [plan for plan in plans if plan.rule.grouping is not Grouping.TOGETHER]
        joined = [plan for plan in plans if plan.rule.grouping is Grouping.TOGETHER]
        for some, only in ((apart, None if everyone else sorted(ids)), (joined, None)):
            reach = max((plan.reach_s for plan in some), default=0)
            moments = sorted(_moments_of(minutes, reach, look.position.evaluated_s))
            if moments:
                sums = Windows(
                    connection,
                    self._catalog,
                    last_s=moments[-1],
                    now_ms=look.now_ms,
                    only=only,
                    joined=self._joined if some is joined else None,
                )
                _gather(look.hits, evaluate(sums, some, moments, wanted, self._catalog))

    def _look_at_changes(self, connection: Connection, look: _Look) -> None:
        plans = [plan for plan in look.plans.values() if plan.rule.condition.kind in _ISSUE_KINDS]
        if not plans or not look.changes:
            return
        sums = Windows(connection, self._catalog, last_s=look.through_s, now_ms=look.now_ms)
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

    def _settle(self, connection: Connection, look: _Look, tell: Tell) -> Settlement:
        caught_up = look.through_s >= look.now_ms // 60_000 * MINUTE_S
        settlement = Settlement(
            plans=look.plans,
            stopped=look.stopped,
            left_out=look.left_out,
            hits=look.hits,
            seen_s=_seen(look),
            catalog=self._catalog,
            mutes=Mutes(look.mutes, self._catalog, now_ms=look.now_ms),
            now_s=look.open_s if caught_up else look.through_s,
            now_ms=look.now_ms,
        )
        settlement.write(connection, tell)
        cursor = look.changes[-1].number if look.changes else look.position.issue_cursor
        connection.execute(
            update(alert_position)
            .where(alert_position.c.id == 0)
            .values(evaluated_s=look.through_s, blind_until_s=_blind_until(look), issue_cursor=cursor)
        )
        delete_by_key(connection, late_minutes, look.done_late)
        return settlement


class _Changed:
    """What is worth another look in a whole round: at a moment that the last round looked at, the functions of which
    anything is different since; in the minute that is not over, those that did anything in it, for only what grows is
    looked at there."""

    def __init__(self, sums: Windows, kept: Kept, look: _Look) -> None:
        self._sums = sums
        self._kept = kept
        self._look = look
        self._follows = kept.at_s > 0 and kept.through_s == look.position.evaluated_s
        self._found: dict[int, frozenset[int]] = {}

    def __call__(self, plan: Plan, t: int) -> frozenset[int] | None:
        kept = self._kept
        if not self._follows or kept.plans.get(plan.rule.id) is not plan:
            return None
        if min(kept.through_s, kept.looked_s - plan.lag_s) < t <= self._look.through_s:
            return None
        if t not in self._found:
            start_s = kept.at_s if t <= self._look.through_s else self._look.through_s
            self._found[t] = self._sums.changed(start_s, t)
        return self._found[t]


def _position(connection: Connection, *, lock: bool = False) -> Position | None:
    table = alert_position.c
    statement = select(table.evaluated_s, table.blind_until_s, table.issue_cursor).where(table.id == 0)
    if lock and connection.dialect.name != "sqlite":
        statement = statement.with_for_update()
    row = connection.execute(statement).first()
    return Position(*row) if row is not None else None


def _blind_until(look: _Look) -> int:
    """After a long pause it may be that nothing was received meanwhile: few invocations mean nothing then."""
    if look.now_ms // 1000 - look.position.evaluated_s > BLIND_S:
        return max(look.position.blind_until_s, look.now_ms // 60_000 * MINUTE_S)
    return look.position.blind_until_s


def _seen(look: _Look) -> dict[str, int]:
    """By rule the last of its moments that all that is to be known of it is known of."""
    if not look.whole:
        return {}
    now_s = look.now_ms // 1000
    return {id: min(look.through_s, now_s - plan.lag_s) // plan.step_s * plan.step_s for id, plan in look.plans.items()}


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
