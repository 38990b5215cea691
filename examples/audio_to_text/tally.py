"""Counts what became of the example's invocations."""

from __future__ import annotations

from collections import Counter
from threading import Lock

from collector.local_lambda import InvocationOutcome, Status


class Tally:
    """Outcomes by kind; told from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._statuses: Counter[Status] = Counter()
        self._cold_starts = 0

    def add(self, outcome: InvocationOutcome) -> None:
        with self._lock:
            self._statuses[outcome.status] += 1
            self._cold_starts += outcome.cold_start

    @property
    def invocations(self) -> int:
        with self._lock:
            return self._statuses.total()

    def __str__(self) -> str:
        """`40 invocations: 5 failed, 1 timed out, 6 cold starts`."""
        with self._lock:
            failed = self._statuses[Status.ERROR] + self._statuses[Status.EXIT]
            return (
                f"{self._statuses.total()} invocations: {failed} failed, "
                f"{self._statuses[Status.TIMEOUT]} timed out, {self._cold_starts} cold starts"
            )
