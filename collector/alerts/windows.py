"""The sums that a round's rules ask for, each read once and moved from moment to moment for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from collector.alerts.catalog import Catalog, IssueFacts, any_muted, read_issues
from collector.alerts.kept import Joined, Kept, Key, Shelf, Shelves
from collector.alerts.maxima import Largest, Maxima, Peaks
from collector.alerts.sources import COSTS, COUNTED, DURATIONS, FUNCTIONS, source_of
from collector.alerts.sums import ISSUES, NOTHING, TOGETHER, Histograms, Row, Source, Sums, Tags, Values
from collector.store import tables

HOUR_S, DAY_S = 3_600, 86_400
MEMORY, AGES = "memory", "ages"
_MAXIMA = {
    MEMORY: Maxima(tables.function_stats, ("function_id",), "max_memory_mb"),
    AGES: Maxima(tables.age_stats, ("function_id", "resource_id"), "max_age_ms"),
}
M = TypeVar("M", Sums, Histograms)
Counts = dict[int, dict[int, int]]  # of durations: by function and bucket
History = dict[tuple[str, int], Any]  # sums of hours that are over for good


class Windows:
    """Windows that end at moments up to `last_s`. `at` sets the moment, which only goes forward.

    `only`: what is said of functions is said of these alone. `kept` is what the last round left, and makes this the
    windows of a round: what rules share is read once for all of them, and `keep` leaves it as it was at `keep_s`.
    `joined` remembers sums of several functions as one. `ahead`: only the moment `keep_s` is asked for, and what is
    read is for a later round, which reads anew what may still change. What methods return holds until `at` is called,
    and is not to be changed.
    """

    def __init__(
        self,
        connection: Connection,
        catalog: Catalog,
        *,
        last_s: int,
        now_ms: int,
        only: Sequence[int] | None = None,
        kept: Kept | None = None,
        keep_s: int = 0,
        joined: Joined | None = None,
        ahead: bool = False,
    ) -> None:
        self.catalog = catalog
        self.now_s = last_s
        self.cache: dict[Any, Any] = {}  # what is worked out of the sums of the present moment
        self.lasting: dict[Any, Any] = {}  # the same of what is so at every moment
        self._only = only
        self._connection = connection
        self._last_s = last_s
        self._now_ms = now_ms
        self._moving: dict[Any, Any] = {}
        self._issues: dict[int, IssueFacts] = {}
        self._hours: History = {}
        self._kept = kept or Kept()
        self._of_round = kept is not None
        self._shelves = Shelves(connection, self._kept)
        self._keep_s = keep_s
        self._joined = joined
        self._ahead = ahead
        self._oldest: int | None = None
        self._muted: bool | None = None

    def at(self, now_s: int) -> None:
        """Moves on."""
        self.now_s = now_s
        self.cache = {}

    @property
    def known(self) -> Collection[int]:
        """The functions that something is said of."""
        if self._only is None:
            return self.catalog.functions.keys()
        return [id for id in self._only if id in self.catalog.functions]

    def functions(self, window_s: int, tags: Tags = (), joined: frozenset[int] | None = None) -> Mapping[int, Values]:
        """By function: the values of `collector.alerts.sums`. With `joined` of all these functions as one."""
        return self._functions(FUNCTIONS, window_s, tags, joined)

    def _functions(self, name: str, window_s: int, tags: Tags, joined: frozenset[int] | None) -> Mapping[int, Values]:
        if joined is None or not self._of_round:
            return self._move(Sums, name, window_s, tags, joined).sums
        key = ("joined sums", name, window_s, tags, joined)
        if key not in self.cache:
            sums = self._move(Sums, name, window_s, tags, None).sums
            some = [sums[id] for id in joined if id in sums]
            self.cache[key] = {TOGETHER: tuple(map(sum, zip(NOTHING, *some, strict=True)))}
        found: Mapping[int, Values] = self.cache[key]
        return found

    def counted(self, window_s: int, tags: Tags = (), joined: frozenset[int] | None = None) -> Mapping[int, Values]:
        """The same without cold starts and throttled calls, which the sums of tags do not have."""
        if len({key for key, _ in tags}) != 1:
            return self.functions(window_s, tags, joined)
        return self._functions(COUNTED, window_s, tags, joined)

    def histograms(self, window_s: int, tags: Tags = (), joined: frozenset[int] | None = None) -> Counts:
        """By function: its buckets with their counts. With `joined` likewise."""
        if joined is None or not self._of_round:
            return self._move(Histograms, DURATIONS, window_s, tags, joined).counts
        key = ("joined histograms", window_s, tags, joined)
        if key not in self.cache:
            histograms = self._move(Histograms, DURATIONS, window_s, tags, None).counts
            counts: dict[int, int] = {}
            for id in joined:
                for bucket, count in histograms[id].items() if id in histograms else ():
                    counts[bucket] = counts.get(bucket, 0) + count
            self.cache[key] = {TOGETHER: counts}
        found: Counts = self.cache[key]
        return found

    def issues(self, window_s: int, tags: Tags = ()) -> Mapping[int, Values]:
        """By issue: (occurrences,)."""
        return self._move(Sums, ISSUES, window_s, tags, None).sums

    def issue_facts(self, ids: Collection[int]) -> Mapping[int, IssueFacts]:
        """What these issues are; those that are unknown are left out."""
        unknown = [id for id in ids if id not in self._issues]
        if unknown:
            self._issues.update(read_issues(self._connection, unknown, now_ms=self._now_ms))
        return self._issues

    @property
    def any_muted(self) -> bool:
        """Whether somebody has muted any issue."""
        if self._muted is None:
            self._muted = any_muted(self._connection, now_ms=self._now_ms)
        return self._muted

    def memory(self, window_s: int) -> Mapping[Row, int]:
        """By (function,): the most that one used, in MB."""
        return self._maximum(MEMORY, window_s)

    def ages(self, window_s: int) -> Mapping[Row, int]:
        """By (function, resource): the age of the oldest message, in milliseconds."""
        return self._maximum(AGES, window_s)

    def changed(self, start_s: int, end_s: int) -> frozenset[int]:
        """The functions of which anything in these minutes is otherwise than the last round left it."""
        found: set[int] = set()
        for shelf in self._kept.minutes:
            name, tags = shelf
            source = _MAXIMA[name] if name in _MAXIMA else source_of(name, tags, None)
            ids = self._shelves.changed(shelf, source, start_s, end_s)
            if name == ISSUES and ids:
                facts = self.issue_facts(ids)
                ids = {facts[id].function_id for id in ids if id in facts}
            found |= ids
        return frozenset(found)

    def spent(self, start_s: int) -> Mapping[int, int]:
        """By function: what it and its calls have cost from `start_s` up to now, in picodollars."""
        key = ("spent", start_s)
        found: dict[int, int] | None = self.cache.get(key)
        if found is None:
            midnight = self.now_s - self.now_s % DAY_S - DAY_S  # of yesterday: what was before is over for good
            first = -(-start_s // DAY_S) * DAY_S  # whole days last until the next midnight, also where the start moves
            parts = [self._past(COSTS, first, midnight)] if first < midnight else []
            if start_s < min(first, midnight):
                parts.append(self._past(COSTS, start_s, min(first, midnight)))
            parts.append(self._spent_since(max(start_s, midnight)))
            found = self.cache[key] = {}
            for part in parts:
                for id, cost in part.items():
                    found[id] = found.get(id, 0) + cost
        return found

    def _spent_since(self, start_s: int) -> Mapping[int, int]:
        key = ("spent since", start_s)
        found: dict[int, int] | None = self.cache.get(key)
        if found is None:
            rows = source_of(COSTS, (), self._only).total(self._connection, start_s, self.now_s)
            found = self.cache[key] = {id: cost + of_calls for id, cost, of_calls in rows}
        return found

    def hour(self, start_s: int) -> Mapping[int, Values]:
        """By function: the sums of the hour that began then."""
        found: Mapping[int, Values] = self._past(FUNCTIONS, start_s, start_s + HOUR_S)
        return found

    def issue_hour(self, start_s: int) -> Mapping[int, Values]:
        """By issue: the same."""
        found: Mapping[int, Values] = self._past(ISSUES, start_s, start_s + HOUR_S)
        return found

    def histogram_hour(self, start_s: int) -> Counts:
        """By function: its buckets with their counts, of the hour that began then."""
        found: Counts = self._past(DURATIONS, start_s, start_s + HOUR_S)
        return found

    def read_hours(self, name: str, starts: Iterable[int]) -> None:
        """Reads what is not known yet of FUNCTIONS or DURATIONS in the hours that began then, all at once."""
        keys = {start_s: _past_key(name, start_s, start_s + HOUR_S) for start_s in starts}
        unknown = [start_s for start_s, key in keys.items() if key not in self._hours and key not in self._kept.history]
        if unknown:
            rows = source_of(name, (), self._only).hours(self._connection, unknown)
            self._hours.update({keys[start_s]: _sums_of(name, rows.get(start_s, ())) for start_s in unknown})

    @property
    def oldest_s(self) -> int:
        """Start of the first hour that there are sums of; that of now where there is none."""
        if self._oldest is None:
            stats = tables.function_stats.c
            oldest = self._connection.scalar(select(func.min(stats.start_s)).where(stats.resolution == HOUR_S))
            self._oldest = oldest if oldest is not None else self.now_s
        return self._oldest

    def _past(self, name: str, start_s: int, end_s: int) -> Any:
        key = _past_key(name, start_s, end_s)
        found = self._hours.get(key)
        if found is None:
            found = self._kept.history.get(key)
        if found is None:
            found = _sums_of(name, source_of(name, (), self._only).total(self._connection, start_s, end_s))
        self._hours[key] = found
        return found

    def keep(self, *, through_s: int, position_s: int, plans: Mapping[str, object]) -> Kept:
        """What the next round need not read again; of the windows of a round."""
        final_s = self._now_ms // 1000 - DAY_S - HOUR_S
        # Of each kind what was used last: forecasts use theirs at fewer moments than others.
        used = {name.partition(" ")[0] for name, _ in self._hours}
        history = {key: found for key, found in self._hours.items() if key[1] + HOUR_S < final_s}
        history |= {key: old for key, old in self._kept.history.items() if key[0].partition(" ")[0] not in used}
        sums = {key: rows for key, moving in self._moving.items() if (rows := moving.kept) is not None}
        windows: dict[Shelf, list[int]] = {}
        for name, tags, window_s, _ in sums:
            windows.setdefault((name, tags), []).append(window_s)
        minutes, used_s = self._shelves.keep(windows, self._keep_s, self._last_s)
        return Kept(
            at_s=self._keep_s,
            through_s=through_s,
            position_s=position_s,
            looked_s=self._now_ms // 1000,
            sums=sums,
            minutes=minutes,
            used_s=used_s,
            plans=plans,
            history=history,
        )

    def _move(self, make: type[M], name: str, window_s: int, tags: Tags, joined: frozenset[int] | None) -> M:
        key = (name, tags, window_s, joined)
        moving: M | None = self._moving.get(key)
        if moving is None:
            moving = self._moving[key] = self._begin(make, key)
        moving.advance(self.now_s)
        return moving

    def _begin(self, make: type[M], key: Key) -> M:
        name, tags, window_s, joined = key
        only = self._only
        if joined is not None and len(joined) < len(self.catalog.functions):
            only = sorted(joined)
        source = source_of(name, tags, only, joined=joined is not None)
        if not self._of_round:
            first_s = self.now_s
            if joined is not None and self._joined is not None:
                return self._begin_joined(make, key, source, self._joined)
            minutes = source.minutes(self._connection, first_s - window_s, min(first_s, self._last_s - window_s))
            # All windows move over the same minutes at their front.
            edge = ("edge", name, tags, joined, first_s)
            if edge not in self.lasting:
                self.lasting[edge] = source.minutes(self._connection, first_s, self._last_s)
            total = source.total(self._connection, first_s - window_s, first_s)
            return make(total, {**minutes, **self.lasting[edge]}, window_s, first_s, self._keep_s)
        first_s, total = self._start(key, source)
        return make(total, self._around((name, tags), source, window_s, first_s), window_s, first_s, self._keep_s)

    def _begin_joined(self, make: type[M], key: Key, source: Source, remembered: Joined) -> M:
        """The same by remembered minutes, as far as they reach."""
        name, tags, window_s, joined = key
        first_s, last_s, minutes_of = self.now_s, self._last_s, (name, tags, 0, joined)
        read, connection = remembered.minutes, self._connection
        start_s = first_s - window_s
        if window_s <= HOUR_S and remembered.reaches(start_s):
            minutes = read(connection, minutes_of, source, start_s, last_s)
            total = [row for minute, rows in minutes.items() if minute < first_s for row in rows]
        else:
            minutes = read(connection, minutes_of, source, first_s, last_s)
            minutes |= read(connection, minutes_of, source, start_s, min(first_s, last_s - window_s))
            total = source.total(connection, start_s, first_s)
        return make(total, minutes, window_s, first_s, self._keep_s)

    def _start(self, key: Key, source: Source) -> tuple[int, list[Row]]:
        """Where a round's window begins to move, and its sums there: as they were kept, but for those that are
        stale."""
        name, tags, window_s, _ = key
        rows = self._kept.rows(key, self.now_s)
        if rows is None:
            return self.now_s, source.total(self._connection, self.now_s - window_s, self.now_s)
        first_s = self._kept.at_s
        if name != ISSUES and self._kept.stale_ids:
            again = source_of(name, tags, sorted(self._kept.stale_ids))
            rows = [*rows, *again.total(self._connection, first_s - window_s, first_s)]
        return first_s, rows

    def _around(self, shelf: Shelf, source: Source, window_s: int, first_s: int) -> dict[int, Sequence[Row]]:
        """The minutes that enter and leave a round's window."""
        behind = self._shelves.minutes(shelf, source, first_s - window_s, min(first_s, self._last_s - window_s))
        if self._ahead:
            return behind
        return {**behind, **self._shelves.minutes(shelf, source, first_s, self._last_s)}

    def _maximum(self, name: str, window_s: int) -> Mapping[Row, int]:
        key: Key = (name, (), window_s, None)
        found: dict[Row, int] | None = self.cache.get(key)
        if found is None:
            moving = self._moving.get(key)
            if moving is None:
                moving = self._moving[key] = self._begin_maximum(key)
            found = self.cache[key] = moving.advance(self.now_s)
        return found

    def _begin_maximum(self, key: Key) -> Largest | Peaks:
        name, _, window_s, _ = key
        source = _MAXIMA[name] if self._only is None else _MAXIMA[name].of(self._only)
        if not self._of_round:
            return Largest(self._connection, source, window_s, self.now_s, self._last_s)
        first_s = self.now_s
        rows = self._kept.rows(key, first_s)
        if rows is None:
            rows = source.peaks(self._connection, first_s - window_s, first_s)
        else:
            first_s = self._kept.at_s
            if self._kept.stale_ids:
                again = source.of(sorted(self._kept.stale_ids))
                rows = [*rows, *again.peaks(self._connection, first_s - window_s, first_s)]
        minutes = {} if self._ahead else self._shelves.minutes((name, ()), source, first_s, self._last_s)
        find = partial(source.find, self._connection)
        return Peaks(find, rows, minutes, window_s=window_s, first_s=first_s, keep_s=self._keep_s)


def _past_key(name: str, start_s: int, end_s: int) -> tuple[str, int]:
    return f"{name} {end_s - start_s}", start_s


def _sums_of(name: str, rows: Iterable[Row]) -> Any:
    if name == DURATIONS:
        found: Counts = {}
        for function_id, bucket, count in rows:
            found.setdefault(function_id, {})[bucket] = count
        return found
    if name == COSTS:
        return {id: cost + of_calls for id, cost, of_calls in rows}
    return {row[0]: row[1:] for row in rows}
