"""Durations as counts in logarithmic buckets.

Bucket `b` holds durations in (GROWTH^(b-1), GROWTH^b] microseconds. Counts of equal buckets add up, so percentiles can
be had over any window and any set of functions; with GROWTH 1.04 the middle of a bucket is within 2 % of all in it.
One microsecond to 24 hours takes 643 buckets.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable

GROWTH = 1.04
MAX_BUCKET = math.ceil(math.log(86_400e6) / math.log(GROWTH))
_BOUNDS_NS = [int(1_000 * GROWTH**bucket) for bucket in range(MAX_BUCKET)]


def bucket_of(duration_ns: int) -> int:
    """0 holds everything up to a microsecond, MAX_BUCKET everything from a day on."""
    return bisect_left(_BOUNDS_NS, duration_ns)  # 150 ns; with a logarithm 250


def middle_ms(bucket: int) -> float:
    """The value in milliseconds that stands for a bucket: as far from its lower bound as from its upper, in ratio."""
    if bucket <= 0:
        return 0.001
    return 2 * GROWTH**bucket / (GROWTH + 1) / 1_000


def percentile_ms(counts: Iterable[tuple[int, int]], share: float) -> float | None:
    """The value below which `share` (0..1) of the durations lie; None without any.

    `counts` are (bucket, count) pairs in any order; a bucket may come more than once.
    """
    ordered = sorted(counts)
    total = sum(count for _, count in ordered)
    if total <= 0:
        return None
    rank = max(1, math.ceil(share * total - 1e-9))  # 0.07 * 100 is 7.000000000000001
    seen = 0
    for bucket, count in ordered:
        seen += count
        if seen >= rank:
            return middle_ms(bucket)
    return middle_ms(ordered[-1][0])
