"""Why an invocation failed: what its issue is called, and which call or line is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from collector.domain.facts import Result
from collector.domain.issues import Frame, aws_error, own_frames, short_type
from collector.domain.spans import Value, pick_attributes
from collector.domain.values import text

if TYPE_CHECKING:
    from collector.domain.invocations import SpanFacts

TIMEOUT_TYPE = "Sandbox.Timedout"  # AWS's own error type of a timed-out invocation
_EXCEPTION = frozenset({"exception.type", "exception.message", "exception.stacktrace"})


class Failure(NamedTuple):
    type: str
    message: str  # first line
    culprit: str | None
    frames: tuple[Frame, ...]


def result_of(invocation: SpanFacts, finished: bool) -> Result:
    """A span still open shortly before its deadline counts as timed out until its end arrives."""
    if text(invocation.attributes.get("error.type")) == TIMEOUT_TYPE or not finished:
        return Result.TIMEOUT
    return Result.ERROR if invocation.failed else Result.OK


def describe_failure(invocation: SpanFacts, result: Result, calls: Sequence[SpanFacts]) -> Failure:
    """What an invocation that did not end well is to be called. `calls` are its own, in the order they were made."""
    if result is Result.TIMEOUT:
        hanging = next((call for call in reversed(calls) if call.attributes.get("clew.unfinished") is True), None)
        culprit = text(hanging.span.name) if hanging is not None else None
        return Failure("Timeout", text(invocation.span.status.message, 1_000) or "Task timed out", culprit, ())
    exception = _last_exception(invocation)
    full_type = text(exception.get("exception.type")) or text(invocation.attributes.get("error.type")) or "Error"
    message = text(exception.get("exception.message"), 4_000) or text(invocation.span.status.message, 4_000)
    stacktrace = exception.get("exception.stacktrace")
    frames = own_frames(stacktrace) if isinstance(stacktrace, str) else ()
    aws = aws_error(message)
    type = aws.code if aws is not None else short_type(full_type)
    culprit = _failing_call(type, aws.operation if aws is not None else "", calls)
    if culprit is None and frames:
        culprit = f"{frames[0].path} in {frames[0].where}" if frames[0].where else frames[0].path
    return Failure(type[:200], message.partition("\n")[0][:1_000], culprit, frames)


def _last_exception(invocation: SpanFacts) -> dict[str, Value]:
    """The attributes of the last `exception` event: earlier ones were handled."""
    for event in reversed(invocation.span.events):
        if event.name == "exception":
            return pick_attributes(event.attributes, _EXCEPTION)
    return {}


def _failing_call(type: str, operation: str, calls: Sequence[SpanFacts]) -> str | None:
    """The last failed call that explains the exception: the same error code, or the operation that it names."""
    for call in reversed(calls):
        if not call.failed:
            continue
        name = text(call.span.name)
        if operation and name.rpartition(".")[2] == operation:
            return name
        if short_type(text(call.attributes.get("error.type"))) == type:
            return name
    return None
