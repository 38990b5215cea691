"""Envelopes as the outbox hands them to a channel."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from collector.alerts.channels.sending import Envelope
from collector.alerts.message import Message
from collector.alerts.model import (
    Condition,
    ConditionKind,
    IssueText,
    Notice,
    NoticeKind,
    Rule,
    Severity,
    Subject,
    SubjectKind,
)
from tests.collector.alerts.conftest import BASE_URL
from tests.collector.alerts.notices import AT_MS, notice


def envelope(*notices: Notice, **changed: Any) -> Envelope:
    messages = tuple(Message.of(one) for one in notices or (notice(),))
    return Envelope("00000000000000aa", messages, BASE_URL, AT_MS // 1000, **changed)


# What functions, errors and rules can be made to say: markup of every service, odd characters, great lengths.
_MARKUP = [
    "<!channel>", "<@U123>", "<https://evil.example|click>", "&lt;", "& < >", "*bold* _x_ ~y~ `z`", "```", "\x00",
    "\ud83d", "</td><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "[click](https://evil.example)",
    "{noformat}", "h1. title", "|cell|", "\u202egnp.exe", "\r\nBcc: victim@example.com", "=?utf-8?q?x?=", "🔥" * 40,
    "e\u0301" * 50, "\n.\n", "<at>everyone</at>", "{{secret}}", "%s%n", "a" * 5_000, "&" * 4_000, "", " ", "\u2028",
]  # fmt: skip
hostile = st.one_of(
    st.sampled_from(_MARKUP),
    st.text(max_size=300),
    st.lists(st.one_of(st.sampled_from(_MARKUP), st.text(max_size=40)), max_size=8).map("".join),
)
numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 10**15).map(float))


@st.composite
def hostile_notices(draw: st.DrawFn) -> Notice:
    condition = Condition(draw(st.sampled_from(ConditionKind)), above=1.0, month=draw(st.booleans()))
    rule = Rule("rule-1", draw(hostile), condition, description=draw(hostile))
    issue = st.builds(
        IssueText,
        id=st.integers(0, 2**63 - 1),
        type=hostile,
        message=hostile,
        culprit=st.none() | hostile,
        first_seen_ms=st.just(AT_MS),
    )
    subject = Subject(
        draw(st.sampled_from(SubjectKind)),
        draw(hostile),
        draw(hostile),
        function_id=draw(st.none() | st.just(7)),
        function_name=draw(st.none() | hostile),
        region=draw(st.none() | hostile),
        account=draw(st.none() | hostile),
    )
    return notice(
        alert_id=draw(st.integers(1, 2**63 - 1)),
        kind=draw(st.sampled_from([kind for kind in NoticeKind if kind is not NoticeKind.TEST])),
        rule=rule,
        severity=draw(st.sampled_from(Severity)),
        subject=subject,
        value=draw(numbers),
        threshold=draw(numbers),
        functions=tuple(draw(st.lists(hostile, max_size=12))),
        issue=draw(st.none() | issue),
        count=draw(st.integers(0, 2**62)),
        by=draw(st.none() | hostile),
        note=draw(hostile),
        cost_pd=draw(st.none() | st.integers(0, 2**62)),
    )


envelopes = st.builds(
    lambda notices: envelope(*notices),
    st.one_of(st.lists(hostile_notices(), min_size=1, max_size=1), st.lists(hostile_notices(), min_size=2, max_size=9)),
)
