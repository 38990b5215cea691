"""Errors that an invocation dealt with: it returned, so it did not fail, and somebody may still want to know.

It answered an HTTP trigger with 500 or more, gave records of its batch back, or went on after a call had failed.
"""

from __future__ import annotations

from collector.domain.facts import Function, Issue, IssueKind, Result
from collector.domain.failures import call_error
from collector.domain.ids import hash63
from collector.domain.issues import first_line
from collector.domain.span_facts import SpanFacts
from collector.domain.spans import pick_attributes
from collector.domain.values import text, whole

BATCH_TYPE = "Records given back"
MOST_CALLS = 50  # issues of failed calls of one invocation
_HTTP_TRIGGERS = frozenset({"apigateway", "function_url", "alb", "vpclattice", "cloudfront", "websocket", "http"})
_STATUS = frozenset({"http.response.status_code", "http.status_code"})


def handled_issues(
    item: SpanFacts, function: Function, result: Result, trigger: str, batch: tuple[int | None, int | None]
) -> list[Issue]:
    """What the invocation dealt with, one issue for each cause; empty for one that failed, or dealt with nothing.

    `result` is what the span says, `batch` how many records there were and how many of them it gave back.
    """
    if result is not Result.OK and result is not Result.ERROR:
        return []
    status = _answered(item, function, result, trigger)
    if result is Result.ERROR and not status:
        return []
    found = []
    seen_ms = item.started_ns // 1_000_000
    if status:
        name = f"HTTP {status}"
        message = first_line(text(item.span.status.message, 4_000)) or f"It answered {status}"
        found.append(Issue(_id(function, name), function.id, name, message, None, seen_ms, IssueKind.HANDLED))
    size, given_back = batch
    if given_back:
        message = f"{given_back} of {size} records" if size else f"Records: {given_back}"
        found.append(
            Issue(_id(function, BATCH_TYPE), function.id, BATCH_TYPE, message, None, seen_ms, IssueKind.HANDLED)
        )
    failed = [call for call in item.calls if call.failed]
    if failed:
        found.extend(_calls(failed, function, seen_ms))
    return found


def _answered(item: SpanFacts, function: Function, result: Result, trigger: str) -> str:
    """The status of 500 and more that a function's handler answered with; "" where it did not.

    Of a service that is no function such a status is all that tells of a failure, so there it is one.
    """
    if function.kind != "lambda":
        return ""
    if result is Result.ERROR:
        # Where something was raised the status is Lambda's own, not the handler's.
        if any(event.name == "exception" for event in item.span.events):
            return ""
        status = text(item.attributes.get("error.type"), 16)
    elif trigger in _HTTP_TRIGGERS:
        # Other instrumentations tell the status and call the invocation well.
        said = pick_attributes(item.span.attributes, _STATUS)
        status = str(next((whole(said[name]) for name in sorted(said)), ""))
    else:
        return ""
    return status if len(status) == 3 and status.isascii() and status.isdigit() and status >= "500" else ""


def _calls(failed: list[SpanFacts], function: Function, seen_ms: int) -> list[Issue]:
    """One for each thing that was called and error that it had; of several the last tells the message."""
    found: dict[int, Issue] = {}
    for call in sorted(failed, key=lambda call: (call.started_ns, call.span_id)):
        if call.target is None:
            continue
        error = call_error(call) or "Error"
        type = f"HTTP {error}" if error.isdigit() else error
        resource = call.target.resource
        id = hash63("failed call", str(function.id), str(resource.id), call.target.operation, type)
        if id not in found and len(found) == MOST_CALLS:
            continue
        message = first_line(text(call.span.status.message, 4_000))
        where = f"{call.name} ({resource.name})" if resource.name else call.name
        found[id] = Issue(id, function.id, type, message, where[:256], seen_ms, IssueKind.CALL)
    return list(found.values())


def _id(function: Function, type: str) -> int:
    return hash63("handled error", str(function.id), type)
