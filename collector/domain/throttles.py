"""Invocations that Lambda refused because no environment was free: nothing ran, so only who asked can tell.

The SDK tries again by itself; a call counts once, and only if all of its tries were refused.
"""

from __future__ import annotations

import re

from collector.domain.arns import parse_arn
from collector.domain.facts import Function, Issue, IssueKind, Throttle
from collector.domain.ids import hash63
from collector.domain.issues import first_line
from collector.domain.span_facts import SpanFacts
from collector.domain.spans import pick_attributes
from collector.domain.values import text

TYPE = "Throttled"
ERRORS = frozenset({"TooManyRequestsException", "429"})
_INVOKE = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})
# Lambda's own words for why: ReservedFunctionConcurrentInvocationLimitExceeded, CallerRateLimitExceeded, …
_REASON = re.compile(r'"Reason": ?"(?P<reason>[A-Za-z]{1,100})"')
_RESPONSE = frozenset({"clew.response"})
_MOST_OF_RESPONSE = 4_096


def read_throttle(call: SpanFacts, caller: Function, error: str) -> tuple[Function, Throttle] | None:
    """The function that a failed call would have invoked, as far as the caller knows it, and that it was refused;
    None for every other call."""
    target = call.target
    if error not in ERRORS or target is None or target.resource.service != "lambda" or target.operation not in _INVOKE:
        return None
    arn = parse_arn(target.resource.arn) if target.resource.arn else None
    account, name = (arn.account if arn is not None else caller.account), target.resource.name
    if not account or not name:  # another account's function may have the same name
        return None
    region = target.resource.region
    id = hash63("lambda", account, region, name)
    seen_ms = call.started_ns // 1_000_000
    function = Function(id, "lambda", account, region, name, None, None, None, None, seen_ms)
    answered = pick_attributes(call.span.attributes, _RESPONSE).get("clew.response")
    found = _REASON.search(text(answered, _MOST_OF_RESPONSE))
    message = found["reason"] if found is not None else first_line(text(call.span.status.message, 4_000))
    return function, Throttle(call.started_ns, call.number, call.trace_id, id, message, f"Invoke by {caller.name}")


def throttle_issue(throttle: Throttle) -> Issue:
    """All refusals of one function are one issue."""
    id = hash63("throttled", str(throttle.function_id))
    seen_ms = throttle.started_ns // 1_000_000
    return Issue(id, throttle.function_id, TYPE, throttle.message, throttle.culprit, seen_ms, IssueKind.THROTTLED)
