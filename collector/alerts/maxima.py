"""The largest values within windows that move on. Unlike sums they cannot be taken back: what leaves a window may have
been its largest value, and what is the largest then must be looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, Table, func, select

from collector.alerts.sums import BY_FUNCTION, Minutes, Row, by_start, each_function, fetch, of_functions
from collector.store.queries.common import TimeRange
from collector.store.queries.windows import MINUTE_S, rollup, slices


class Maxima:
    """Rows of one rollup: of `keys`, the first of them the function, with a value of which the largest counts. `only`:
    of these functions."""

    def __init__(self, table: Table, keys: Sequence[str], value: str, *, only: Sequence[int] | None = None) -> None:
        self._table = table
        self._keys = keys
        self._value = value
        self._where = [] if only is None else [of_functions(table, only)]
        self._every = only is None and table in BY_FUNCTION

    def of(self, only: Sequence[int]) -> Maxima:
        """The same of these functions."""
        return Maxima(self._table, self._keys, self._value, only=only)

    def largest(self, connection: Connection, start_s: int, end_s: int) -> list[Row]:
        """Keys and value over whole minutes from `start_s` up to `end_s`."""
        if start_s >= end_s:
            return []
        columns = [self._table.c[name] for name in (*self._keys, self._value)]
        rows = rollup(
            self._table, slices(TimeRange(start_s * 1000, end_s * 1000)), columns, *self._conditions(connection)
        )
        keys = [rows.c[name] for name in self._keys]
        return fetch(connection, select(*keys, func.max(rows.c[self._value])).group_by(*keys))

    def peaks(self, connection: Connection, start_s: int, end_s: int) -> list[Row]:
        """The same rows as `largest`, and with each when it was last: the start of an hour or a minute."""
        if start_s >= end_s:
            return []
        names = (*self._keys, self._value)
        columns = [self._table.c[name] for name in (*names, "start_s")]
        rows = rollup(
            self._table, slices(TimeRange(start_s * 1000, end_s * 1000)), columns, *self._conditions(connection)
        )
        # Of each value the last: what a function uses is hardly ever different from one minute to the next.
        values = [rows.c[name] for name in names]
        statement = select(*values, func.max(rows.c.start_s)).group_by(*values)
        found: dict[Row, Row] = {}
        for row in fetch(connection, statement):
            known = found.get(row[:-2])
            if known is None or row[-2:] > known[-2:]:
                found[row[:-2]] = row
        return list(found.values())

    def find(self, connection: Connection, ids: Sequence[int], start_s: int, end_s: int) -> list[Row]:
        """The peaks of these functions."""
        return self.of(ids).peaks(connection, start_s, end_s)

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[Row]]:
        """Each minute's keys and values, by when the minute began."""
        if start_s >= end_s:
            return {}
        stats = self._table.c
        columns = (stats.start_s, *(stats[name] for name in self._keys), stats[self._value])
        statement = select(*columns).where(
            stats.resolution == MINUTE_S, stats.start_s >= start_s, stats.start_s < end_s, *self._conditions(connection)
        )
        return by_start(fetch(connection, statement))

    def _conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        return [*self._where, *each_function(connection, self._table)] if self._every else self._where


class Largest:
    """The largest value of the last `window_s` before `t`, by key or keys; `t` only goes forward. For many moments of
    one rule: everything is read at once."""

    def __init__(self, connection: Connection, source: Maxima, window_s: int, first_s: int, last_s: int) -> None:
        self._window_s = window_s
        # What all of these windows hold is read as one. It is nothing where they are shorter than the time between.
        common = min(last_s - window_s, first_s)
        self._common = {row[:-1]: row[-1] for row in source.largest(connection, common, first_s)}
        if last_s - window_s > first_s:
            self._minutes = source.minutes(connection, first_s - window_s, last_s)
        else:
            self._minutes = source.minutes(connection, first_s - window_s, common)
            self._minutes.update(source.minutes(connection, first_s, last_s))

    def advance(self, t: int) -> dict[Row, int]:
        """By keys, over the window that ends at `t`."""
        found = dict(self._common)
        for minute, rows in self._minutes.items():
            if t - self._window_s <= minute < t:
                for row in rows:
                    key, value = row[:-1], row[-1]
                    if value > found.get(key, 0):
                        found[key] = value
        return found


class Peaks:
    """The same for the few moments of a round: of every key its largest value and when that was, so that hardly any
    has to be looked for again when time goes on. `find` does that: of functions, from and up to a time. `total` and
    what it returns are rows as `Maxima.peaks` gives them; `minutes` are those that enter the window."""

    def __init__(
        self,
        find: Callable[[Sequence[int], int, int], Iterable[Row]],
        total: Iterable[Row],
        minutes: Minutes,
        *,
        window_s: int,
        first_s: int,
        keep_s: int,
    ) -> None:
        self._find = find
        self._minutes = minutes
        self._window_s = window_s
        self._at_s = first_s
        self._keep_s = keep_s
        self._found: dict[Row, Row] = {row[:-2]: row[-2:] for row in total}
        self._kept: list[Row] | None = None

    @property
    def kept(self) -> list[Row] | None:
        """What it was at `keep_s`."""
        return self._rows() if self._at_s == self._keep_s else self._kept

    def _rows(self) -> list[Row]:
        return [(*key, *best) for key, best in self._found.items()]

    def advance(self, t: int) -> dict[Row, int]:
        """By keys, over the window that ends at `t`."""
        for minute in range(self._at_s, t, MINUTE_S):
            if minute == self._keep_s:
                self._kept = self._rows()
            self._put((*row, minute) for row in self._minutes.get(minute, ()))
            start_s = minute + MINUTE_S - self._window_s
            gone = [key for key, (_, at_s) in self._found.items() if at_s < start_s]
            for key in gone:
                del self._found[key]
            if gone:
                self._put(self._find(sorted({key[0] for key in gone}), start_s, minute + MINUTE_S))
        self._at_s = max(self._at_s, t)
        return {key: value for key, (value, _) in self._found.items()}

    def _put(self, rows: Iterable[Row]) -> None:
        found = self._found
        for row in rows:
            known = found.get(row[:-2])
            if known is None or row[-2:] > known:
                found[row[:-2]] = row[-2:]
