"""A time axis that leaves out waiting: a minute in which nothing ran does not squeeze the milliseconds that matter."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

# A pause is folded where it is longer than this share of all the time in which something ran.
FOLD_SHARE = 0.5
MOST_FOLDS = 12  # the longest; each is drawn in every row, and more of them would be a pattern, not an axis
FOLDED_PERCENT = 7.0  # of the axis, as long as folded pauses stay below half of it
TICKS = 5
STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Pause:
    """`left` and `width` in percent of the axis."""

    left: float
    width: float
    duration_ns: int


@dataclass(frozen=True, slots=True)
class Tick:
    left: float
    offset_ns: int


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Piecewise linear: nanoseconds since 1970 to percent of the axis."""

    times: tuple[int, ...]
    percents: tuple[float, ...]
    pauses: tuple[Pause, ...]

    def at(self, time_ns: int) -> float:
        if time_ns <= self.times[0]:
            return 0.0
        if time_ns >= self.times[-1]:
            return 100.0
        index = bisect_right(self.times, time_ns)
        t0, t1 = self.times[index - 1], self.times[index]
        p0, p1 = self.percents[index - 1], self.percents[index]
        return p0 + (p1 - p0) * (time_ns - t0) / (t1 - t0)

    def ticks(self) -> list[Tick]:
        """Round times since the start, where they are not within a pause."""
        shown = (self.times[-1] - self.times[0]) - sum(pause.duration_ns for pause in self.pauses)
        step = _round_step(max(shown // TICKS, 1))
        result: list[Tick] = []
        for index, (t0, t1) in enumerate(pairwise(self.times)):
            if any(abs(pause.left - self.percents[index]) < 1e-9 for pause in self.pauses):
                continue
            offset = t0 - self.times[0]
            first = offset if index else 0
            # The start of what follows a pause is told exactly, then round times. It goes before a round time that
            # stands too close to its left: else what follows the pause would begin anywhere.
            while len(result) > 1 and self.at(t0) - result[-1].left < 9:
                result.pop()
            for tick in [first, *range(-(-(offset + 1) // step) * step, t1 - self.times[0], step)]:
                left = self.at(self.times[0] + tick)
                if left <= 95 and (not result or left - result[-1].left >= 9):
                    result.append(Tick(left, tick))
        return result


def build_scale(intervals: Iterable[tuple[int, int]]) -> TimeScale:
    """The axis over intervals of (start, end) in ns."""
    busy = _merge(intervals) or [(0, 1)]
    active = max(sum(end - start for start, end in busy), 1)
    pauses_ns = [(later[0] - earlier[1], index) for index, (earlier, later) in enumerate(pairwise(busy), 1)]
    long = sorted((pause for pause in pauses_ns if pause[0] > active * FOLD_SHARE), reverse=True)
    folded = {index for _, index in long[:MOST_FOLDS]}
    joined = [busy[0]]
    for index, (start, end) in enumerate(busy[1:], 1):
        if index in folded:
            joined.append((start, end))
        else:
            joined[-1] = (joined[-1][0], end)
    folds = len(joined) - 1
    fold = min(FOLDED_PERCENT, 50.0 / folds) if folds else 0.0
    length = max(sum(end - start for start, end in joined), 1)
    per_ns = (100.0 - fold * folds) / length
    times, percents, pauses = [joined[0][0]], [0.0], []
    for index, (start, end) in enumerate(joined):
        if index:
            pauses.append(Pause(percents[-1], fold, start - times[-1]))
            times.append(start)
            percents.append(percents[-1] + fold)
        times.append(max(end, times[-1] + 1))
        percents.append(percents[-1] + (end - start) * per_ns)
    return TimeScale(tuple(times), tuple(percents), tuple(pauses))


def _merge(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, max(end, start)))
    return merged


def _round_step(rough: int) -> int:
    magnitude: int = 10 ** (len(str(rough)) - 1)
    return next(step * magnitude for step in STEPS if step * magnitude >= rough)
