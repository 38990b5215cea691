"""The values of one condition for all functions, or all issues: worked out once for all rules that ask for the same."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Hashable, Mapping
from typing import NamedTuple

from collector.alerts import anomalies
from collector.alerts.conditions import step_s
from collector.alerts.model import ConditionKind, Rule
from collector.alerts.values import Part, reader, shape
from collector.alerts.windows import Windows


class Board(NamedTuple):
    """Values by function (or issue), and the same in order, so that a rule finds those beyond its threshold without
    looking at all."""

    values: Mapping[int, Part]
    order: list[tuple[float, int]]

    @staticmethod
    def of(values: Mapping[int, Part]) -> Board:
        return Board(values, sorted([(part[0], key) for key, part in values.items()]))

    def beyond(self, above: float | None, below: float | None) -> list[int]:
        """The keys of the values above or below."""
        found: list[int] = []
        if above is not None:
            found.extend([key for _, key in self.order[bisect_right(self.order, (above, 2**63)) :]])
        if below is not None:
            found.extend([key for _, key in self.order[: bisect_left(self.order, (below, -(2**63)))]])
        return found


class IssueBoard(NamedTuple):
    """Occurrences by issue, whose issues they are, and the issues of each function."""

    board: Board
    owners: Mapping[int, int]
    by_function: Mapping[int, list[int]]


def board(windows: Windows, rule: Rule, key: Hashable | None = None) -> Board:
    """The rule's value for each function that has one. `key` stands for the rule's shape."""
    name = ("board", key if key is not None else shape(rule))
    found: Board | None = windows.cache.get(name)
    if found is None:
        read = reader(windows, rule, key)
        values = {id: part for id in _known(windows, rule) if (part := read(id)) is not None}
        found = windows.cache[name] = Board.of(values)
    return found


def issue_board(windows: Windows, rule: Rule) -> IssueBoard:
    """Muted issues are left out, and where the rule says so those of 4xx."""
    types = rule.condition.types
    name = ("issues", types, rule.window_s, rule.scope.execution_tags, rule.ignore_4xx)
    found: IssueBoard | None = windows.cache.get(name)
    if found is None:
        counts = windows.issues(rule.window_s, rule.scope.execution_tags)
        facts = windows.issue_facts(counts)
        values: dict[int, Part] = {}
        owners: dict[int, int] = {}
        by_function: dict[int, list[int]] = {}
        for id, (count,) in counts.items():
            issue = facts.get(id)
            if count <= 0 or issue is None or issue.muted or (rule.ignore_4xx and issue.client_error):
                continue
            if issue.is_of(types):
                values[id] = (count, count)
                owners[id] = issue.function_id
                by_function.setdefault(issue.function_id, []).append(id)
        found = windows.cache[name] = IssueBoard(Board.of(values), owners, by_function)
    return found


def ages(windows: Windows, window_s: int) -> Mapping[tuple[int, int], float]:
    """By function and resource, in seconds."""
    return {(key[0], key[1]): age_ms / 1000 for key, age_ms in windows.ages(window_s).items()}


def _known(windows: Windows, rule: Rule) -> Collection[int]:
    """The functions that may have a value."""
    kind, tags = rule.condition.kind, rule.scope.execution_tags
    if kind in (ConditionKind.INVOCATIONS, ConditionKind.ANOMALY):
        return windows.known
    if kind is ConditionKind.FORECAST or rule.condition.month:
        return anomalies.spent(windows).keys()
    if kind is ConditionKind.AGE:
        return {key[0] for key in windows.ages(rule.window_s)}
    if kind is ConditionKind.MEMORY:
        return [id for (id,) in windows.memory(rule.window_s)]
    if kind is ConditionKind.BURN_RATE:
        lengths = [burn.long_s for burn in rule.condition.burns if windows.now_s % step_s(burn.long_s) == 0]
        return windows.counted(max(lengths), tags).keys() if lengths else ()
    if kind in (ConditionKind.DURATION, ConditionKind.NEAR_TIMEOUT):
        return windows.histograms(rule.window_s, tags).keys()
    sums = windows.functions if kind is ConditionKind.COLD_STARTS else windows.counted
    return sums(rule.window_s, tags).keys()
