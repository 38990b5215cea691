from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.histogram import MAX_BUCKET, bucket_of, middle_ms, percentile_ms

DAY_NS = 86_400_000_000_000
durations = st.integers(min_value=1_000, max_value=DAY_NS)


@given(durations)
def test_a_bucket_stands_for_its_durations_within_two_percent(duration_ns: int) -> None:
    """From a microsecond to a day the bucket's middle is within 2 % of every duration in it."""
    middle_ns = middle_ms(bucket_of(duration_ns)) * 1_000_000
    assert abs(middle_ns - duration_ns) <= 0.02 * duration_ns + 1e-3


@given(durations, durations)
def test_longer_durations_never_have_smaller_buckets(one: int, other: int) -> None:
    """Buckets keep the order of durations."""
    shorter, longer = sorted((one, other))
    assert bucket_of(shorter) <= bucket_of(longer)


@given(st.lists(durations, min_size=1, max_size=200), st.floats(min_value=0, max_value=1))
def test_a_percentile_is_within_two_percent_of_the_true_one(values: list[int], share: float) -> None:
    """The answer is off by no more than the bucket is."""
    true_ns = sorted(values)[max(1, math.ceil(share * len(values) - 1e-9)) - 1]
    found = percentile_ms([(bucket_of(value), 1) for value in values], share)
    assert found is not None
    assert found * 1_000_000 == pytest.approx(true_ns, rel=0.02)


@given(st.lists(durations, min_size=1), st.lists(durations, min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_merged_histograms_are_that_of_all_values(one: list[int], other: list[int], share: float) -> None:
    """Counts of two histograms, put together in any order, give the percentile of both lists."""
    together = percentile_ms([(bucket_of(value), 1) for value in sorted(one + other)], share)
    merged = [(bucket_of(value), 1) for value in other] + [(bucket_of(value), 1) for value in one]
    assert percentile_ms(merged, share) == together


def test_extremes_have_buckets() -> None:
    """Nothing, a negative span and a year are in the first and the last bucket."""
    assert (bucket_of(0), bucket_of(-5), bucket_of(1_000)) == (0, 0, 0)
    assert bucket_of(365 * DAY_NS) == bucket_of(DAY_NS) == MAX_BUCKET < 2**15


def test_nothing_has_no_percentile() -> None:
    """Without counts there is no answer."""
    assert percentile_ms([], 0.95) is None
    assert percentile_ms([(3, 0)], 0.95) is None


def test_the_rank_is_not_a_float_too_far() -> None:
    """The 7th percentile of a hundred is the 7th value, although 0.07 * 100 is more than 7."""
    assert percentile_ms([(bucket, 1) for bucket in range(1, 101)], 0.07) == middle_ms(7)
