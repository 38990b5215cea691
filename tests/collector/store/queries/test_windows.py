"""Windows of time: which rollup rows add up to them, and which bars they fall into."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from collector.store.queries.common import TimeRange
from collector.store.queries.windows import (
    MOST_BUCKETS,
    Buckets,
    chart_buckets,
    first_minute,
    minutes,
    nanoseconds,
    slices,
)
from collector.store.tables import function_stats
from tests.collector.store.facts import START_NS, facts, invocation
from tests.collector.store.lives import store
from tests.collector.store.queries.world import HOUR, MINUTE, NOON

WINDOWS = st.builds(
    lambda start, length: TimeRange(start, start + length),
    st.integers(1_600_000_000_000, 1_900_000_000_000),
    st.integers(0, 400 * 24 * HOUR),
)


@given(WINDOWS)
def test_slices_add_up_to_the_window(window: TimeRange) -> None:
    """Rollup rows cover every minute of the window once and no other; hours only where whole hours lie inside."""
    parts = sorted(slices(window), key=lambda part: part.start_s)
    start, end = minutes(window)

    assert (parts[0].start_s, parts[-1].end_s) == (start, end)
    assert all(left.end_s == right.start_s for left, right in pairwise(parts))
    assert all(part.start_s < part.end_s for part in parts)
    assert all(part.start_s % part.resolution == part.end_s % part.resolution == 0 for part in parts)
    assert sum((part.end_s - part.start_s) // 60 for part in parts if part.resolution == 60) < 180


@given(WINDOWS)
def test_edges_are_rounded_outwards_to_minutes(window: TimeRange) -> None:
    """No moment of the window is left out, and less than a minute is added at either end."""
    start, end = minutes(window)

    assert window.start_ms - MINUTE < start * 1000 <= window.start_ms
    assert window.end_ms <= end * 1000 <= max(window.end_ms + MINUTE, start * 1000 + MINUTE)


@given(WINDOWS)
def test_a_chart_has_a_bar_for_every_minute_of_the_window(window: TimeRange) -> None:
    """The bars begin before the window, end after it, and are at most 90; at least 30 where there are 30 minutes."""
    buckets = chart_buckets(window)
    start, end = minutes(window)

    assert buckets.start_s <= start < buckets.start_s + buckets.width_s
    assert end <= buckets.start_s + buckets.count * buckets.width_s < end + buckets.width_s
    assert buckets.start_s % buckets.width_s == 0
    assert buckets.count <= MOST_BUCKETS
    assert buckets.count >= min(30, (end - start) // 60)


def test_narrow_bars_are_filled_from_minutes() -> None:
    """Bars of less than an hour would stand empty between whole hours."""
    window = TimeRange(NOON, NOON + 24 * HOUR)
    assert [part.resolution for part in slices(window, finest_s=1800)] == [60]
    assert [part.resolution for part in slices(window, finest_s=3600)] == [3600]


def test_the_ranges_that_pages_offer_have_round_bars() -> None:
    """15 minutes, an hour, four, a day and a week, each ending at a whole minute."""
    widths = {}
    for hours in (0.25, 1, 4, 24, 168):
        buckets = chart_buckets(TimeRange(NOON - int(hours * HOUR), NOON))
        widths[hours] = (buckets.width_s, buckets.count)

    assert widths == {0.25: (60, 15), 1: (60, 60), 4: (300, 48), 24: (1800, 48), 168: (7200, 84)}


def test_bars_without_values_are_there() -> None:
    """Every bar has a point; those without a value have zero or what is asked for."""
    points = Buckets(600, 60, 3).points({1: 5.0}, missing=-1.0)
    assert [(point.start_ms, point.value) for point in points] == [(600_000, -1), (660_000, 5), (720_000, -1)]


def test_times_beyond_what_is_stored_are_clamped() -> None:
    """A window from the age of dinosaurs to the end of the sun is no error of the database's."""
    start, end = nanoseconds(TimeRange(-(10**18), 10**18))
    assert 0 == start < end < 2**63
    assert minutes(TimeRange(-(10**18), 10**18))[0] == 0


def test_when_counting_began(database: Engine) -> None:
    """To the minute; to the hour where minutes are no longer kept."""
    with database.connect() as connection:
        assert first_minute(connection) is None
    store(database, facts(invocation(1, start_ms=75_000)), facts(invocation(2, start_ms=3 * 3_600_000)))
    began_s = START_NS // 1_000_000_000 + 75
    with database.connect() as connection:
        assert first_minute(connection) == began_s // 60 * 60
    with database.begin() as connection:
        connection.execute(
            delete(function_stats).where(
                function_stats.c.resolution == 60, function_stats.c.start_s < began_s + 2 * 3_600
            )
        )
        assert first_minute(connection) == began_s // 3_600 * 3_600
