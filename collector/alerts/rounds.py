"""One round of the evaluation: what is new or changed is looked at, and what follows from it is committed whole.

A round reads one snapshot of the database. It looks

* at every moment since the last round, and again at those of the last minutes, for which data may still have come;
* at the moments that late minutes belong to, as far back as a day (`late_minutes`);
* between whole minutes only at the present one, by rules about failures, whose values can but grow;
* at issues that came or came back, by their cursor.

How many moments that are depends on what they cost, so that a round stays short also after a long pause; the next one
follows at once. The same goes for what new rules look at (`collector.alerts.ahead`).

What it decides is stored together with how far it looked. So a round that dies is done again by the next one, whoever
does that; two processes that should both believe to hold the lease exclude each other by the position.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, select

from collector.alerts import outbox
from collector.alerts.ahead import read_ahead
from collector.alerts.catalog import Catalog
from collector.alerts.evaluation import Plan, Planner
from collector.alerts.failing_rules import FailingRules
from collector.alerts.kept import AGAIN_S, Joined, Kept
from collector.alerts.looks import Look, Looker
from collector.alerts.model import Rule
from collector.alerts.mutes import Mutes
from collector.alerts.position import MINUTE_S, Position, begin, move, read_position
from collector.alerts.rule_store import MuteCache, RuleCache, StoredRule
from collector.alerts.settlement import Settlement, Tell
from collector.store.alert_tables import late_minutes
from collector.store.issue_changes import issue_changes_since, number_changes
from collector.store.lease import Lease
from collector.store.statements import delete_by_key

MOST_MOMENTS = 60  # new ones, of one round
# CPU time that a round is to take when there is much to read or to look at. A round of 1,000 rules over 1,000 functions
# may take a second; what is read at once, such as an hour of all durations, takes up to 0.3 s more.
ROUND_S = 0.3
MOST_LATE = 20_000  # minutes of functions
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a round: whether another should follow at once, how many notices it made, and by severity how many alerts
    opened and resolved."""

    behind: bool = False
    notices: int = 0
    done: bool = True  # False: another process was first, or does it
    opened: Mapping[str, int] = field(default_factory=dict)
    resolved: Mapping[str, int] = field(default_factory=dict)


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
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._writing = writing
        self._reading = reading
        self._lease = lease
        self._now = now
        self._tell = tell
        self._cpu = cpu
        self._moments = MOST_MOMENTS  # new ones that the next round may look at
        self._rules = RuleCache()
        self._mutes = MuteCache()
        self._failing = FailingRules()
        self._planner = Planner()
        self._plans: dict[str, tuple[Rule, int, Plan]] = {}
        self._catalog = Catalog()
        self._late_waits = False
        self._half_late: frozenset[tuple[int, int, int]] = frozenset()
        self._joined = Joined()
        self._kept = Kept()
        self._keeping = Kept()  # what becomes of it if the round is done

    def run(self) -> Outcome:
        """One round, without the rules that cannot be evaluated. Raises what the database raises; then nothing of it
        was done."""
        now_ms = self._now() // 1_000_000
        with self._writing.begin() as connection:
            if not begin(connection, now_ms):
                self._kept = Kept()
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
        if look.unread:
            self._kept = self._keeping
            return Outcome(behind=True)
        with self._writing.begin() as connection:
            if self._lease is not None and not self._lease.confirm(connection):
                return Outcome(done=False)
            if read_position(connection, lock=True) != look.position:
                return Outcome(done=False)
            settled = self._settle(connection, look, self._tell)
        self._kept, self._half_late = self._keeping, look.half_late
        waits = self._late_waits or bool(look.half_late) or len(look.late) == MOST_LATE
        behind = look.through_s < now_ms // 60_000 * MINUTE_S or waits
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
                look = self._look(connection, now_ms, None, {only.rule.id} if only is not None else set())
            with self._writing.connect() as connection, connection.begin() as transaction:
                self._settle(connection, look, lambda *_, **__: None)
                transaction.rollback()
        finally:
            self._late_waits = late_waits

    def _look(
        self, connection: Connection, now_ms: int, kept: Kept | None = None, only: Collection[str] | None = None
    ) -> Look:
        """`kept`: None, for a round that nothing follows. `only`: ids of the rules to look at, instead of all that do
        not fail."""
        began = self._cpu()
        position = read_position(connection)
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
        if kept is None or kept.position_s != position.evaluated_s:  # or another process was there meanwhile
            from_s, known = position.evaluated_s, Kept()
        else:
            from_s, known = kept.through_s, kept
        moments = self._moments if from_s == position.evaluated_s else 1
        through_s = max(from_s, min(now_s, from_s + moments * MINUTE_S))
        look = Look(
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
            from_s=from_s,
            through_s=through_s,
            hits={},
            whole=through_s > from_s or bool(late),
            done_late=[],
            half_late=self._half_late,
        )
        self._catalog.refresh(connection)
        if kept is not None:
            read, everything = read_ahead(connection, self._catalog, look, known, lambda: self._cpu() - began > ROUND_S)
            if read is not known:
                known, much = read, not everything or self._cpu() - began > ROUND_S / 4
                if much:
                    self._keeping, look.unread = known.step_by_step(), True
                    self._moments = 1
                    return look
            began = self._cpu()
        looker = Looker(connection, self._catalog, self._joined, look)
        self._keeping = looker.at_moments(known)
        if kept is not None and look.through_s > look.from_s:
            self._weigh(self._cpu() - began, look)
        if look.catches_up:
            return look
        # Each by itself is short; one after the other they would keep what waits for the processor waiting.
        self._late_waits = look.through_s > look.from_s and bool(late) and not self._late_waits
        if late and not self._late_waits:
            self._look_at_late(looker, began)
        looker.at_changes()
        return look

    def _look_at_late(self, looker: Looker, began: float) -> None:
        """At what was late, or at the second half of it, if that would take too long at once."""
        look = looker.look
        half = [row for row in look.late if row in look.half_late]
        if not half:
            looker.at_late(look.late, joined=False)
            if self._cpu() - began > ROUND_S:
                look.half_late = frozenset(look.late)
                return
        some = half or look.late
        looker.at_late(some, joined=True)
        look.done_late.extend(some)
        look.half_late = frozenset()

    def _weigh(self, spent_s: float, look: Look) -> None:
        """How many moments the next round may look at, by what those of this one took."""
        moments = (look.through_s - look.from_s + AGAIN_S) // MINUTE_S
        self._moments = max(1, min(MOST_MOMENTS, int(ROUND_S / max(spent_s / moments, 1e-6))))

    def _plan(self, rule: Rule, updated_ms: int, now_ms: int) -> Plan:
        """A rule that was saved by a clock that was ahead counts from when it was first seen."""
        known = self._plans.get(rule.id)
        if known is None or known[:2] != (rule, updated_ms):
            known = rule, updated_ms, self._planner.plan(rule, since_s=min(updated_ms, now_ms) // 1000)
            self._plans[rule.id] = known
        return known[2]

    def _settle(self, connection: Connection, look: Look, tell: Tell) -> Settlement:
        caught_up = look.through_s >= look.now_ms // 60_000 * MINUTE_S
        evaluated_s = max(look.through_s, look.position.evaluated_s)
        settlement = Settlement(
            plans=look.plans,
            stopped=look.stopped,
            left_out=look.left_out,
            hits=look.hits,
            seen_s=look.seen_s,
            catalog=self._catalog,
            mutes=Mutes(look.mutes, self._catalog, now_ms=look.now_ms),
            now_s=look.open_s if caught_up else evaluated_s,
            now_ms=look.now_ms,
        )
        settlement.write(connection, tell)
        cursor = look.position.issue_cursor
        if look.changes and not look.catches_up:
            cursor = look.changes[-1].number
        move(connection, Position(evaluated_s, look.blind_until_s, cursor))
        delete_by_key(connection, late_minutes, look.done_late)
        return settlement
