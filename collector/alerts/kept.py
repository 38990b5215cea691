"""What one round of the evaluation leaves to the next, so that this reads little more than what is new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlalchemy import Connection

from collector.alerts.sums import ISSUES, Row, Tags
from collector.store.rollup_rows import SETTLED_S

MINUTE_S = 60
# Minutes that changed are noted as late from SETTLED_S after their end on. What came before that, in a commit that
# took its time, is found by looking again so far back.
AGAIN_S = SETTLED_S + 2 * MINUTE_S
Key = tuple[str, Tags, int, frozenset[int] | None]  # of sums: what, of which tags, over how long, of which as one
Shelf = tuple[str, Tags]  # of minutes: what, of which tags
Late = tuple[int, int]  # a function whose minute changed (0: an issue's), and when the minute began


class Source(Protocol):
    def minutes(self, connection: Connection, start_s: int, end_s: int) -> Mapping[int, Sequence[Row]]:
        """Each minute's rows, by when it began."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The sums of its windows as they were at `at_s`, when nothing could change them any more that would not be noted
    as late; the minutes at their ends; and the sums of past hours.

    Every moment up to `through_s` was looked at by `plans`, at `looked_s`; `position_s` is how far the evaluation was
    then. `stale`: what was noted as late since. For `ahead` all was read (`collector.alerts.ahead`).
    """

    at_s: int = 0
    through_s: int = 0
    position_s: int = 0
    looked_s: int = 0
    sums: Mapping[Key, Sequence[Row]] = field(default_factory=dict)
    minutes: Mapping[Shelf, Mapping[int, Sequence[Row]]] = field(default_factory=dict)
    used_s: Mapping[Shelf, int] = field(default_factory=dict)  # by what there are minutes of: `at_s` when last used
    plans: Mapping[str, object] = field(default_factory=dict)
    history: dict[tuple[str, int], Any] = field(default_factory=dict)
    stale: frozenset[Late] = frozenset()
    ahead: Mapping[str, object] = field(default_factory=dict)

    @property
    def stale_ids(self) -> frozenset[int]:
        """The functions whose sums are not to be believed."""
        return frozenset(id for id, _ in self.stale if id)

    def with_late(self, late: frozenset[Late]) -> Kept:
        """The same when these minutes have changed."""
        return self if late <= self.stale else replace(self, stale=self.stale | late)

    def with_more(self, more: Kept, ahead: Mapping[str, object]) -> Kept:
        """The same with what was read for these plans besides. What both know is as the last round saw it: the next
        one finds out by it what has changed since."""
        minutes = {
            shelf: {**more.minutes.get(shelf, {}), **self.minutes.get(shelf, {})}
            for shelf in self.minutes.keys() | more.minutes.keys()
        }
        return replace(
            self,
            sums={**more.sums, **self.sums},
            minutes=minutes,
            used_s={**self.used_s, **more.used_s},
            history=self.history | more.history,
            ahead={**self.ahead, **ahead},
        )

    def step_by_step(self) -> Kept:
        """The same where the first moments are to be looked at one after the other, in rounds of their own."""
        return replace(self, through_s=self.position_s - AGAIN_S, plans={}, ahead={**self.plans, **self.ahead})

    def rows(self, key: Key, now_s: int) -> list[Row] | None:
        """The sums at `at_s` of a window that is to move on to `now_s` or further, without those that are stale; None:
        they are not known, or not worth it. Which functions' issues are late is not known: none are kept then."""
        rows = self.sums.get(key)
        if rows is None or not self.at_s <= now_s < self.at_s + key[2] or (self.stale and key[0] == ISSUES):
            return None
        stale = self.stale_ids
        return [row for row in rows if row[0] not in stale] if stale else list(rows)


