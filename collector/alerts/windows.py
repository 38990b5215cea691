"""The sums that a round's rules ask for, each read once and moved from moment to moment for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from collector.alerts.catalog import Catalog, IssueFacts, read_issues
from collector.alerts.sources import DURATIONS, FUNCTIONS, source_of
from collector.alerts.sums import ISSUES, Histograms, Largest, Maxima, Row, Sums, Tags, Values, add
from collector.store import tables

HOUR_S, DAY_S = 3_600, 86_400
M = TypeVar("M", Sums, Histograms)
Counts = dict[int, dict[int, int]]  # of durations: by function and bucket
History = dict[tuple[str, int], Any]  # sums of hours that are over for good
Key = tuple[str, Tags, int, frozenset[int] | None]  # of sums: what, of which tags, over how long, of which as one


@dataclass(frozen=True, slots=True)
class Kept:
    """What one round leaves to the next one: the sums of its windows as they were at `at_s`, when nothing could change
    them any more that would not be noted as late; and the sums of past hours."""

    at_s: int = 0
    sums: Mapping[Key, Sequence[Row]] = field(default_factory=dict)
    history: History = field(default_factory=dict)

    def without(self, late: Collection[int]) -> Kept:
        """Without the sums that late minutes of these functions changed (0: of any)."""
        if not late:
            return self
        sums = {
            key: [row for row in rows if row[0] not in late] if key[3] is None else rows
            for key, rows in self.sums.items()
            if key[0] != ISSUES and (key[3] is None or key[3].isdisjoint(late))
        }
        return replace(self, sums=sums)


class Windows:
    """Windows that end at moments up to `last_s`. `at` sets the moment, which only goes forward.

    `only`: what is said of functions is said of these alone. `kept` is what the last round left, `late` the functions
    whose sums in it are not to be believed, and `keep_s` the moment whose sums this one is to leave. What methods
    return holds until `at` is called, and is not to be changed.
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
        late: Collection[int] = (),
        keep_s: int = 0,
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
        self._kept = (kept or Kept()).without(late)
        self._late = sorted(id for id in late if id)  # 0 stands for the issues of a minute, which are read anew
        self._keep_s = keep_s
        self._edges: dict[Any, Mapping[int, Sequence[Row]]] = {}
        self._oldest: int | None = None

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
        return self._move(Sums, FUNCTIONS, window_s, tags, joined).sums

    def histograms(self, window_s: int, tags: Tags = (), joined: frozenset[int] | None = None) -> Counts:
        """By function: its buckets with their counts. With `joined` likewise."""
        return self._move(Histograms, DURATIONS, window_s, tags, joined).counts

    def issues(self, window_s: int, tags: Tags = ()) -> Mapping[int, Values]:
        """By issue: (occurrences,)."""
        return self._move(Sums, ISSUES, window_s, tags, None).sums

    def issue_facts(self, ids: Collection[int]) -> Mapping[int, IssueFacts]:
        """What these issues are; those that are unknown are left out."""
        unknown = [id for id in ids if id not in self._issues]
        if unknown:
            self._issues.update(read_issues(self._connection, unknown, now_ms=self._now_ms))
        return self._issues

    def memory(self, window_s: int) -> Mapping[Row, int]:
        """By (function,): the most that one used, in MB."""
        source = Maxima(tables.function_stats, ("function_id",), "max_memory_mb", only=self._only)
        return self._maximum("memory", source, window_s)

    def ages(self, window_s: int) -> Mapping[Row, int]:
        """By (function, resource): the age of the oldest message, in milliseconds."""
        source = Maxima(tables.age_stats, ("function_id", "resource_id"), "max_age_ms", only=self._only)
        return self._maximum("ages", source, window_s)

    def since(self, start_s: int) -> Mapping[int, Values]:
        """By function: the sums from `start_s` up to now."""
        key = ("since", start_s)
        found: dict[int, Values] | None = self.cache.get(key)
        if found is None:
            midnight = self.now_s - self.now_s % DAY_S - DAY_S  # of yesterday: what was before is over for good
            found = self.cache[key] = dict(self._past(FUNCTIONS, start_s, midnight)) if start_s < midnight else {}
            for row in source_of(FUNCTIONS, (), self._only).total(self._connection, max(start_s, midnight), self.now_s):
                known = found.get(row[0])
                found[row[0]] = row[1:] if known is None else add(known, row[1:])
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

    @property
    def oldest_s(self) -> int:
        """Start of the first hour that there are sums of; that of now where there is none."""
        if self._oldest is None:
            stats = tables.function_stats.c
            oldest = self._connection.scalar(select(func.min(stats.start_s)).where(stats.resolution == HOUR_S))
            self._oldest = oldest if oldest is not None else self.now_s
        return self._oldest

    def _past(self, name: str, start_s: int, end_s: int) -> Any:
        key = (f"{name} {end_s - start_s}", start_s)
        found = self._hours.get(key)
        if found is None:
            found = self._kept.history.get(key)
        if found is None:
            rows = source_of(name, (), self._only).total(self._connection, start_s, end_s)
            if name == DURATIONS:
                found = {}
                for function_id, bucket, count in rows:
                    found.setdefault(function_id, {})[bucket] = count
            else:
                found = {row[0]: row[1:] for row in rows}
        self._hours[key] = found
        return found

    def keep(self) -> Kept:
        """What the next round need not read again."""
        final_s = self._now_ms // 1000 - DAY_S - HOUR_S
        history = {key: found for key, found in self._hours.items() if key[1] + HOUR_S < final_s}
        sums = {
            key: moving.kept
            for key, moving in self._moving.items()
            if isinstance(moving, Sums | Histograms) and moving.kept is not None
        }
        return Kept(self._keep_s, sums, history or self._kept.history)

    def _move(self, make: type[M], name: str, window_s: int, tags: Tags, joined: frozenset[int] | None) -> M:
        key = (name, tags, window_s, joined)
        moving: M | None = self._moving.get(key)
        if moving is None:
            moving = self._moving[key] = self._begin(make, key)
        moving.advance(self.now_s)
        return moving

    def _begin(self, make: type[M], key: Key) -> M:
        name, tags, window_s, joined = key
        only, first_s, last_s = self._only, self.now_s, self._last_s
        if joined is not None and len(joined) < len(self.catalog.functions):
            only = sorted(joined)
        source = source_of(name, tags, only, joined=joined is not None)
        kept_rows = self._kept.sums.get(key)
        if kept_rows is not None and self._kept.at_s <= first_s < self._kept.at_s + window_s:
            first_s = self._kept.at_s
            total = list(kept_rows)
            if self._late and joined is None:
                total += source_of(name, tags, self._late).total(self._connection, first_s - window_s, first_s)
        else:
            total = source.total(self._connection, first_s - window_s, first_s)
        # All windows move over the same minutes at their front.
        edge = (name, tags, joined, first_s)
        if edge not in self._edges:
            self._edges[edge] = source.minutes(self._connection, first_s, last_s)
        behind = source.minutes(self._connection, first_s - window_s, min(first_s, last_s - window_s))
        return make(total, {**behind, **self._edges[edge]}, window_s, first_s, self._keep_s)

    def _maximum(self, name: str, source: Maxima, window_s: int) -> Mapping[Row, int]:
        key = (name, window_s)
        found: dict[Row, int] | None = self.cache.get(key)
        if found is None:
            largest = self._moving.get(key)
            if largest is None:
                largest = Largest(self._connection, source, window_s, self.now_s, self._last_s)
                self._moving[key] = largest
            found = self.cache[key] = largest.advance(self.now_s)
        return found
