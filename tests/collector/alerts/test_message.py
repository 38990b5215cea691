"""Messages: the answers in words, the same for every service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.alerts.message import Message
from collector.alerts.model import (
    Condition,
    ConditionKind,
    Metric,
    Notice,
    NoticeKind,
    Sample,
    Subject,
    SubjectKind,
)
from collector.alerts.text import fit, one_line, width
from tests.collector.alerts.channels.envelopes import hostile, hostile_notices
from tests.collector.alerts.notices import AT_MS, RULE, SINCE_S, notice

BASE = "https://clew.example.com"
GOLDEN = f"""\
[ERROR] checkout fails
What: 12 failed invocations in 5 min; the rule fires above 5
Since: 2025-11-21 15:00 UTC (10 min)
How many: 12 so far
Hits: 12 of 340 invocations in 5 min: checkout, refund
Error: CardDeclined: card 4242 was declined
Cause: DynamoDB.PutItem
Where: eu-central-1 123456789012
Cost so far: $0.0012

Look at the card service first.

Issue: {BASE}/issues/0000000000000abc
Sample transaction: {BASE}/transactions/{"02" * 16}
Alert: {BASE}/alerts/0000000000000001
Rule Errors: {BASE}/alerts/rules/errors"""


def test_the_plain_text() -> None:
    """What is sent where nothing but text is read."""
    assert GOLDEN == Message.of(notice()).text(BASE)


def test_a_resolve_says_how_long_it_lasted_and_by_whom() -> None:
    """Without what to do: there is nothing to do."""
    text = Message.of(notice(kind=NoticeKind.RESOLVED, by="Mia", note="rolled back")).text(BASE)

    assert text.startswith("[ERROR] Resolved: checkout fails\n")
    assert "Since: 2025-11-21 15:00 UTC to 2025-11-21 15:10 UTC (10 min 40 s)" in text
    assert "By: Mia\nNote: rolled back" in text
    assert "How many: 12\n" in text
    assert "Cost: $0.0012" in text
    assert "Look at the card service" not in text


def of(kind: ConditionKind, above: float | None = 5, **given: Any) -> Condition:
    return Condition(kind, above=above, **given)


@pytest.mark.parametrize(
    ("condition", "measured", "title", "says"),
    [
        (of(ConditionKind.NEW_ISSUE), (1, 0), "New issue: CardDeclined in checkout", "1 occurrence"),
        (of(ConditionKind.REGRESSED_ISSUE), (3, 0), "An issue is back: CardDeclined in checkout", "3 occurrences"),
        (of(ConditionKind.ERROR_RATE), (0.125, 0.05), "checkout: 12.5 % of invocations fail", "fires above 5 %"),
        (of(ConditionKind.TIMEOUTS), (1, 0), "checkout times out", "1 timeout in 5 min; the rule fires above 0"),
        (
            of(ConditionKind.DURATION),
            (3200, 900),
            "checkout: p95 is 3.2 s",
            "p95 3.2 s in 5 min; the rule fires above p95 900 ms",
        ),
        (of(ConditionKind.MEMORY), (0.97, 0.95), "checkout uses 97 % of its memory", "97 % of its memory is in use"),
        (
            of(ConditionKind.INVOCATIONS, above=None, below=1),
            (0, 1),
            "checkout: 0 invocations in 5 min",
            "the rule fires below 1",
        ),
        (
            of(ConditionKind.COST, month=True),
            (12.5, 10),
            "checkout cost $12.50 this month",
            "$12.50 this month; the rule fires above $10.00",
        ),
        (
            of(ConditionKind.FORECAST),
            (120, 100),
            "checkout will cost $120.00 this month",
            "$120.00 forecast for this month",
        ),
        (
            of(ConditionKind.ANOMALY, metric=Metric.COST),
            (2, 1),
            "checkout: its cost is unlike",
            "2 times the usual deviation",
        ),
        (
            of(ConditionKind.AGE),
            (754, 600),
            "checkout: messages wait for 12 min 34 s",
            "12 min 34 s in 5 min; the rule fires above 10 min",
        ),
        (
            of(ConditionKind.BURN_RATE),
            (14.4, 6),
            "checkout uses up its error budget 14.4 times too fast",
            "above 6 times",
        ),
    ],
)
def test_every_condition_in_words(condition: Condition, measured: tuple[float, float], title: str, says: str) -> None:
    """What broke in the title, and what was measured against which limit."""
    message = Message.of(notice(rule=replace(RULE, condition=condition), value=measured[0], threshold=measured[1]))

    assert message.title.startswith(title)
    assert says in message.condition


def test_links_lead_to_what_there_is() -> None:
    """A trace where no transaction is known yet, the function where there is no issue."""
    bare = Subject(SubjectKind.FUNCTION, "7", "checkout", function_id=7)
    message = Message.of(notice(issue=None, subject=bare, sample=Sample(1, 2, b"\x03" * 16, None)))

    assert [
        ("Sample transaction", f"{BASE}/traces/{'03' * 16}"),
        ("Alert", f"{BASE}/alerts/0000000000000001"),
        ("Rule", f"{BASE}/alerts/rules/errors"),
        ("Function", f"{BASE}/functions/0000000000000007"),
    ] == message.links(BASE)
    assert [("Clew", BASE)] == Message.of(
        notice(0, NoticeKind.TEST, issue=None, sample=None, subject=Subject(SubjectKind.TOGETHER, "t", "t"))
    ).links(BASE)


def test_an_issue_is_one_subject_whichever_rule_fires() -> None:
    """So that a ticket is not made for each rule; other subjects are their rule's."""
    other = replace(RULE, id="other")

    assert Message.of(notice()).subject_key == Message.of(notice(rule=other)).subject_key
    assert Message.of(notice(issue=None)).subject_key != Message.of(notice(issue=None, rule=other)).subject_key


@settings(max_examples=40, deadline=None)
@given(hostile_notices())
def test_messages_are_kept_as_they_are(sent: Notice) -> None:
    """Through JSON and back nothing changes, and no text has a control character or half of one."""
    message = Message.of(sent)
    again = Message.from_json(message.to_json())
    same = {name for name in Message.__slots__ if getattr(message, name) == getattr(again, name)}
    odd = {name for name in ("value", "threshold") if getattr(message, name) != getattr(message, name)}  # NaN

    assert set(Message.__slots__) == same | odd
    text = message.text(BASE)
    assert text == text.encode().decode()
    assert not any(character < " " and character != "\n" for character in text)
    assert message.title


def test_a_message_of_another_version_is_read() -> None:
    """Fields that are not known are left out, those that are missing are as if nothing were known."""
    stored = Message.of(notice()).to_json().replace('"note":""', '"later":{"x":1}')

    assert "" == Message.from_json(stored).note


@given(hostile, st.integers(1, 200))
def test_text_is_cut_within_its_limit(text: str, limit: int) -> None:
    """Also where an escape makes it longer, and counted as services count."""
    line = one_line(text, limit)
    escaped = fit(text, limit, lambda part: part.replace("&", "&amp;"))

    assert width(line) <= limit
    assert "\n" not in line
    assert width(escaped) <= limit
    assert escaped.replace("&amp;", "").count("&") == 0


def test_time_is_told_of_any_moment() -> None:
    """A time far off makes no message fail."""
    assert "an unknown time" in Message.of(notice(since_s=10**18)).text(BASE)
    assert SINCE_S * 1000 < AT_MS
