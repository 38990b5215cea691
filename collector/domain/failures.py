"""Why an invocation failed: what its issue is called, and which call or line is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.domain.facts import Issue, IssueKind, Result
from collector.domain.issues import Frame, aws_error, culprit_of, fingerprint, first_line, own_frames, short_type
from collector.domain.span_facts import SpanFacts
from collector.domain.spans import Value, pick_attributes
from collector.domain.values import first_text, text

TIMEOUT_TYPE = "Sandbox.Timedout"  # AWS's own error type of a timed-out invocation
CRASH_TYPE = "Runtime.ExitError"  # AWS's own of a process that ended before the handler did
MEMORY_TYPE = "Runtime.OutOfMemory"
TIMEOUT = "Timeout"  # what its issue is called
UNFINISHED = "Unfinished"  # the error of a call that never returned
CRASH_MESSAGE = "The process ended without a word: its last sign of life came before its deadline, and no end followed."
_EXCEPTION = frozenset({"exception.type", "exception.message", "exception.stacktrace"})
_STATUS_CODES = frozenset({"http.response.status_code", "http.status_code", "rpc.grpc.status_code"})


class Failure(NamedTuple):
    type: str
    message: str  # first line
    culprit: str | None
    frames: tuple[Frame, ...]
    kind: IssueKind = IssueKind.FAILURE

    def issue(self, function_id: int, started_ns: int) -> Issue:
        """What an invocation of the function that began then is an occurrence of."""
        # An issue is of one kind, whatever occurrence came first: an exception may be called Timeout as well.
        type = self.type if self.kind is IssueKind.FAILURE else f"{self.kind.name} {self.type}"
        id = fingerprint(function_id, type, self.message, self.frames)
        return Issue(id, function_id, self.type, self.message, self.culprit, started_ns // 1_000_000, self.kind)


def timed_out(lasted_ns: int) -> Failure:
    """In the words of Lambda's own log."""
    return Failure(TIMEOUT, f"Task timed out after {lasted_ns / 1e9:.2f} seconds", None, (), IssueKind.TIMEOUT)


def crashed(type: str, message: str, culprit: str | None = None) -> Failure:
    """The process ended before the handler did."""
    return Failure(type, message, culprit, (), IssueKind.CRASH)


def out_of_memory(used_mb: int, size_mb: int | None) -> Failure:
    used = f"{used_mb} MB of {size_mb} MB" if size_mb else f"{used_mb} MB"
    message = f"Out of memory: {used} were in use when the process was ended."
    return Failure(MEMORY_TYPE, message, None, (), IssueKind.OUT_OF_MEMORY)


def result_of(invocation: SpanFacts) -> Result:
    """What the span itself says. One that is open shortly before its deadline counts as timed out, one that is open
    at a checkpoint runs, until its end arrives."""
    attributes = invocation.attributes
    if attributes.get("clew.lambda.phase") == "init":
        return Result.INIT_FAILED
    named = text(attributes.get("error.type"))
    if named == TIMEOUT_TYPE:
        return Result.TIMEOUT
    if not invocation.finished and not named and not invocation.failed:
        return Result.RUNNING
    return Result.ERROR if invocation.failed or not invocation.finished else Result.OK


def call_error(call: SpanFacts) -> str | None:
    """What a call's failure is called; None for a call that succeeded, or that runs within an invocation that runs."""
    if not call.failed and call.finished:
        return None
    named = text(call.attributes.get("error.type"))
    if not call.finished and not named:
        running = call.owner is not None and result_of(call.owner) is Result.RUNNING
        return None if running else UNFINISHED
    if named:
        return named
    if type := text(_last_exception(call).get("exception.type")):
        return short_type(type)
    return first_text(pick_attributes(call.span.attributes, _STATUS_CODES), *sorted(_STATUS_CODES)) or "Error"


def describe_failure(invocation: SpanFacts, result: Result) -> Failure:
    """What an invocation that did not end well is to be called."""
    calls = sorted(invocation.calls, key=lambda call: (call.started_ns, call.span_id))
    if result is Result.TIMEOUT:
        message = first_line(text(invocation.span.status.message, 4_000)) or "Task timed out"
        return Failure(TIMEOUT, message, open_call(invocation), (), IssueKind.TIMEOUT)
    exception = _last_exception(invocation)
    full_type = text(exception.get("exception.type")) or text(invocation.attributes.get("error.type")) or "Error"
    message = text(exception.get("exception.message"), 4_000) or text(invocation.span.status.message, 4_000)
    if full_type.isdigit():  # the status of an HTTP response, by OpenTelemetry's convention
        full_type, message = f"HTTP {full_type}", message or f"It answered {full_type}"
    stacktrace = exception.get("exception.stacktrace")
    frames = own_frames(stacktrace) if isinstance(stacktrace, str) else ()
    aws = aws_error(message)
    type = short_type(aws.code if aws is not None else full_type)
    culprit = _failing_call(type, aws.operation if aws is not None else "", calls) or culprit_of(frames)
    return Failure(type, first_line(message), culprit, frames)


def open_call(invocation: SpanFacts) -> str | None:
    """The name of the call that it waits for: of several open ones the last."""
    calls = [call for call in invocation.calls if not call.finished]
    return max(calls, key=lambda call: (call.started_ns, call.span_id)).name if calls else None


def _last_exception(item: SpanFacts) -> dict[str, Value]:
    """The attributes of the last `exception` event: earlier ones were handled."""
    for event in reversed(item.span.events):
        if event.name == "exception":
            return pick_attributes(event.attributes, _EXCEPTION)
    return {}


def _failing_call(type: str, operation: str, calls: Sequence[SpanFacts]) -> str | None:
    """The last failed call that explains the exception: the operation that it names, or the same error code."""
    failed = [call for call in reversed(calls) if call.failed]
    for call in failed:
        if operation and call.target is not None and call.target.operation == operation:
            return call.name
    return next((call.name for call in failed if short_type(call_error(call) or "") == type), None)
