"""The sums that a round's rules ask for, each read once and moved from moment to moment for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from collector.alerts.catalog import Catalog, IssueFacts, read_issues
from collector.alerts.sums import (
    ISSUES,
    Key,
    Largest,
    Maxima,
    Sliding,
    Source,
    Tags,
    Values,
    duration_source,
    function_source,
    issue_source,
)
from collector.store import tables


class Windows:
    """Windows that end between `first_s` and `last_s`, on whole minutes. `at` sets the moment, which only goes forward.

    `only`: what is said of functions is said of these alone.
    """

    def __init__(
        self,
        connection: Connection,
        catalog: Catalog,
        *,
        last_s: int,
        now_ms: int,
        only: Sequence[int] | None = None,
    ) -> None:
        self.catalog = catalog
        self.now_s = last_s
        self.only = only
        self._connection = connection
        self._last_s = last_s
        self._now_ms = now_ms
        self._sliding: dict[Any, Sliding] = {}
        self._largest: dict[Any, Largest] = {}
        self._issues: dict[int, IssueFacts] = {}
        self._cache: dict[Any, Any] = {}
        self._totals: dict[Any, dict[Key, Values]] = {}
        self._hours: dict[Any, dict[Key, Values]] = {}
        self._oldest: int | None = None

    @property
    def cache(self) -> dict[Any, Any]:
        """For what is worked out of the sums of the present moment."""
        return self._cache

    def at(self, now_s: int) -> None:
        """Moves on."""
        self.now_s = now_s
        self._cache = {}

    def functions(self, window_s: int, tags: Tags = ()) -> dict[Key, Values]:
        """By (function,): the sums named in `collector.alerts.sums`."""
        return self._slide(("functions", tags), window_s)

    def durations(self, window_s: int, tags: Tags = ()) -> dict[Key, Values]:
        """By (function, bucket): (count,)."""
        return self._slide(("durations", tags), window_s)

    def issues(self, window_s: int, tags: Tags = ()) -> dict[Key, Values]:
        """By (issue,): (occurrences,)."""
        return self._slide((ISSUES, tags), window_s)

    def histograms(self, window_s: int, tags: Tags = ()) -> dict[int, list[tuple[int, int]]]:
        """By function: its buckets with their counts."""
        key = ("histograms", window_s, tags)
        found: dict[int, list[tuple[int, int]]] | None = self._cache.get(key)
        if found is None:
            found = self._cache[key] = {}
            for (function_id, bucket), (count,) in self.durations(window_s, tags).items():
                if count > 0:
                    found.setdefault(function_id, []).append((bucket, count))
        return found

    def issue_facts(self, ids: Sequence[int]) -> dict[int, IssueFacts]:
        """What these issues are; those that are unknown are left out."""
        unknown = [id for id in ids if id not in self._issues]
        if unknown:
            self._issues.update(read_issues(self._connection, unknown, now_ms=self._now_ms))
        return self._issues

    def memory(self, window_s: int) -> dict[Key, int]:
        """By (function,): the most that one used, in MB."""
        return self._maximum("memory", Maxima(tables.function_stats, ("function_id",), "max_memory_mb"), window_s)

    def ages(self, window_s: int) -> dict[Key, int]:
        """By (function, resource): the age of the oldest message, in milliseconds."""
        return self._maximum("ages", Maxima(tables.age_stats, ("function_id", "resource_id"), "max_age_ms"), window_s)

    def since(self, start_s: int) -> dict[Key, Values]:
        """By (function,): the sums from `start_s` up to now. What was up to the last midnight is kept."""
        midnight = self.now_s - self.now_s % 86_400
        source = self._source("functions", ())
        if start_s >= midnight:
            return source.total(self._connection, start_s, self.now_s)
        key = (start_s, midnight)
        before = self._totals.get(key)
        if before is None:
            before = self._totals[key] = source.total(self._connection, start_s, midnight)
        found = dict(before)
        for one, values in source.total(self._connection, midnight, self.now_s).items():
            known = found.get(one)
            found[one] = values if known is None else tuple(map(sum, zip(known, values, strict=True)))
        return found

    def hour(self, start_s: int, *, durations: bool = False) -> dict[Key, Values]:
        """The sums, or histograms, of the hour that began then."""
        return self._hour("durations" if durations else "functions", start_s)

    def issue_hour(self, start_s: int) -> dict[Key, Values]:
        """The same of issues."""
        return self._hour(ISSUES, start_s)

    def _hour(self, name: str, start_s: int) -> dict[Key, Values]:
        key = (name, start_s)
        found = self._hours.get(key)
        if found is None:
            source = self._source(name, ())
            found = self._hours[key] = source.total(self._connection, start_s, start_s + 3_600)
        return found

    @property
    def oldest_s(self) -> int:
        """Start of the first hour that there are sums of; that of now where there is none."""
        if self._oldest is None:
            stats = tables.function_stats.c
            oldest = self._connection.scalar(select(func.min(stats.start_s)).where(stats.resolution == 3_600))
            self._oldest = oldest if oldest is not None else self.now_s
        return self._oldest

    def _slide(self, name: tuple[str, Tags], window_s: int) -> dict[Key, Values]:
        key = (*name, window_s)
        sliding = self._sliding.get(key)
        if sliding is None:
            source = self._source(*name)
            sliding = self._sliding[key] = Sliding(self._connection, source, window_s, self.now_s, self._last_s)
        return sliding.advance(self.now_s)

    def _source(self, name: str, tags: Tags) -> Source:
        make = {"functions": function_source, "durations": duration_source, ISSUES: issue_source}[name]
        return make(tags, self.only)

    def _maximum(self, name: str, source: Maxima, window_s: int) -> dict[Key, int]:
        key = (name, window_s)
        found: dict[Key, int] | None = self._cache.get(key)
        if found is None:
            largest = self._largest.get(key)
            if largest is None:
                source.limit(self.only)
                largest = Largest(self._connection, source, window_s, self.now_s, self._last_s)
                self._largest[key] = largest
            found = self._cache[key] = largest.advance(self.now_s)
        return found
