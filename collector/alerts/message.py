"""What a channel is told about an alert: one typed message, made from a notice, put into words once for all services.

The outbox keeps messages as JSON, as they were when the alert was decided on. All text in them is one line, without
control characters; each channel escapes it for its service and cuts it to its limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Self

from collector.alerts import wording
from collector.alerts.model import Notice, NoticeKind, Severity, SubjectKind
from collector.alerts.text import many_lines, one_line

MAX_NAME = 256
MAX_ERROR = 1_000
MAX_DESCRIPTION = 2_000
MAX_FUNCTIONS = 10
ORDER = {kind: place for place, kind in enumerate(NoticeKind)}  # of what is told of one alert at one moment


class Fact(NamedTuple):
    """One answer of a message."""

    label: str
    value: str


class Link(NamedTuple):
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """Times are as in `collector.alerts.model`; ids of functions and issues as in the store; `transaction` and `trace`
    are hexadecimal."""

    kind: NoticeKind
    alert_id: int
    severity: Severity
    rule_id: str
    rule_name: str
    description: str  # of the rule: what to do
    title: str  # what broke
    condition: str  # what was measured, and what the rule allows
    value: float
    threshold: float
    since_s: int
    at_ms: int
    until_s: int | None
    count: int
    invocations: int
    errors: int
    window_s: int
    functions: tuple[str, ...]
    subject_kind: SubjectKind
    subject_key: str  # names what the alert is about among all that alerts are about
    subject_name: str
    function_id: int | None
    function_name: str | None
    region: str | None
    account: str | None
    issue_id: int | None
    error: str | None  # in one line
    cause: str | None  # the failing call, or where in the code
    cost_pd: int | None
    transaction: str | None
    trace: str | None
    by: str | None
    note: str

    @classmethod
    def of(cls, notice: Notice) -> Self:
        subject, issue, sample = notice.subject, notice.issue, notice.sample
        issue_id = subject.issue_id if subject.issue_id is not None else issue.id if issue else None
        name = one_line(subject.name, MAX_NAME)
        return cls(
            kind=notice.kind,
            alert_id=notice.alert_id,
            severity=notice.severity,
            rule_id=notice.rule.id,
            rule_name=one_line(notice.rule.name, MAX_NAME) or notice.rule.id,
            description=many_lines(notice.rule.description, MAX_DESCRIPTION),
            title=one_line(wording.title(notice), MAX_NAME) or "A rule fired",
            condition=one_line(wording.condition(notice), MAX_NAME),
            value=notice.value,
            threshold=notice.threshold,
            since_s=notice.since_s,
            at_ms=notice.at_ms,
            until_s=notice.until_s,
            count=notice.count,
            invocations=notice.invocations,
            errors=notice.errors,
            window_s=notice.window_s,
            functions=tuple(one_line(function, MAX_NAME) for function in notice.functions[:MAX_FUNCTIONS]),
            subject_kind=subject.kind,
            subject_key=f"issue:{issue_id:016x}" if issue_id is not None else f"{notice.rule.id}:{subject.key}",
            subject_name=name,
            function_id=subject.function_id,
            function_name=_maybe(subject.function_name),
            region=_maybe(subject.region),
            account=_maybe(subject.account),
            issue_id=issue_id,
            error=one_line(f"{issue.type}: {issue.message}".rstrip(": "), MAX_ERROR) if issue else None,
            cause=_maybe(issue.culprit) if issue else None,
            cost_pd=notice.cost_pd,
            transaction=sample.transaction_id.hex() if sample and sample.transaction_id else None,
            trace=sample.trace_id.hex() if sample else None,
            by=_maybe(notice.by),
            note=one_line(notice.note, MAX_ERROR),
        )

    @property
    def key(self) -> str:
        """What services that tell alerts apart know this one by, from its opening to its end."""
        return f"clew-{self.alert_id:016x}" if self.alert_id else "clew-test"

    @property
    def over(self) -> bool:
        return self.kind is NoticeKind.RESOLVED

    @property
    def headline(self) -> str:
        """In one line: the state where it is not an opening, and what broke."""
        return f"{wording.STATES[self.kind]}{self.title}"

    def facts(self) -> list[Fact]:
        """The answers that there are, the most important first."""
        facts = [Fact("What", self.condition), Fact("Since", wording.since(self.since_s, self.until_s, self.at_ms))]
        if hits := wording.hits(self.errors, self.invocations, self.window_s, self.functions):
            facts.append(Fact("Hits", hits))
        if self.count:
            facts.insert(2, Fact("How many", f"{self.count:,}" if self.over else f"{self.count:,} so far"))
        facts.extend(
            Fact(label, value)
            for label, value in (
                ("Error", self.error),
                ("Cause", self.cause),
                ("Where", " ".join(part for part in (self.region, self.account) if part)),
                ("Cost" if self.over else "Cost so far", wording.money(self.cost_pd) if self.cost_pd else None),
                ("By", self.by),
                ("Note", self.note),
            )
            if value
        )
        return facts

    def links(self, base_url: str) -> list[Link]:
        """Where to read on, the most useful first; `base_url` without a slash at its end."""
        links = []
        if self.issue_id is not None:
            links.append(Link("Issue", f"{base_url}/issues/{self.issue_id:016x}"))
        if self.transaction:
            links.append(Link("Sample transaction", f"{base_url}/transactions/{self.transaction}"))
        elif self.trace:
            links.append(Link("Sample transaction", f"{base_url}/traces/{self.trace}"))
        if self.alert_id:
            links.append(Link("Alert", f"{base_url}/alerts/{self.alert_id:016x}"))
            links.append(Link("Rule", f"{base_url}/alerts/rules/{self.rule_id}"))
        if self.function_id is not None and self.issue_id is None:
            links.append(Link("Function", f"{base_url}/functions/{self.function_id:016x}"))
        return links or [Link("Clew", base_url)]

    def text(self, base_url: str) -> str:
        """All of it as plain text."""
        lines = [f"[{self.severity.upper()}] {self.headline}"]
        lines.extend(f"{label}: {value}" for label, value in self.facts())
        if self.description and not self.over:
            lines.extend(["", self.description])
        lines.append("")
        named = {"Rule": f"Rule {self.rule_name}"}
        lines.extend(f"{named.get(label, label)}: {url}" for label, url in self.links(base_url))
        return "\n".join(lines)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Of what any version wrote: fields that it did not know are as if nothing were known."""
        stored: Mapping[str, Any] = json.loads(text)
        values: dict[str, Any] = {field.name: stored.get(field.name) for field in fields(cls)}
        values["kind"] = NoticeKind(stored["kind"])
        values["severity"] = Severity(stored["severity"])
        values["subject_kind"] = SubjectKind(stored["subject_kind"])
        values |= {name: stored.get(name) or "" for name in ("description", "condition", "note")}
        values["functions"] = tuple(stored.get("functions") or ())
        return cls(**values)


def _maybe(text: str | None) -> str | None:
    return one_line(text, MAX_NAME) or None if text else None
