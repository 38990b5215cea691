"""What the platform says of an invocation, later than the invocation itself: billed time, memory, how it ended.

A report comes from the Telemetry API by way of the tracer, and may come from the function's log as well; either way it
is a `Report`, and what becomes of the invocation depends on the set of its reports, not on their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from collector.domain.facts import FAILED, Invocation, Report, ReportKind, ReportStatus, Result
from collector.domain.failures import CRASH_MESSAGE, CRASH_TYPE, MEMORY_TYPE, Failure, crashed, out_of_memory, timed_out
from collector.domain.prices import PriceTable
from collector.domain.values import text, whole

SCOPE = "clew.telemetry"
# An invocation started no earlier than its report's end less its duration, and no later than its end. A second more
# than the clocks of one machine differ; AWS waits a minute before it tries again under the same request id.
SLACK_NS = 1_000_000_000
_SOON_NS = 30_000_000_000  # from an environment's start to the invocation that it was started for
_MAX_MS = 86_400_000
_MAX_MEMORY_MB = 65_536
_KINDS = {
    "platform.report": ReportKind.INVOCATION,
    "platform.initReport": ReportKind.INIT,
    "platform.restoreReport": ReportKind.RESTORE,
}
_STATUSES = {"success": ReportStatus.SUCCESS, "timeout": ReportStatus.TIMEOUT}


class Verdict(NamedTuple):
    """The invocation as it counts, and what its issue is. `own`: the issue is that of its span."""

    row: Invocation
    failure: Failure | None
    own: bool


def read_report(
    event: Mapping[str, Any],
    *,
    time_ns: int,
    function: str = "",
    region: str = "",
    request_id: str = "",
    trace_id: bytes | None = None,
    span_id: int | None = None,
    started_ns: int | None = None,
) -> Report | None:
    """An event of the Telemetry API, or of a log in JSON, which has the same shape: `{"time", "type", "record"}`.

    `time_ns` is when it was received, for an event that does not say when it was made; the rest is what came beside
    it. None: the event is no report, or names no invocation.
    """
    kind = _KINDS.get(text(event.get("type"), 64))
    record = event.get("record")
    if kind is None or not isinstance(record, Mapping):
        return None
    request_id = text(record.get("requestId"), 128) or request_id
    if not request_id and (trace_id is None or span_id is None):
        return None
    metrics = record.get("metrics")
    if not isinstance(metrics, Mapping):
        metrics = {}
    status = text(record.get("status"), 32)
    time_ns = _time_ns(event.get("time")) or time_ns
    if request_id and kind is ReportKind.INVOCATION and (started_ns or 0) > time_ns + SLACK_NS:
        # Of an earlier attempt of the request, whose process died: the next one's took it for its own.
        trace_id = span_id = started_ns = None
    return Report(
        request_id=request_id,
        kind=kind,
        time_ns=time_ns,
        function=function,
        region=region,
        trace_id=trace_id,
        span_id=span_id,
        started_ns=started_ns,
        status=_STATUSES.get(status, ReportStatus.ERROR if status or record.get("errorType") else ReportStatus.SUCCESS),
        error_type=text(record.get("errorType"), 128),
        duration_ns=_nanoseconds(metrics.get("durationMs")),
        billed_ms=_bounded(metrics.get("billedDurationMs"), _MAX_MS),
        memory_mb=_bounded(metrics.get("memorySizeMB"), _MAX_MEMORY_MB) or None,
        max_memory_mb=_bounded(metrics.get("maxMemoryUsedMB"), _MAX_MEMORY_MB) or None,
        init_ns=_nanoseconds(metrics.get("initDurationMs")),
        restore_ns=_nanoseconds(metrics.get("restoreDurationMs")),
    )


def read_body(body: object) -> Mapping[str, Any] | None:
    """The event in a log record's body: JSON as text, or the same as a map."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return None
    return body if isinstance(body, dict) else None


def fits(report: Report, row: Invocation) -> bool:
    """Whether the report is of this invocation of its request: AWS tries again under the same request id."""
    if report.trace_id is not None and report.span_id is not None:
        return (report.trace_id, report.span_id) == (row.trace_id, row.span_id)
    if report.request_id != row.request_id:
        return False
    if report.kind != ReportKind.INVOCATION:
        return report.time_ns - SLACK_NS <= row.started_ns <= report.time_ns + _SOON_NS
    lasted_ns = max(report.duration_ns or 0, (report.billed_ms or 0) * 1_000_000)
    return report.time_ns - lasted_ns - SLACK_NS <= row.started_ns <= report.time_ns + SLACK_NS


