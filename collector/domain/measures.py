"""The collector's numbers about itself: what they are called and how they are read, whoever asks for them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Labels = tuple[tuple[str, str], ...]  # names and values
NO_LABELS: Labels = ()

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Distribution(NamedTuple):
    """How many observations were up to each bound, cumulatively, the last of them without a bound; and their sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Durations:
    """Seconds, as a histogram. Threads may add at will."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        with self._lock:
            self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
            self._sum += seconds

    def read(self) -> Distribution:
        with self._lock:
            counts, total = list(self._counts), self._sum
        for index in range(1, len(counts)):
            counts[index] += counts[index - 1]
        return Distribution(_BOUNDS_S, tuple(counts), total)


@dataclass(frozen=True, slots=True)
class Measure:
    """`name` is Prometheus's without `clew_` and, of a counter, without `_total`; units are seconds and bytes.

    `read` gives the values by their labels, none where they cannot be known just now.
    """

    name: str
    kind: Literal["counter", "gauge"]
    text: str
    read: Callable[[], Mapping[Labels, float]]


@dataclass(frozen=True, slots=True)
class Histogram:
    name: str
    text: str
    read: Callable[[], Distribution]


def by(label: str, counts: Mapping[str, float]) -> dict[Labels, float]:
    """Counts of one label's values. A copy: other threads go on counting."""
    return {((label, value),): count for value, count in dict(counts).items()}


def one(value: float) -> dict[Labels, float]:
    return {NO_LABELS: value}
