"""The writing half of a round: alerts, their history, what there is to tell and how far the evaluation is, all in one
commit. So a process that dies leaves a round either done or not begun."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from collector.alerts.catalog import Catalog, describe
from collector.alerts.details import count_since, details_of
from collector.alerts.evaluation import TOGETHER_KEY, Hit, Plan
from collector.alerts.lifecycle import Record, is_due, merge, settle
from collector.alerts.model import EVERY_EVENT, AlertState, Notice, NoticeKind, Rule, Subject, SubjectKind
from collector.alerts.mutes import Mutes
from collector.alerts.notices import notice_of
from collector.alerts.precedence import Precedence, coming, explained
from collector.alerts.records import Event, add_events, load, save
from collector.domain.issue_states import Decision
from collector.store.statements import select_among

Tell = Callable[..., None]
# Who resolved an alert, where it was no person and not its own condition.
BY_ISSUE, BY_RULE = "issue", "rule"
NOT_ALONE = "Beside failures of the issue that you were just told of."


@dataclass(slots=True)
class Settlement:
    """One round's. `seen_s`: by rule the last moment that it was looked at; none where the round was only a quick look
    at the present minute. `stopped`: rules that are there but not looked at any more. `left_out`: ids of rules that are
    not looked at this time, whose alerts stay as they are."""

    plans: Mapping[str, Plan]
    stopped: Mapping[str, Rule]
    left_out: Collection[str]
    hits: Mapping[str, Sequence[Hit]]
    seen_s: Mapping[str, int]
    catalog: Catalog
    mutes: Mutes
    now_s: int  # the end of what was looked at
    now_ms: int
    events: list[Event] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    resolved: set[int] = field(default_factory=set)  # ids of the alerts that this round ends
    opened: Counter[str] = field(default_factory=Counter)  # how many alerts, by severity
    ended: Counter[str] = field(default_factory=Counter)
    # By alert about failures the issues that are told of elsewhere: its message is about the others.
    told_elsewhere: dict[int, frozenset[int]] = field(default_factory=dict)

    def write(self, connection: Connection, tell: Tell) -> None:
        """All of it, once."""
        records = self._merge(connection)
        reopened = self._settle(connection, records)
        self._tell(connection, records, reopened)
        save(connection, records)
        self.opened.update(record.severity for record in records if record.is_new)
        self.ended.update(record.severity for record in records if record.id in self.resolved)
        add_events(connection, self.events)
        tell(connection, self.notices, now_ms=self.now_ms)

    def _merge(self, connection: Connection) -> list[Record]:
        earliest = min((hit.t for hits in self.hits.values() for hit in hits), default=self.now_s)
        reach = max((plan.gap_s for plan in self.plans.values()), default=0)
        records = load(connection, from_s=earliest - reach)
        records = [record for record in records if record.rule_id not in self.left_out]
        by_subject: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
        for record in records:
            by_subject[record.rule_id, record.subject_key].append(record)
        keys = {hit.key for hits in self.hits.values() for hit in hits}
        subjects = subjects_of(connection, self.catalog, keys)
        for rule_id, hits in self.hits.items():
            plan = self.plans[rule_id]
            of_subject: defaultdict[str, list[Hit]] = defaultdict(list)
            for hit in hits:
                of_subject[hit.key].append(hit)
            for key, some in of_subject.items():
                known = by_subject[rule_id, key]
                if not known and not any(hit.strict for hit in some):
                    continue
                subject = subjects.get(key)
                if key == TOGETHER_KEY:
                    subject = Subject(SubjectKind.TOGETHER, key, describe(plan.rule.scope))
                if subject is None:
                    continue
                some.sort()
                for record in merge(plan, some, known, subject, now_ms=self.now_ms):
                    records.append(record)
                    self._note(record, "opened")
        return records

    def _settle(self, connection: Connection, records: Sequence[Record]) -> set[int]:
        """Returns the ids of alerts that are open again."""
        reopened: set[int] = set()
        over = self._issues_over(connection, records)
        for record in records:
            plan = self.plans.get(record.rule_id)
            if plan is None:
                if not record.is_over:
                    self._resolve(record, BY_RULE)
            elif not record.is_over and record.issue_id in over:
                self._resolve(record, BY_ISSUE)
            elif plan.rule.id in self.seen_s and settle(plan, record, self.seen_s[plan.rule.id], now_ms=self.now_ms):
                self._note(record, "resolved" if record.is_over else "opened")
                (self.resolved if record.is_over else reopened).add(record.id)
        return reopened

    def _issues_over(self, connection: Connection, records: Sequence[Record]) -> set[int]:
        """Of the issues that alerts are open about those that somebody resolved, without their having come back since,
        or muted."""
        ids = {record.issue_id for record in records if record.issue_id is not None and not record.is_over}
        statement = "SELECT issue_id, since_ms FROM issue_changes WHERE issue_id IN ??"
        came_back = {(id, since_ms) for id, since_ms in select_among(connection, statement, "??", ids)}
        statement = "SELECT issue_id, status, since_ms, until_ms FROM issue_states WHERE issue_id IN ??"
        found = set()
        for id, status, since_ms, until_ms in select_among(connection, statement, "??", ids):
            resolved = status == Decision.RESOLVED and (id, since_ms) not in came_back
            muted = status == Decision.MUTED and (until_ms is None or until_ms > self.now_ms)
            if resolved or muted:
                found.add(id)
        return found

    def _resolve(self, record: Record, by: str) -> None:
        record.state, record.resolved_ms, record.resolved_by = str(AlertState.RESOLVED), self.now_ms, by
        record.changed = True
        self.resolved.add(record.id)
        self._note(record, "resolved", actor=by)

    def _tell(self, connection: Connection, records: Sequence[Record], reopened: Collection[int]) -> None:
        due: list[tuple[NoticeKind, Record, str]] = []
        self._count(connection, records)
        for record in records:
            covered = self.mutes.cover(record.rule_id, record.function_id)
            if covered != record.muted and not record.is_over:
                record.muted = covered
                record.changed = True
            resolved = record.id in self.resolved
            if record.is_over and not resolved:
                continue
            snoozed = record.snoozed_until_ms is not None and record.snoozed_until_ms > self.now_ms
            if record.told_ms is None or record.id in reopened:
                if covered or snoozed or (resolved and record.resolved_by is not None):
                    continue
                due.append((NoticeKind.OPENED, record, "It goes on." if record.id in reopened else ""))
            elif not resolved and not covered and not snoozed and self._repeats(record):
                due.append((NoticeKind.REPEATED, record, ""))
            if resolved and (record.told_ms is not None or (due and due[-1][1] is record)):
                due.append((NoticeKind.RESOLVED, record, ""))
        self._make(connection, self._without_doubles(connection, records, due))

    def _without_doubles(
        self, connection: Connection, records: Sequence[Record], due: list[tuple[NoticeKind, Record, str]]
    ) -> list[tuple[NoticeKind, Record, str]]:
        """Without the alerts that others tell of as well, which wait. One that others tell of only in part says so."""
        precedence = Precedence(self.plans, records)
        candidates = {
            record.id: record for _, record, _ in due if record.told_ms is None and precedence.may_wait(record)
        }
        if not candidates or not precedence.watches():
            return due
        told, soon = {record.id for kind, record, _ in due if kind is NoticeKind.OPENED}, coming(connection)
        waiting = [
            one
            for record in candidates.values()
            if (one := precedence.waiting(record, told, soon, self.hits.get(record.rule_id, ()), now_ms=self.now_ms))
        ]
        held = explained(connection, self.catalog, waiting, now_ms=self.now_ms)
        self.told_elsewhere = {one.record.id: one.issues for one in waiting if one.record.id not in held}
        return [
            (kind, record, NOT_ALONE if record.id in self.told_elsewhere and kind is NoticeKind.OPENED else note)
            for kind, record, note in due
            if record.id not in held
        ]

    def _count(self, connection: Connection, records: Sequence[Record]) -> None:
        """Of the rules that tell of every event: how many there are by now."""
        pairs = [
            (plan, record)
            for record in records
            if not record.is_over
            and (plan := self.plans.get(record.rule_id)) is not None
            and plan.rule.repeat_s == EVERY_EVENT
            and (record.changed or record.last_s >= self.now_s - 2 * plan.step_s)
        ]
        if not pairs:
            return
        counted = count_since(connection, self.catalog, pairs, now_s=self.now_s, now_ms=self.now_ms)
        for _, record in pairs:
            count = counted.get(record.id, 0)
            if count > record.count:
                record.count, record.changed = count, True

    def _repeats(self, record: Record) -> bool:
        if record.snoozed_until_ms is not None:
            record.snoozed_until_ms, record.changed = None, True
            return record.state == AlertState.OPEN
        plan = self.plans.get(record.rule_id)
        return plan is not None and is_due(plan, record, now_ms=self.now_ms)

    def _make(self, connection: Connection, due: Sequence[tuple[NoticeKind, Record, str]]) -> None:
        pairs = {
            record.id: (plan, record) for _, record, _ in due if (plan := self.plans.get(record.rule_id)) is not None
        }
        details = details_of(
            connection,
            self.catalog,
            list(pairs.values()),
            now_s=self.now_s,
            now_ms=self.now_ms,
            without=self.told_elsewhere,
        )
        for kind, record, note in due:
            plan = self.plans.get(record.rule_id)
            rule = plan.rule if plan is not None else self.stopped.get(record.rule_id)
            if rule is None:
                continue
            told = details.get(record.id)
            if told is not None and told.count > record.count:
                record.count = told.count
            self.notices.append(
                notice_of(
                    kind,
                    rule,
                    record,
                    self.catalog,
                    now_ms=self.now_ms,
                    details=told,
                    by=record.resolved_by if kind is NoticeKind.RESOLVED else None,
                    note=note,
                )
            )
            record.told_ms, record.told_count, record.changed = self.now_ms, record.count, True
            if kind is NoticeKind.REPEATED:
                self._note(record, "repeated")

    def _note(self, record: Record, kind: str, actor: str | None = None) -> None:
        self.events.append(Event(record.id, kind, self.now_ms, actor, "", record.value))


def subjects_of(connection: Connection, catalog: Catalog, keys: Collection[str]) -> dict[str, Subject]:
    """By key; issues and resources as they are called now."""
    found: dict[str, Subject] = {}
    issues, resources = [], []
    for key in keys:
        kind, _, number = key.partition(":")
        if kind == "function" and int(number) in catalog.functions:
            found[key] = catalog.subject(int(number))
        elif kind == "issue":
            issues.append(int(number))
        elif kind == "resource":
            resources.append(int(number))
    statement = "SELECT id, type, function_id FROM issues WHERE id IN ??"
    for id, type, function_id in select_among(connection, statement, "??", issues):
        function = catalog.functions.get(function_id)
        found[f"issue:{id}"] = Subject(
            SubjectKind.ISSUE,
            f"issue:{id}",
            type,
            function_id=function_id,
            function_name=function.name if function is not None else None,
            region=function.region if function is not None else None,
            account=function.account if function is not None else None,
            issue_id=id,
        )
    statement = "SELECT id, name, service FROM resources WHERE id IN ??"
    for id, name, service in select_among(connection, statement, "??", resources):
        found[f"resource:{id}"] = Subject(SubjectKind.RESOURCE, f"resource:{id}", name or service, resource_id=id)
    return found
