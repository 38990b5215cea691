"""Invocations at chosen times, stored as the collector does, and rounds of the evaluation at chosen times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from collector.alerts.model import Condition, ConditionKind, Notice, Rule
from collector.alerts.rounds import Outcome, Rounds
from collector.alerts.rule_store import delete_rules, read_rules, save_rule
from collector.domain.facts import Age, Call, Facts, Function, Issue, IssueKind, Occurrence, Resource, Result, Tag
from collector.domain.ids import export_id, hash63
from collector.store import commit, rollup_rows
from collector.store.alert_tables import alert_events, alerts
from tests.collector.store.facts import facts, function, invocation

# A whole day, hour and minute, in the middle of a month: 2026-11-16T00:00Z.
DAY_S = 1_794_787_200
NS = 1_000_000_000


@dataclass(slots=True)
class World:
    """A database, a clock, and what was told. Times are seconds since DAY_S."""

    writing: Engine
    reading: Engine
    monkeypatch: pytest.MonkeyPatch
    now_s: float = 0.0
    notices: list[Notice] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        clock = self.clock

        class Time:
            monotonic = staticmethod(time.monotonic)

            @staticmethod
            def time_ns() -> int:
                return clock()

        for module in (rollup_rows, commit):
            self.monkeypatch.setattr(module, "time", Time)

    def clock(self) -> int:
        return round((DAY_S + self.now_s) * NS)

    def rounds(self, cpu: Callable[[], float] = lambda: 0.0) -> Rounds:
        """`cpu` is the clock that says whether a round has taken long enough: it never has."""
        return Rounds(self.writing, self.reading, now=self.clock, tell=self.tell, cpu=cpu)

    def tell(self, connection: Connection, notices: Sequence[Notice], *, now_ms: int) -> None:
        self.notices.extend(notices)

    def begin(self, *rules: Rule, cpu: Callable[[], float] = lambda: 0.0) -> Rounds:
        """The first round ever, at the present time, and then these rules alone."""
        rounds = self.rounds(cpu)
        rounds.run()
        with self.writing.begin() as connection:
            delete_rules(connection, list(read_rules(connection)))
        self.save(*rules)
        return rounds

    def save(self, *rules: Rule) -> None:
        with self.writing.begin() as connection:
            for rule in rules:
                save_rule(connection, rule, origin="page", now_ms=self.clock() // 1_000_000)

    def run(self, rounds: Rounds, at_s: float | None = None) -> Outcome:
        """Rounds until nothing is behind."""
        if at_s is not None:
            self.now_s = at_s
        while (outcome := rounds.run()).behind:
            pass
        return outcome

    def invoke(
        self,
        at_s: float,
        *,
        name: str = "checkout",
        result: Result = Result.OK,
        duration_ms: int = 10,
        type: str | None = None,
        message: str = "broken",
        cost_pd: int | None = 1_000,
        max_memory_mb: int = 60,
        cold_start: bool = False,
        tags: Sequence[tuple[str, str]] = (),
        kind: IssueKind = IssueKind.FAILURE,
        age_ms: int | None = None,
        throttled: int = 0,
    ) -> None:
        """Stores one invocation that began then."""
        self.store(
            self.made(
                at_s,
                name=name,
                result=result,
                duration_ms=duration_ms,
                type=type,
                message=message,
                cost_pd=cost_pd,
                max_memory_mb=max_memory_mb,
                cold_start=cold_start,
                tags=tags,
                kind=kind,
                age_ms=age_ms,
                throttled=throttled,
            )
        )

    def made(self, at_s: float, **said: Any) -> Facts:
        self.number += 1
        started_ns = round((DAY_S + at_s) * NS)
        name, type = said["name"], said["type"]
        row = replace_row(
            invocation(self.number, name=name, duration_ms=said["duration_ms"], result=said["result"]),
            started_ns=started_ns,
            cost_pd=said["cost_pd"],
            max_memory_mb=said["max_memory_mb"],
            cold_start=said["cold_start"],
        )
        made = facts(row, body=repr((self.number, at_s, said)).encode())
        made.export = made.export._replace(id=export_id(started_ns, made.export.body))
        made.functions = [function(name, seen_ms=started_ns // 1_000_000)]
        made.issues, made.occurrences = [], []
        if said["result"] != Result.OK or type is not None:
            type = type or Result(said["result"]).name.title()
            issue = Issue(
                issue_id(name, type),
                row.function_id,
                type,
                said["message"],
                None,
                started_ns // 1_000_000,
                said["kind"],
            )
            made.issues = [issue]
            made.occurrences = [Occurrence(issue.id, started_ns, row.span_id, row.trace_id)]
        made.tags = [Tag(started_ns, row.span_id, key, value, row.function_id) for key, value in said["tags"]]
        if said["age_ms"] is not None:
            made.resources.append(QUEUE)
            made.ages = [Age(row.function_id, QUEUE.id, started_ns, said["age_ms"])]
        made.calls = [
            Call(
                started_ns + index,
                row.span_id + 10_000_000 + index,
                row.trace_id,
                row.function_id,
                QUEUE.id,
                "SendMessage",
                1,
                True,
                "ThrottlingException",
            )
            for index in range(said["throttled"])
        ]
        return made

    def store(self, *group: Facts) -> None:
        with self.writing.begin() as connection:
            commit.write_facts(connection, group, commit.Seen())

    def alerts(self) -> list[Any]:
        with self.reading.connect() as connection:
            return list(connection.execute(select(alerts).order_by(alerts.c.since_s, alerts.c.id)))

    def intervals(self, rule_id: str | None = None) -> list[tuple[str, int, int, str]]:
        """Of every alert: its subject's name, since and last, in seconds since DAY_S, and its state."""
        return [
            (row.subject_name, row.since_s - DAY_S, row.last_s - DAY_S, row.state)
            for row in self.alerts()
            if rule_id is None or row.rule_id == rule_id
        ]

    def history(self) -> list[str]:
        with self.reading.connect() as connection:
            rows = connection.execute(select(alert_events).order_by(alert_events.c.at_ms, alert_events.c.number))
            return [row.kind for row in rows]

    @property
    def told(self) -> list[str]:
        return [str(notice.kind) for notice in self.notices]


QUEUE = Resource(hash63("queue"), "sqs", "eu-west-1", "orders", None)


def issue_id(name: str, type: str) -> int:
    return hash63("issue", name, type)


def replace_row(row: Any, **values: Any) -> Any:
    return row._replace(**values)


def function_named(name: str) -> Function:
    return function(name)


def rule(kind: ConditionKind = ConditionKind.ERRORS, *, above: float | None = 0, **said: Any) -> Rule:
    """A rule of that kind with nothing said but what the test is about."""
    names = set(Condition.__dataclass_fields__)
    condition = Condition(kind, above=above, **{key: said.pop(key) for key in list(said) if key in names})
    return replace(Rule(id="rule", name="Rule", condition=condition, resolve_after_s=120), **said)
