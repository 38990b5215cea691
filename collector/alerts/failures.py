"""Failures that count: of which type they are, and which of them nobody is to be told of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from collector.alerts.catalog import IssueFacts
from collector.alerts.model import ConditionKind, Rule
from collector.alerts.sums import ERRORS, INVOCATIONS, Tags, Values
from collector.alerts.windows import Windows
from collector.domain.facts import IssueKind
from collector.domain.failures import MEMORY_TYPE, TIMEOUT_TYPE

TIMEOUT_TYPES = frozenset({"Timeout", TIMEOUT_TYPE})
MEMORY_TYPES = frozenset({MEMORY_TYPE, "MemoryError"})

_TYPED = {
    ConditionKind.TIMEOUTS: (IssueKind.TIMEOUT, TIMEOUT_TYPES),
    ConditionKind.OUT_OF_MEMORY: (IssueKind.OUT_OF_MEMORY, MEMORY_TYPES),
    ConditionKind.THROTTLES: (IssueKind.THROTTLED, frozenset[str]()),
}


def failed(left_out: Mapping[int, int], sums: Values, ids: Collection[int]) -> tuple[int, int]:
    """How many of these functions' invocations failed in a way that counts, and how many there were. `sums` are
    theirs."""
    count = sums[ERRORS]
    if left_out and len(ids) <= len(left_out):
        count -= sum([left_out.get(id, 0) for id in ids])
    elif left_out:
        count -= sum([number for id, number in left_out.items() if id in ids])
    return max(0, count), sums[INVOCATIONS]


def left_out(windows: Windows, window_s: int, tags: Tags, *, without_4xx: bool) -> Mapping[int, int]:
    """Failures that do not count, by function: of muted issues and, if asked for, of the client's own making."""
    if not without_4xx and not windows.any_muted:
        return {}
    key = ("left out", window_s, tags, without_4xx)
    found: dict[int, int] | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = {}
        counts = windows.issues(window_s, tags)
        facts = windows.issue_facts(counts)
        for id, (count,) in counts.items():
            issue = facts.get(id)
            if issue is not None and issue.failure and (issue.muted or (without_4xx and issue.client_error)):
                found[issue.function_id] = found.get(issue.function_id, 0) + count
    return found


def of_types(windows: Windows, rule: Rule) -> Mapping[int, int]:
    """Occurrences of timeouts, of lack of memory or of refused invocations, by function. Those of muted issues do not
    count."""
    kind, tags = rule.condition.kind, rule.scope.execution_tags
    key = ("types", kind, rule.window_s, tags)
    found: dict[int, int] | None = windows.cache.get(key)
    if found is None:
        wanted, types = _TYPED[kind]
        found = windows.cache[key] = _occurrences(
            windows,
            rule,
            lambda issue: not issue.muted and (issue.kind is wanted or (issue.failure and issue.type in types)),
        )
    return found


def timeouts(windows: Windows, rule: Rule) -> Mapping[int, int]:
    """Invocations that ran into their time limit, by function; also those of muted issues."""
    key = ("timeouts", rule.window_s, rule.scope.execution_tags)
    found: dict[int, int] | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = _occurrences(windows, rule, lambda issue: issue.kind is IssueKind.TIMEOUT)
    return found


def _occurrences(windows: Windows, rule: Rule, counts: Callable[[IssueFacts], bool]) -> dict[int, int]:
    """By function, of the issues that count."""
    found: dict[int, int] = {}
    occurrences = windows.issues(rule.window_s, rule.scope.execution_tags)
    facts = windows.issue_facts(occurrences)
    for id, (count,) in occurrences.items():
        issue = facts.get(id)
        if count > 0 and issue is not None and counts(issue):
            found[issue.function_id] = found.get(issue.function_id, 0) + count
    return found
