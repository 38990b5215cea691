"""The time range of every page: read from the URL, carried in every link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from collector.store.queries.common import TimeRange

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# An hour shows the night's incident and the first minutes of a new installation alike; wider is one click away.
DEFAULT = "1h"
LENGTHS_MS = {"15m": 15 * MINUTE_MS, "1h": HOUR_MS, "4h": 4 * HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS}
LABELS = {
    "15m": "Last 15 minutes",
    "1h": "Last hour",
    "4h": "Last 4 hours",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
}
LONGEST_MS = 366 * DAY_MS


@dataclass(frozen=True, slots=True)
class Period:
    """A window of time, and how the URL says it. A relative one moves with the clock."""

    key: str  # a key of LENGTHS_MS; "" for a fixed window
    window: TimeRange
    cut: bool = False  # a longer window was asked for: this is its end

    @property
    def relative(self) -> bool:
        return bool(self.key)

    @property
    def label(self) -> str:
        if self.key:
            return LABELS[self.key]
        return f"{_text(self.window.start_ms)} to {_text(self.window.end_ms)} UTC"

    @property
    def within(self) -> str:
        """For a sentence: "in the last hour"."""
        return f"in the {self.label.lower()}" if self.key else "in this time range"

    @property
    def arguments(self) -> dict[str, str]:
        """The URL's arguments that mean this period."""
        if self.key:
            return {"range": self.key}
        return {"from": _iso(self.window.start_ms), "to": _iso(self.window.end_ms)}

    @property
    def wider(self) -> str | None:
        """The key of the next longer relative range."""
        length = self.window.end_ms - self.window.start_ms
        return next((key for key, ms in LENGTHS_MS.items() if ms > length), None)


def read_period(arguments: Mapping[str, str], now_ms: int) -> Period:
    """The period that a URL asks for; the default where it asks for none or for nonsense."""
    key = arguments.get("range", "")
    if key in LENGTHS_MS:
        return _relative(key, now_ms)
    start, end = _read_time(arguments.get("from", "")), _read_time(arguments.get("to", ""))
    if start is None:
        return _relative(DEFAULT, now_ms)
    end = now_ms if end is None else end
    if start > end:
        start, end = end, start
    # Full minutes, as rollups have them; at least one of them, so that no chart divides by zero.
    start -= start % MINUTE_MS
    end += -end % MINUTE_MS
    end = max(end, start + MINUTE_MS)
    return Period("", TimeRange(max(start, end - LONGEST_MS), end), cut=end - start > LONGEST_MS)


def _relative(key: str, now_ms: int) -> Period:
    # The end is past now by a millisecond: what started this instant is included. The start is a full minute, as
    # rollups have them: what is counted from them and what is listed one by one agree.
    start = now_ms + 1 - LENGTHS_MS[key]
    return Period(key, TimeRange(start - start % MINUTE_MS, now_ms + 1))


def _read_time(text: str) -> int | None:
    """ISO 8601, UTC unless it says otherwise. None: not a time between 1970 and 2199."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not 1970 < moment.year < 2200:
        return None
    return round(moment.timestamp() * 1000)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%-d %b %Y %H:%M")
