"""Why a transaction failed: the first thing its page says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.domain.facts import FAILED, Result
from collector.store.queries.common import FunctionRef, IssueLabel
from collector.store.queries.transaction import ExceptionDetail, InvocationDetail, SpanDetail
from webapp.formatting.words import failure_name, resource_name, service_name
from webapp.stacks import Frame, own_frame
from webapp.transaction.tree import Tree

MOST = 50  # told one by one; the timeline has the others


@dataclass(frozen=True, slots=True)
class Cause:
    """One failed invocation. `call`: what failed or hung in it, if a call did."""

    span: SpanDetail
    function: FunctionRef
    result: Result
    type: str
    message: str
    call: SpanDetail | None
    hanging: bool
    frame: Frame | None
    issues: Sequence[IssueLabel]
    attempt: int
    attempts: int

    @property
    def key(self) -> str:
        """The span to look at."""
        return self.call.key if self.call is not None else self.span.key

    @property
    def call_resource(self) -> str:
        """What the call was to reach; empty where its name says it already."""
        if self.call is None or self.call.resource is None:
            return ""
        name = resource_name(self.call.resource)
        return "" if name == service_name(self.call.resource.service) else name


def find_causes(tree: Tree, *, limit: int = MOST) -> list[Cause]:
    """Of failed invocations, that which ended first before the others: a caller fails after what it called. The first
    `limit`."""
    failed = _failed(tree)
    failed.sort(key=lambda pair: (pair[0].started_ns + pair[0].duration_ns, -pair[0].started_ns))
    causes = []
    for span, invocation in failed[:limit]:
        exception = span.exceptions[-1] if span.exceptions else None
        cut_short = invocation.result in (Result.TIMEOUT, Result.CRASHED, Result.OUT_OF_MEMORY)
        call = _failing_call(tree, span, exception, cut_short=cut_short)
        type, message = _words(span, invocation, exception, call)
        attempt, attempts = tree.attempt(span)
        causes.append(
            Cause(
                span,
                invocation.function,
                invocation.result,
                type,
                message,
                call,
                call is not None and not call.finished,
                own_frame(exception.stacktrace) if exception else None,
                invocation.issues,
                attempt,
                attempts,
            )
        )
    return causes


def count_failed(tree: Tree) -> int:
    """How many of the invocations that are in the timeline failed."""
    return len(_failed(tree))


def _failed(tree: Tree) -> list[tuple[SpanDetail, InvocationDetail]]:
    return [
        (span, invocation)
        for span, _ in tree.order
        if (invocation := tree.invocations.get(span.key)) is not None and invocation.result in FAILED
    ]


def _failing_call(
    tree: Tree, span: SpanDetail, exception: ExceptionDetail | None, *, cut_short: bool
) -> SpanDetail | None:
    calls = [inner for inner in tree.within(span) if inner.kind == "call"]
    hanging = [call for call in calls if not call.finished]
    if cut_short:
        # Nothing hung: then the function itself took too long, whatever failed in it earlier.
        return hanging[-1] if hanging else None
    failed = [call for call in calls if call.failed]
    if exception is None:
        return failed[-1] if failed else None
    # A call that failed in another way was handled; it is not what ended the invocation.
    name = exception.type.rpartition(".")[2]
    return next(
        (
            call
            for call in reversed(failed)
            if _same(call.error_type, name) or (call.error_type and call.error_type in exception.message)
        ),
        None,
    )


def _same(error_type: str | None, name: str) -> bool:
    return bool(error_type) and (error_type or "").rpartition(".")[2] == name


def _words(
    span: SpanDetail, invocation: InvocationDetail, exception: ExceptionDetail | None, call: SpanDetail | None
) -> tuple[str, str]:
    if invocation.failure is not None:
        return failure_name(invocation.failure.type, invocation.result), invocation.failure.message
    if invocation.result == Result.TIMEOUT:
        return "Timed out", span.error_message or (
            exception.message if exception else ""
        ) or "The time limit was reached."
    if exception is not None:
        name = exception.type.rpartition(".")[2]
        generic = name == "ClientError" and call is not None and call.error_type
        return (call.error_type or name if generic and call else name), exception.message or span.error_message or ""
    return (
        span.error_type or (call.error_type if call else None) or "Error",
        span.error_message or (call.error_message if call else None) or "The invocation failed without an exception.",
    )