class Joined:
    """Minutes of several functions as one, for rules that look at late minutes again: of the rows of each minute few
    sums are left, which are worth remembering. It lasts; `forget` what changed before using it."""

    REACH_S = 3 * 3_600  # how far back
    MOST = 200  # of what is remembered; then from the beginning

    def __init__(self) -> None:
        self._known: dict[Key, dict[int, Sequence[Row]]] = {}
        self._settled_s = 0

    def forget(self, late: Iterable[Late], *, settled_s: int) -> None:
        """These minutes have changed; those that began before `settled_s` change no more without being late."""
        starts = {start_s for _, start_s in late}
        self._settled_s = settled_s
        if len(self._known) > self.MOST:
            self._known.clear()
        for minutes in self._known.values():
            for start_s in [one for one in minutes if one in starts or one < settled_s - self.REACH_S]:
                del minutes[start_s]

    def reaches(self, start_s: int) -> bool:
        return start_s >= self._settled_s - self.REACH_S

    def minutes(
        self, connection: Connection, key: Key, source: Source, start_s: int, end_s: int
    ) -> dict[int, Sequence[Row]]:
        """From `start_s` up to `end_s`; `key` without a window."""
        known = self._known.setdefault(key, {})
        found: dict[int, Sequence[Row]] = {}
        for first_s, last_s in gaps(known, start_s, end_s):
            rows = source.minutes(connection, first_s, last_s)
            found.update({minute: rows.get(minute, ()) for minute in range(first_s, last_s, MINUTE_S)})
        settled = {minute: rows for minute, rows in found.items() if minute < self._settled_s and self.reaches(minute)}
        known.update(settled)
        found.update({minute: known[minute] for minute in range(start_s, end_s, MINUTE_S) if minute not in found})
        return found


def gaps(known: Collection[int], start_s: int, end_s: int) -> list[tuple[int, int]]:
    """The runs of minutes that are not known."""
    found: list[tuple[int, int]] = []
    for minute in range(start_s, end_s, MINUTE_S):
        if minute in known:
            continue
        if found and found[-1][1] == minute:
            found[-1] = found[-1][0], minute + MINUTE_S
        else:
            found.append((minute, minute + MINUTE_S))
    return found


class Shelves:
    """Minutes as this round reads them, each once for all windows; those that are over for good as they were kept."""

    def __init__(self, connection: Connection, kept: Kept) -> None:
        self._connection = connection
        self._kept = kept
        self._stale = {start_s for _, start_s in kept.stale}
        self._shelves: dict[Shelf, dict[int, Sequence[Row]]] = {}
        self._used: set[Shelf] = set()

    def minutes(self, shelf: Shelf, source: Source, start_s: int, end_s: int) -> dict[int, Sequence[Row]]:
        """From `start_s` up to `end_s`, for a window."""
        self._used.add(shelf)
        return self._minutes(shelf, source, start_s, end_s)

    def _minutes(self, shelf: Shelf, source: Source, start_s: int, end_s: int) -> dict[int, Sequence[Row]]:
        known = self._shelves.setdefault(shelf, {})
        kept = self._kept.minutes.get(shelf, {})
        for minute in range(start_s, min(end_s, self._kept.at_s), MINUTE_S):
            if minute not in known and minute in kept and minute not in self._stale:
                known[minute] = kept[minute]
        for first_s, last_s in gaps(known, start_s, end_s):
            found = source.minutes(self._connection, first_s, last_s)
            known.update({minute: found.get(minute, ()) for minute in range(first_s, last_s, MINUTE_S)})
        return {minute: known[minute] for minute in range(start_s, end_s, MINUTE_S)}

    def changed(self, shelf: Shelf, source: Source, start_s: int, end_s: int) -> set[int]:
        """The first keys of the rows of these minutes that are otherwise than they were kept; of a minute that was not
        kept, all of them."""
        kept = self._kept.minutes.get(shelf, {})
        found: set[int] = set()
        for minute, rows in self._minutes(shelf, source, start_s, end_s).items():
            before = kept.get(minute, ())
            if rows is not before and rows != before:
                found.update(row[0] for row in set(rows).symmetric_difference(before))
        return found

    def keep(
        self, windows: Mapping[Shelf, Sequence[int]], at_s: int, last_s: int
    ) -> tuple[dict[Shelf, dict[int, Sequence[Row]]], dict[Shelf, int]]:
        """The minutes from `at_s` on, and those behind that leave one of the windows next; and when they were last
        used. What no window used for as long as moments are looked at again is dropped."""
        used_s = {shelf: then_s for shelf, then_s in self._kept.used_s.items() if then_s > at_s - AGAIN_S}
        used_s |= dict.fromkeys(self._used, at_s)
        found = {}
        for shelf in used_s:
            ranges = [range(at_s - length, last_s - length, MINUTE_S) for length in windows.get(shelf, ())]
            found[shelf] = {
                minute: rows
                for minute, rows in self._shelves.get(shelf, {}).items()
                if minute >= at_s or any(minute in one for one in ranges)
            }
        return found, used_s
