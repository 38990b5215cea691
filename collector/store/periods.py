"""How long what is kept: one period per kind, and a size for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400
NS = 1_000_000_000
MARGIN = 0.95  # of the size that may be used, once more was: otherwise every export would set it off again


class Kind(StrEnum):
    """What has a period of its own, from what is read least often and largest to what is smallest."""

    EXPORTS = "exports"  # requests whole: payloads, attributes, lines
    ROWS = "rows"  # invocations, calls, transactions, links, lines' pieces: what lists and searches read
    MINUTES = "minutes"  # sums per minute
    HOURS = "hours"  # sums per hour; and functions, resources and issues that nothing is known of any more


@dataclass(frozen=True, slots=True)
class Periods:
    """In days; None: for ever. `errors` is of exports and rows of transactions in which an invocation failed.

    `max_bytes` is what the database may take on disk, without what is free in it: None, as much as it needs.
    """

    exports: float | None = 14.0
    rows: float | None = 30.0
    minutes: float | None = 60.0
    hours: float | None = 400.0
    errors: float | None = 0.0
    max_bytes: int | None = None

    def cutoffs(self, now_ns: int) -> Cutoffs:
        def before(days: float | None) -> int:
            return max(now_ns - round(days * DAY_S * NS), 0) if days is not None else 0

        exports, rows, errors = before(self.exports), before(self.rows), before(self.errors)
        return Cutoffs(
            now_ns=now_ns,
            exports_ns=exports,
            rows_ns=rows,
            failed_exports_ns=min(exports, errors),
            failed_rows_ns=min(rows, errors),
            minutes_ns=before(self.minutes),
            hours_ns=before(self.hours),
        )


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What began before these goes; nanoseconds since 1970. 0: nothing does."""

    now_ns: int
    exports_ns: int
    rows_ns: int
    failed_exports_ns: int
    failed_rows_ns: int
    minutes_ns: int
    hours_ns: int

    def of(self, kind: Kind) -> int:
        by_kind = {
            Kind.EXPORTS: self.exports_ns,
            Kind.ROWS: self.rows_ns,
            Kind.MINUTES: self.minutes_ns,
            Kind.HOURS: self.hours_ns,
        }
        return by_kind[kind]
