"""Invocations that Lambda refused because no environment was free: nothing ran, so only others can tell.

Of a synchronous one whoever asked: the SDK tries again by itself; a call counts once, and only if all of its tries were
refused. Of an asynchronous event whoever reads what Lambda gave up on, at a destination or a dead-letter queue: Lambda
itself tries again for hours, and an event counts once, if its last try was refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from collector.domain.arns import parse_arn, resource_name
from collector.domain.facts import Facts, Function, Issue, IssueKind, Occurrence, Refusal, Throttle
from collector.domain.ids import hash63
from collector.domain.issues import first_line
from collector.domain.links import REQUEST
from collector.domain.span_facts import SpanFacts
from collector.domain.spans import Value, pick_attributes
from collector.domain.values import text, texts, whole

TYPE = "Throttled"
ERRORS = frozenset({"TooManyRequestsException", "429"})
_INVOKE = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})
# Lambda's own words for why: ReservedFunctionConcurrentInvocationLimitExceeded, CallerRateLimitExceeded, …
_REASON = re.compile(r'"Reason": ?"(?P<reason>[A-Za-z]{1,100})"')
_RESPONSE = frozenset({"clew.response"})
_MOST_OF_RESPONSE = 4_096
FAILURES = "clew.trigger.failures"
_MOST_FAILURES = 100
_MOST_OF_FAILURE = 8_192
_EVENT = "an asynchronous event"
# Where the reserved concurrency is 0, Lambda tries no event: a dead letter has no status then, only these words.
_NOT_TRIED = "Function not invoked"
# A queue keeps messages for two weeks. What claims to be older or to come from the future is as old as its reader.
_LONGEST_KEPT_NS = 15 * 86_400_000_000_000
_SKEW_NS = 86_400_000_000_000


def read_throttle(call: SpanFacts, caller: Function, error: str) -> tuple[Function, Throttle] | None:
    """The function that a failed call would have invoked, as far as the caller knows it, and that it was refused;
    None for every other call."""
    target = call.target
    if error not in ERRORS or target is None or target.resource.service != "lambda" or target.operation not in _INVOKE:
        return None
    arn = parse_arn(target.resource.arn) if target.resource.arn else None
    account, name = (arn.account if arn is not None else caller.account), target.resource.name
    function = refused_function(account, target.resource.region, name, call.started_ns)
    if function is None:
        return None
    answered = pick_attributes(call.span.attributes, _RESPONSE).get("clew.response")
    found = _REASON.search(text(answered, _MOST_OF_RESPONSE))
    message = found["reason"] if found is not None else first_line(text(call.span.status.message, 4_000))
    throttle = Throttle(call.started_ns, call.number, call.trace_id, function.id, message, f"Invoke by {caller.name}")
    return function, throttle


def refused_function(account: str, region: str, name: str, started_ns: int) -> Function | None:
    """None where no account is known: another account's function may have the same name."""
    if not account or not name:
        return None
    id = hash63("lambda", account, region, name)
    return Function(id, "lambda", account, region, name, None, None, None, None, started_ns // 1_000_000)


def read_refusals(facts: Facts, item: SpanFacts) -> None:
    """Adds the events that Lambda gave up on because it could not run them, as this invocation's own event tells."""
    for told in texts(item.attributes.get(FAILURES), _MOST_FAILURES, _MOST_OF_FAILURE):
        try:
            failure = json.loads(told)
        except (ValueError, RecursionError):
            continue
        if not isinstance(failure, dict) or not _was_refused(failure):
            continue
        request_id = text(failure.get("request_id"), 128)
        if not request_id:
            continue
        started_ns = _given_up_ns(text(failure.get("time"), 64), item.started_ns)
        arn = parse_arn(text(failure.get("function"), 1_024))
        function = None
        if arn is not None and arn.service == "lambda":
            function = refused_function(arn.account[:64], arn.region[:64], resource_name(arn)[:256], started_ns)
        said = first_line(text(failure.get("error_message"), 1_024)) or text(failure.get("condition"), 64)
        key = hash63("link", f"{REQUEST}{request_id}")
        if function is not None:
            facts.functions.append(function)
        function_id = function.id if function is not None else None
        facts.refusals.append(Refusal(key, started_ns, item.trace_id, function_id, said, facts.export.received_ms))


def _was_refused(failure: Mapping[str, Value]) -> bool:
    """Whether the last try was none. What ran and failed has the status 200, however often that was."""
    code = text(failure.get("error_code"), 16)
    condition = text(failure.get("condition"), 64)
    if code or "function_error" in failure:
        return code == "429"
    if condition == "EventAgeExceeded":
        return whole(failure.get("attempts")) == 0
    return condition == "ZeroReservedConcurrency" or text(failure.get("error_message")).startswith(_NOT_TRIED)


def _given_up_ns(said: str, told_ns: int) -> int:
    """ISO 8601, or milliseconds since 1970; the reader's own time where it is neither, or none that can be."""
    milliseconds = whole(said)
    if milliseconds is None:
        try:
            time = datetime.fromisoformat(said)
            milliseconds = round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1_000)
        except (ValueError, OverflowError):
            return told_ns
    found = milliseconds * 1_000_000
    return found if told_ns - _LONGEST_KEPT_NS <= found <= told_ns + _SKEW_NS else told_ns


def throttle_issue(throttle: Throttle) -> Issue:
    """All refusals of one function are one issue."""
    return _issue(throttle.function_id, throttle.started_ns, throttle.message, throttle.culprit)


def refusal_issue(refusal: Refusal, function_id: int) -> tuple[Issue, Occurrence]:
    """The same issue as of calls that were refused. It costs nothing, and no invocation is its occurrence."""
    issue = _issue(function_id, refusal.started_ns, refusal.message, _EVENT)
    return issue, Occurrence(issue.id, refusal.started_ns, refusal.key, refusal.trace_id)


def _issue(function_id: int, started_ns: int, message: str, culprit: str) -> Issue:
    id = hash63("throttled", str(function_id))
    return Issue(id, function_id, TYPE, message, culprit, started_ns // 1_000_000, IssueKind.THROTTLED)
