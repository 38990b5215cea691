"""From moments at which conditions are met to alerts: they open, go on, and resolve.

An alert covers the moments at which its condition was met, as long as no more than the rule's gap lies between two of
them. So a moment that becomes known late either belongs to an alert that there is, or opens one of its own; the same
moment twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

from collector.alerts.evaluation import Hit, Plan
from collector.alerts.model import EVERY_EVENT, AlertState, Subject
from collector.domain.ids import hash63

NEVER = -(2**62)


@dataclass(slots=True)
class Record:
    """A row of `alerts` while a round works on it; fields as the table's columns, in their order."""

    id: int
    rule_id: str
    rule_name: str
    severity: str
    subject_kind: str
    subject_key: str
    subject_name: str
    function_id: int | None
    issue_id: int | None
    resource_id: int | None
    state: str
    since_s: int
    last_s: int
    opened_ms: int
    resolved_ms: int | None
    resolved_by: str | None
    acknowledged_ms: int | None
    acknowledged_by: str | None
    snoozed_until_ms: int | None
    value: float
    peak: float
    threshold: float
    count: int
    told_count: int
    told_ms: int | None
    muted: bool
    is_new: bool = field(default=False, compare=False)
    changed: bool = field(default=False, compare=False)

    @property
    def is_over(self) -> bool:
        return self.state == AlertState.RESOLVED

    def row(self) -> dict[str, object]:
        """By column."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = tuple(one.name for one in fields(Record) if one.name not in ("is_new", "changed"))


def merge(plan: Plan, hits: Iterable[Hit], records: list[Record], subject: Subject, *, now_ms: int) -> list[Record]:
    """Lets one subject's hits, in the order of their moments, open alerts or go on with those that there are.

    `records` are the subject's alerts that may reach as far; new ones are put to them, and returned.
    """
    opened, left = [], list(hits)
    while left:
        # Late moments just before an alert that there is belong to it, the one nearest to it first: they must not
        # open another one that ends where it begins.
        left = _extend_all(plan, _extend_all(plan, left, records)[::-1], records)[::-1]
        strict = [number for number, hit in enumerate(left) if hit.strict]
        if not strict:
            break
        record = _open(plan, left[strict[0]], subject, now_ms)
        records.append(record)
        opened.append(record)
        left = left[strict[0] + 1 :]
    return opened


def _extend_all(plan: Plan, hits: Iterable[Hit], records: Sequence[Record]) -> list[Hit]:
    """Returns those that belong to no alert yet."""
    left = []
    for hit in hits:
        record = _covering(plan, hit.t, records)
        if record is not None:
            _extend(plan, record, hit)
        else:
            left.append(hit)
    return left


def _covering(plan: Plan, t: int, records: Sequence[Record]) -> Record | None:
    """The alert that the moment belongs to: that it lies in, or else the first one that it is near enough to. A late
    moment may be near two."""
    near = None
    for record in records:
        if record.since_s <= t <= record.last_s:
            return record
        if near is None and record.since_s - plan.gap_s <= t <= record.last_s + plan.gap_s:
            near = record
    return near


def _extend(plan: Plan, record: Record, hit: Hit) -> None:
    if hit.t < record.since_s:
        if not hit.strict:
            return
        record.since_s = hit.t
        record.changed = True
    if hit.t > record.last_s or (hit.t == record.last_s and hit.value != record.value):
        record.last_s, record.value = hit.t, hit.value
        record.changed = True
    if is_further(plan, hit.value, record.peak):
        record.peak = hit.value
        record.changed = True


def is_further(plan: Plan, value: float, peak: float) -> bool:
    """Whether a value is farther beyond the threshold."""
    return abs(value - plan.threshold) > abs(peak - plan.threshold)


def _open(plan: Plan, hit: Hit, subject: Subject, now_ms: int) -> Record:
    rule = plan.rule
    return Record(
        id=hash63("alert", rule.id, subject.key, str(hit.t)),
        rule_id=rule.id,
        rule_name=rule.name,
        severity=str(rule.severity),
        subject_kind=str(subject.kind),
        subject_key=subject.key,
        subject_name=subject.name,
        function_id=subject.function_id,
        issue_id=subject.issue_id,
        resource_id=subject.resource_id,
        state=str(AlertState.OPEN),
        since_s=hit.t,
        last_s=hit.t,
        opened_ms=now_ms,
        resolved_ms=None,
        resolved_by=None,
        acknowledged_ms=None,
        acknowledged_by=None,
        snoozed_until_ms=None,
        value=hit.value,
        peak=hit.value,
        threshold=plan.threshold,
        count=0,
        told_count=0,
        told_ms=None,
        muted=False,
        is_new=True,
        changed=True,
    )


def settle(plan: Plan, record: Record, seen_s: int, *, now_ms: int) -> bool:
    """Resolves an alert whose condition has ended, and opens one again that resolved by itself too early, because what
    it goes on with came late. Returns whether either happened. `seen_s`: the last moment that was looked at."""
    ended = seen_s - record.last_s >= plan.gap_s
    if ended and not record.is_over:
        record.state, record.resolved_ms, record.resolved_by = str(AlertState.RESOLVED), now_ms, None
        record.changed = True
        return True
    if not ended and record.is_over and record.resolved_by is None and seen_s > NEVER:
        record.state, record.resolved_ms = str(AlertState.OPEN), None
        record.changed = True
        return True
    return False


def is_due(plan: Plan, record: Record, *, now_ms: int) -> bool:
    """Whether somebody is to be told again of an alert that goes on."""
    repeat_s = plan.rule.repeat_s
    if record.state != AlertState.OPEN or record.told_ms is None or repeat_s is None:
        return False
    if repeat_s == EVERY_EVENT:
        return record.count > record.told_count
    return now_ms - record.told_ms >= repeat_s * 1000