def nearest(report: Report, rows: Iterable[Invocation]) -> Invocation | None:
    """Of several attempts that a report may be of, the one whose start its own figures give best."""
    began_ns = report.time_ns - (report.duration_ns or 0)
    return min(rows, key=lambda row: (abs(row.started_ns - began_ns), row.started_ns, row.span_id), default=None)


def judge(row: Invocation, reports: Sequence[Report], *, prices: PriceTable, region: str) -> Verdict:
    """The invocation with what all its reports say. `row` may hold what some of them said already."""
    own = sorted((report for report in reports if report.kind == ReportKind.INVOCATION), key=_rank, reverse=True)
    init = [report.duration_ns for report in sorted(reports, key=_rank) if report.kind == ReportKind.INIT]
    restore = [report.duration_ns for report in sorted(reports, key=_rank) if report.kind == ReportKind.RESTORE]
    init_ns = _first(report.init_ns for report in own) or (_first(init) if row.cold_start else None)
    row = row._replace(
        init_ns=row.init_ns if init_ns is None else init_ns,
        restore_ns=_first([*(report.restore_ns for report in own), *restore, row.restore_ns]),
    )
    if not own:
        return Verdict(row, None, own=True)
    memory_mb = _first([*(report.memory_mb for report in own), row.memory_mb])
    billed_ms = _first([*(report.billed_ms for report in own), row.billed_ms])
    used = [report.max_memory_mb or 0 for report in own]
    result, failure = _outcome(row, own, memory_mb)
    row = row._replace(
        result=result,
        memory_mb=memory_mb,
        max_memory_mb=max(row.max_memory_mb or 0, *used) or None,
        billed_ms=billed_ms,
        # Never None: this is also what tells that the invocation has been reported on.
        reported_ns=_first([*(report.duration_ns for report in own), row.duration_ns]),
        cost_pd=prices.cost(
            started_ns=row.started_ns,
            billed_ms=billed_ms,
            memory_mb=memory_mb,
            region=region,
            architecture=row.architecture,
            capacity=row.capacity,
            ephemeral_mb=row.ephemeral_mb,
            restored=row.restored,
        ),
    )
    return Verdict(row, failure, own=failure is None and result in FAILED)


def explain(row: Invocation, reports: Sequence[Report]) -> Failure | None:
    """Why an invocation failed, where its own span does not say."""
    if row.result == row.span_result or row.result not in FAILED:
        return None
    own = sorted((report for report in reports if report.kind == ReportKind.INVOCATION), key=_rank, reverse=True)
    return _outcome(row, own, row.memory_mb)[1] if own else crash(row, None).failure


def crash(row: Invocation, culprit: str | None) -> Verdict:
    """An invocation that ran when it was last heard of, and whose deadline has passed since."""
    return Verdict(row._replace(result=Result.CRASHED), crashed(CRASH_TYPE, CRASH_MESSAGE, culprit), own=False)


def _outcome(row: Invocation, own: Sequence[Report], memory_mb: int | None) -> tuple[Result, Failure | None]:
    """How it ended. What the handler itself was seen to fail with says more than any report."""
    said = Result(row.span_result)
    if row.finished and said in FAILED:
        return said, None
    worst = own[0]
    if worst.status == ReportStatus.SUCCESS:
        return (said if row.finished else Result.OK), None
    if worst.status == ReportStatus.TIMEOUT:
        return Result.TIMEOUT, timed_out(worst.duration_ns or (worst.billed_ms or 0) * 1_000_000)
    used_mb = max(report.max_memory_mb or 0 for report in own)
    type = next((report.error_type for report in own if report.error_type), CRASH_TYPE)
    # Older reports of an environment that ran out of memory say no more than that its process ended.
    if type == MEMORY_TYPE or (type == CRASH_TYPE and memory_mb and used_mb >= memory_mb):
        return Result.OUT_OF_MEMORY, out_of_memory(used_mb, memory_mb)
    if row.finished:
        message = f"Lambda ended the invocation with {type} after the handler had returned."
        return Result.ERROR, Failure(type, message, None, ())
    return Result.CRASHED, crashed(type, f"Lambda reports {type}: the process ended before the handler did.")


def _rank(report: Report) -> tuple[Any, ...]:
    """Of several reports on one invocation the worst counts first, then the latest: the same whatever came first."""
    figures = ((value is not None, value or 0) for value in report[10:])
    return (report.status, report.time_ns, *figures, report.error_type)


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _nanoseconds(milliseconds: object) -> int | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return round(milliseconds * 1_000_000) if 0 <= milliseconds <= _MAX_MS else None


def _bounded(value: object, most: int) -> int | None:
    found = whole(value) if isinstance(value, int | float) else None
    return found if found is not None and found <= most else None


def _time_ns(said: object) -> int | None:
    """From `2022-10-12T00:00:15.064Z`."""
    if not isinstance(said, str) or len(said) > 64:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1_000
