"""Rules that could not be evaluated: left out for a while, so that the others go on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from collector.alerts.rule_store import StoredRule

PAUSE_MS = 600_000  # then it is tried again: what made it fail may have left its window

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    stored: StoredRule
    until_ms: int


class FailingRules:
    """It lasts, so that a rule is logged once however often it fails."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failure] = {}

    def has(self, stored: StoredRule, *, now_ms: int) -> bool:
        """Whether the rule, as it is now, failed a short while ago."""
        failure = self._failures.get(stored.rule.id)
        if failure is None or failure.stored != stored:
            return False
        return failure.until_ms - PAUSE_MS <= now_ms < failure.until_ms  # a clock that was ahead keeps nothing out

    def add(self, stored: StoredRule, error: Exception, *, now_ms: int) -> None:
        known = self._failures.get(stored.rule.id)
        if known is None or known.stored != stored:
            logger.error(
                "the rule %s cannot be evaluated and is left out; it is tried every %d minutes: %s",
                stored.rule.id,
                PAUSE_MS // 60_000,
                error,
                exc_info=error,
            )
        self._failures[stored.rule.id] = _Failure(stored, now_ms + PAUSE_MS)
