"""The time range as the URL says it."""

from __future__ import annotations

import pytest

from webapp.period import DAY_MS, LENGTHS_MS, LONGEST_MS, MINUTE_MS, read_period
from webapp.period import HOUR_MS as HOUR

NOW = 1_795_212_000_500


def test_the_default_is_the_last_hour_including_this_instant() -> None:
    """What arrived this very millisecond is shown."""
    period = read_period({}, NOW)

    assert "1h" == period.key
    assert period.window.end_ms > NOW
    assert HOUR <= period.window.end_ms - period.window.start_ms < HOUR + MINUTE_MS


@pytest.mark.parametrize("key", LENGTHS_MS)
def test_a_relative_range_starts_at_a_full_minute(key: str) -> None:
    """Rollups have minutes: a list that began within one would hold less than its own sum says."""
    window = read_period({"range": key}, NOW + 17_000).window

    assert 0 == window.start_ms % MINUTE_MS
    assert LENGTHS_MS[key] <= window.end_ms - window.start_ms < LENGTHS_MS[key] + MINUTE_MS


def test_a_relative_range_stays_relative() -> None:
    """A link to the last day means the last day whenever it is opened."""
    assert {"range": "24h"} == read_period({"range": "24h"}, NOW).arguments
    assert read_period({"range": "24h"}, NOW + DAY_MS).window.end_ms > NOW + DAY_MS


def test_a_fixed_range_is_carried_in_whole_minutes() -> None:
    """The window of a link is the window of the page it came from."""
    period = read_period({"from": "2026-11-20T21:30Z", "to": "2026-11-20T22:00Z"}, NOW)

    assert {"from": "2026-11-20T21:30Z", "to": "2026-11-20T22:00Z"} == period.arguments
    assert period == read_period(period.arguments, NOW + HOUR)


def test_ends_in_the_wrong_order_are_turned_round() -> None:
    """Nobody is punished for the order of two dates."""
    assert read_period({"from": "2026-11-20T22:00Z", "to": "2026-11-20T21:30Z"}, NOW) == read_period(
        {"from": "2026-11-20T21:30Z", "to": "2026-11-20T22:00Z"}, NOW
    )


def test_a_window_without_length_becomes_a_minute() -> None:
    """No chart has to divide by zero."""
    window = read_period({"from": "2026-11-20T22:00Z", "to": "2026-11-20T22:00Z"}, NOW).window

    assert MINUTE_MS == window.end_ms - window.start_ms


def test_a_window_of_centuries_is_cut_to_a_year() -> None:
    """Nobody can ask the database for a million buckets."""
    window = read_period({"from": "1971-01-01T00:00Z", "to": "2190-01-01T00:00Z"}, NOW).window

    assert LONGEST_MS == window.end_ms - window.start_ms


@pytest.mark.parametrize(
    "arguments",
    [
        {"range": "9y"},
        {"from": "yesterday"},
        {"from": "0001-01-01"},
        {"from": "9999-12-31T23:59"},
        {"from": "2026-11-20T21:30+99:99"},
        {"to": "2026-11-20"},
        {"from": "\0"},
    ],
)
def test_nonsense_is_the_default(arguments: dict[str, str]) -> None:
    """A mangled link still shows something."""
    assert "1h" == read_period(arguments, NOW).key


def test_other_zones_are_understood() -> None:
    """A time with an offset is that instant."""
    assert (
        read_period({"from": "2026-11-20T22:30+01:00", "to": "2026-11-20T23:00+01:00"}, NOW).window
        == read_period({"from": "2026-11-20T21:30Z", "to": "2026-11-20T22:00Z"}, NOW).window
    )
