"""Notices as the evaluator makes them."""

from __future__ import annotations

from typing import Any

from collector.alerts.model import (
    Condition,
    ConditionKind,
    IssueText,
    Notice,
    NoticeKind,
    Rule,
    Sample,
    Severity,
    Subject,
    SubjectKind,
)

SINCE_S = 1_763_737_200
AT_MS = (SINCE_S + 600) * 1000
RULE = Rule("errors", "Errors", Condition(ConditionKind.ERRORS, above=5), description="Look at the card service first.")
SUBJECT = Subject(SubjectKind.FUNCTION, "0000000000000007", "checkout", 7, "checkout", "eu-central-1", "123456789012")
ISSUE = IssueText(0xABC, "CardDeclined", "card 4242 was declined", "DynamoDB.PutItem", SINCE_S * 1000)
SAMPLE = Sample(SINCE_S * 10**9, 5, b"\x01" * 16, b"\x02" * 16, "request-1")


def notice(alert_id: int = 1, kind: NoticeKind = NoticeKind.OPENED, **changed: Any) -> Notice:
    """Of an alert that opened at AT_MS; what follows it came a minute later, unless said otherwise."""
    values: dict[str, Any] = {
        "alert_id": alert_id,
        "kind": kind,
        "rule": RULE,
        "severity": Severity.ERROR,
        "subject": SUBJECT,
        "value": 12.0,
        "threshold": 5.0,
        "window_s": 300,
        "since_s": SINCE_S,
        "at_ms": AT_MS if kind is NoticeKind.OPENED else AT_MS + 60_000,
        "count": 12,
        "invocations": 340,
        "errors": 12,
        "functions": ("checkout", "refund"),
        "sample": SAMPLE,
        "issue": ISSUE,
        "cost_pd": 1_200_000_000,
        "until_s": SINCE_S + 640 if kind is NoticeKind.RESOLVED else None,
    }
    return Notice(**(values | changed))
