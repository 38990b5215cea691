"""What lines of a function's log come to: invocations that no tracer told of.

The lines of one invocation may arrive with several requests, in any order and more than once. Each leaves a piece; what
is known of a request is worked out from all its pieces anew, so it depends on the set of them and nothing else.

An invocation that is known from its log alone is a *stand-in*. It goes when the tracer's own span of the request is
there, and what the platform reports is then joined to that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

from collector.domain.facts import (
    Function,
    Initialization,
    Invocation,
    Issue,
    LinkKey,
    LogPiece,
    PieceKind,
    Report,
    ReportKind,
    ReportStatus,
    Result,
    Side,
)
from collector.domain.failures import MEMORY_TYPE, TIMEOUT_TYPE, Failure, crashed, out_of_memory, timed_out
from collector.domain.ids import hash63, span_number
from collector.domain.issues import Frame
from collector.domain.prices import PriceTable, pays_restores
from collector.domain.reports import SLACK_NS

_CRASHES = ("Runtime.Exit", "Runtime.OutOfMemory", "Sandbox.", "Extension.")
_KILLED = "signal: killed"


class Attempt(NamedTuple):
    """One run of a request: AWS tries again under the same request id."""

    report: LogPiece
    others: tuple[LogPiece, ...]  # errors of it, the ones that tell most first

    @property
    def started_ns(self) -> int:
        return self.report.time_ns - (self.report.duration_ns or 0)


class StandIn(NamedTuple):
    row: Invocation
    failure: Failure | None

    @property
    def issue(self) -> Issue | None:
        return self.failure.issue(self.row.function_id, self.row.started_ns) if self.failure is not None else None

    @property
    def link_keys(self) -> list[LinkKey]:
        row = self.row
        names = ((f"lambda:{row.request_id}", Side.SHARED), (f"lambda-result:{row.request_id}", Side.PRODUCED))
        return [
            LinkKey(hash63("link", name), side, row.started_ns, row.span_id, row.trace_id, pointer=False)
            for name, side in names
        ]


def log_trace(function: str, request_id: str) -> bytes:
    """The trace id of what a function's log says of a request.

    Every line has it, whichever of the request's lines it came with. AWS gives an id to one request only, so neither
    account nor region are needed, and a log that was forwarded without them meets itself. The attempts of a request
    are one trace, and so one transaction.
    """
    digest = hashlib.blake2b(f"log\x1f{function}\x1f{request_id}".encode("utf-8", "surrogatepass"), digest_size=16)
    return digest.digest()


def attempts(pieces: Iterable[LogPiece]) -> list[Attempt]:
    """The runs that reports tell of, each with the errors of its time. What no report came for yet is not shown."""
    ordered = sorted(pieces, key=_rank)
    reports = [piece for piece in ordered if piece.kind == PieceKind.REPORT]
    others: dict[LogPiece, list[LogPiece]] = {report: [] for report in reports}
    for piece in ordered:
        if piece.kind == PieceKind.REPORT:
            continue
        near = [
            report
            for report in reports
            if report.time_ns - (report.duration_ns or 0) - SLACK_NS <= piece.time_ns <= report.time_ns + SLACK_NS
        ]
        if near:
            others[min(near, key=lambda report: (abs(report.time_ns - piece.time_ns), report.time_ns))].append(piece)
    return [Attempt(report, tuple(others[report])) for report in reports]


def stand_in(attempt: Attempt, function: Function, *, prices: PriceTable) -> StandIn:
    """The invocation as its log tells it."""
    report = attempt.report
    result, failure = outcome(attempt)
    trace_id = log_trace(function.name, report.request_id)
    digest = hashlib.blake2b(trace_id + attempt.started_ns.to_bytes(8, "big", signed=True), digest_size=8).digest()
    initialization = None
    if report.init_ns is not None:
        initialization = Initialization.ON_DEMAND
    elif report.restore_ns is not None:
        initialization = Initialization.SNAP_START
    restored = initialization is Initialization.SNAP_START and pays_restores(function.runtime) is True
    row = Invocation(
        started_ns=attempt.started_ns,
        span_id=span_number(digest),
        trace_id=trace_id,
        function_id=function.id,
        request_id=report.request_id,
        duration_ns=report.duration_ns or 0,
        finished=True,
        result=result,
        span_result=result,
        cold_start=report.init_ns is not None,
        init_ns=report.init_ns,
        memory_mb=report.memory_mb,
        max_memory_mb=report.max_memory_mb,
        billed_ms=report.billed_ms,
        cost_pd=prices.cost(
            started_ns=attempt.started_ns,
            billed_ms=report.billed_ms,
            memory_mb=report.memory_mb,
            region=function.region,
            architecture=report.architecture,
            restored=restored,
        ),
        trigger="",
        trigger_resource_id=None,
        services="",
        calls=0,
        call_errors=0,
        initialization=initialization,
        restore_ns=report.restore_ns,
        reported_ns=report.duration_ns or 0,
        architecture=report.architecture,
        restored=restored,
    )
    return StandIn(row, failure)


def report_of(attempt: Attempt, function: Function) -> Report:
    """What the log says of a traced invocation. Older reports do not say that it timed out; the line before does."""
    piece = attempt.report
    status, error_type = piece.status, piece.error_type
    for other in attempt.others:
        if other.kind == PieceKind.TIMEOUT:
            status = ReportStatus.TIMEOUT
            break
        if other.kind == PieceKind.EXIT:
            status, error_type = ReportStatus.ERROR, error_type or other.error_type
            break
    return Report(
        request_id=piece.request_id,
        kind=ReportKind.INVOCATION,
        time_ns=piece.time_ns,
        status=status,
        function=function.name,
        region=function.region,
        trace_id=None,
        span_id=None,
        started_ns=None,
        error_type=error_type,
        duration_ns=piece.duration_ns,
        billed_ms=piece.billed_ms,
        memory_mb=piece.memory_mb,
        max_memory_mb=piece.max_memory_mb,
        init_ns=piece.init_ns,
        restore_ns=piece.restore_ns,
    )


def pack_frames(frames: Iterable[Frame]) -> str:
    return json.dumps(list(frames)) if frames else ""


def outcome(attempt: Attempt) -> tuple[Result, Failure | None]:
    report, others = attempt.report, attempt.others
    by_kind = {piece.kind: piece for piece in reversed(others)}
    timeout, exit = by_kind.get(PieceKind.TIMEOUT), by_kind.get(PieceKind.EXIT)
    if timeout is not None or report.status == ReportStatus.TIMEOUT or report.error_type == TIMEOUT_TYPE:
        failure = timed_out(report.duration_ns or 0)
        return Result.TIMEOUT, failure._replace(message=timeout.message) if timeout is not None else failure
    used, size = report.max_memory_mb or 0, report.memory_mb or 0
    killed = exit is not None and _KILLED in exit.message
    ended = killed or report.error_type.startswith("Runtime.Exit")
    if report.error_type == MEMORY_TYPE or (ended and 0 < size <= used):
        return Result.OUT_OF_MEMORY, out_of_memory(used, size)
    if exit is not None:
        return Result.CRASHED, crashed(exit.error_type, exit.message)
    error = by_kind.get(PieceKind.ERROR)
    if error is None and report.status == ReportStatus.ERROR:
        error = by_kind.get(PieceKind.CAUSE)
    if error is not None:
        return Result.ERROR, Failure(error.error_type, error.message, error.culprit, _frames(error))
    if report.status != ReportStatus.ERROR:
        return Result.OK, None
    type = report.error_type or "Error"
    message = f"Lambda reports {type}."
    if type.startswith(_CRASHES):
        return Result.CRASHED, crashed(type, message)
    return Result.ERROR, Failure(type, message, None, ())


def _frames(piece: LogPiece) -> tuple[Frame, ...]:
    return tuple(Frame(path, where) for path, where in json.loads(piece.frames)) if piece.frames else ()


def _rank(piece: LogPiece) -> tuple[int, int, str, str]:
    """The latest of a kind counts: what the runtime says in the end."""
    return (piece.kind, -piece.time_ns, piece.error_type, piece.message)
