"""What is usual at this hour, and what a month will have cost.

The usual is the median of the same hour of past days, and how far a value may stray from it their median absolute
deviation: neither is moved by the one day on which all went wrong. Where hardly anything ever strays, a floor stands in
for the deviation: the square root of a count (as of anything that happens at random), a tenth of anything else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

FEWEST_DAYS = 5  # of fewer past days nothing is usual
HOUR_S, DAY_S = 3_600, 86_400
_NORMAL = 1.4826  # a normal distribution's standard deviation is so many median absolute deviations
_RATE_S = 7 * DAY_S  # what is still to come of a month is taken to cost what the last week did


def deviation(value: float, past: Sequence[float], *, counted: bool) -> float | None:
    """How many usual deviations the value is above (below: negative) the median of the past; None: there is too little
    of a past."""
    if len(past) < FEWEST_DAYS:
        return None
    middle = median(past)
    spread = _NORMAL * median([abs(one - middle) for one in past])
    floor = max(1.0, math.sqrt(middle)) if counted else 0.1 * middle
    spread = max(spread, floor)
    if spread <= 0:  # nothing was ever there: of what is no count any value is infinitely far away
        return None
    return (value - middle) / spread


def same_hours(t: int, days: int) -> list[tuple[int, int, float]]:
    """For each past day: the two hours of the clock that the hour before `t` fell into then, and the second one's
    share of it."""
    start = t - HOUR_S
    first = start - start % HOUR_S
    share = (start - first) / HOUR_S
    return [(first - day * DAY_S, first + HOUR_S - day * DAY_S, share) for day in range(1, days + 1)]


def month_start(t: int) -> int:
    """When the month began that the moment before `t` is in, UTC."""
    return int(datetime.fromtimestamp(t - 1, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())


def month_end(t: int) -> int:
    """When the next one begins."""
    start = datetime.fromtimestamp(month_start(t), UTC)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return int(following.timestamp())


def forecast(so_far: float, lately: float, lately_s: int, t: int) -> float:
    """What the month will have cost: what it has so far, and for the rest of it the pace of the last `lately_s`."""
    return so_far + lately / max(lately_s, HOUR_S) * (month_end(t) - t)


def pace_start(t: int, oldest_s: int) -> int:
    """Since when the pace is measured: a week, or as long as there is anything."""
    return max(t - _RATE_S, min(oldest_s, t - HOUR_S))
