"""What a function says of itself: execution tags, and issues that it reports and goes on."""

from __future__ import annotations

from opentelemetry.proto.trace.v1 import trace_pb2

from collector.domain.facts import Issue, IssueKind, Occurrence, Tag
from collector.domain.ids import hash63
from collector.domain.issues import first_line
from collector.domain.span_facts import SpanFacts
from collector.domain.spans import Value, pick_attributes
from collector.domain.values import text

TAG_PREFIX = "clew.tag."
ISSUE_EVENT = "clew.issue"
MAX_TAGS = 50  # of one invocation that can be searched for; its page shows all
MAX_TAG_KEY, MAX_TAG_VALUE = 128, 256  # characters
MAX_ISSUES = 50  # of one invocation
_ISSUE = frozenset({"clew.issue.type", "clew.issue.message"})


def tag_text(value: Value) -> str:
    """A tag's value as it is searched for and shown: `true`, `42`, `0.5`, text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return text(value, MAX_TAG_VALUE)


def read_tags(item: SpanFacts, function_id: int) -> list[Tag]:
    """The invocation's tags. No statement may write one key twice: of two that are alike once cut, the last counts."""
    found: dict[str, str] = {}
    for name, value in item.attributes.items():
        if name.startswith(TAG_PREFIX):
            key = text(name[len(TAG_PREFIX) :], MAX_TAG_KEY)
            if key and len(found) < MAX_TAGS:
                found[key] = tag_text(value)
    return [Tag(item.started_ns, item.number, key, value, function_id) for key, value in found.items()]


def read_issues(item: SpanFacts, function_id: int) -> list[tuple[Issue, Occurrence]]:
    """The issues that the function reported; of one type the last message. An invocation is one occurrence of each."""
    messages: dict[str, str] = {}
    for event in item.span.events:
        if event.name == ISSUE_EVENT:
            type, message = _read_issue(event)
            if type in messages or len(messages) < MAX_ISSUES:
                messages[type] = message
    found = []
    for type, message in messages.items():
        id = hash63("reported issue", str(function_id), type)
        issue = Issue(id, function_id, type, message, None, item.started_ns // 1_000_000, IssueKind.REPORTED)
        found.append((issue, Occurrence(id, item.started_ns, item.number, item.trace_id)))
    return found


def _read_issue(event: trace_pb2.Span.Event) -> tuple[str, str]:
    said = pick_attributes(event.attributes, _ISSUE)
    type = text(said.get("clew.issue.type")).strip() or "Issue"
    return type, first_line(text(said.get("clew.issue.message"), 4_000))
