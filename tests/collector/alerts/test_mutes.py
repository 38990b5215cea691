"""Weekly mute windows on the days on which clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from collector.alerts.model import MuteWindow
from collector.alerts.mutes import is_on

MINUTES_OF_DAY = range(24 * 60)
FORWARD, BACK = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)  # both at 01:00 UTC, in Berlin


def on(day: datetime, start: str, minutes: int, timezone: str = "Europe/Berlin") -> list[tuple[str, str]]:
    """When the window holds on that day, UTC: from each of these times up to the one beside it."""
    mute = MuteWindow("m", "m", weekdays=(day.weekday(),), start=start, minutes=minutes, timezone=timezone)
    first = int(day.timestamp()) // 60
    held = [is_on(mute, (first + minute) * 60_000) for minute in MINUTES_OF_DAY]
    edges = [minute for minute in MINUTES_OF_DAY if held[minute] != (minute > 0 and held[minute - 1])]
    clock = [f"{minute // 60:02}:{minute % 60:02}" for minute in edges]
    return list(zip(clock[::2], [*clock[1::2], "24:00"], strict=False))


@pytest.mark.parametrize(
    ("start", "minutes", "held"),
    [
        ("02:30", 30, ("01:30", "02:00")),  # 02:30 does not come: it is 03:30
        ("02:00", 60, ("01:00", "02:00")),
        ("02:30", 120, ("01:30", "03:30")),
        ("01:30", 30, ("00:30", "01:00")),
        ("01:30", 60, ("00:30", "01:30")),  # its end does not come: it is 03:30
        ("01:30", 120, ("00:30", "01:30")),  # to half past three by the clock
        ("03:00", 60, ("01:00", "02:00")),
    ],
)
def test_an_hour_that_does_not_exist_comes_an_hour_later(start: str, minutes: int, held: tuple[str, str]) -> None:
    assert [held] == on(FORWARD, start, minutes)


@pytest.mark.parametrize(
    ("start", "minutes", "held"),
    [
        ("02:30", 30, ("00:30", "02:00")),  # up to three o'clock by the clock, which is an hour later
        ("02:00", 30, ("00:00", "00:30")),  # not again an hour later
        ("01:00", 180, ("00:00", "03:00")),
        ("03:00", 60, ("02:00", "03:00")),
    ],
)
def test_of_an_hour_that_comes_twice_the_first_is_meant(start: str, minutes: int, held: tuple[str, str]) -> None:
    assert [held] == on(BACK, start, minutes)


def test_half_an_hour_is_put_forward_on_lord_howe() -> None:
    day = datetime(2026, 10, 4, tzinfo=UTC)
    mute = MuteWindow("m", "m", weekdays=(6,), start="02:10", minutes=10, timezone="Australia/Lord_Howe")
    at = int(datetime(2026, 10, 3, 15, 40, tzinfo=UTC).timestamp()) * 1000  # 02:40 there; 02:10 was left out
    assert day.weekday() == 6
    assert [False, True, False] == [is_on(mute, at + minutes * 60_000) for minutes in (-1, 0, 10)]
