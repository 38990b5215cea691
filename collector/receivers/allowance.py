"""How much a token may send within a time."""

from __future__ import annotations

_LEAST = 1e-3  # that must be left; what sums of floats leave behind is less
BURST_S = 10  # of its rate may be sent at once: functions come in waves


class Allowance:
    """A token bucket that may go into debt: what is too large for it passes too, and the rest waits until it is paid.

    So a request is let in before its size is known, and no size can be refused for ever. The caller holds the lock.
    """

    __slots__ = ("_at_s", "_level", "_rate")

    def __init__(self, rate: int, now_s: float) -> None:
        self._rate = rate
        self._level = float(rate * BURST_S)
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until something may pass; 0: now."""
        rate = self._rate
        level = self._level + (now_s - self._at_s) * rate
        self._level = min(level, rate * BURST_S)
        self._at_s = now_s
        return 0.0 if level >= _LEAST else (_LEAST - level) / rate

    def spend(self, amount: int) -> None:
        self._level -= amount
