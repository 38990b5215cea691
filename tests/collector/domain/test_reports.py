from __future__ import annotations

import json
from typing import Any

import pytest

from collector.domain.facts import Facts, Invocation, Report, ReportKind, ReportStatus, Result
from collector.domain.intake import read_logs
from collector.domain.prices import default_prices
from collector.domain.reports import Verdict, explain, fits, judge, read_body, read_report
from tests.collector.domain.otlp import (
    FUNCTION,
    MS,
    RECEIVED_MS,
    REGION,
    SECOND,
    START_NS,
    export_logs,
    log,
    span_bytes,
    trace_bytes,
)
from tests.collector.store.facts import invocation

REQUEST = "request-1"
METRICS = {
    "durationMs": 101.25,
    "billedDurationMs": 415,
    "memorySizeMB": 512,
    "maxMemoryUsedMB": 91,
    "initDurationMs": 312.5,
}


def event(kind: str = "platform.report", *, metrics: object = None, **record: object) -> dict[str, Any]:
    said = {"requestId": REQUEST, "status": "success", "metrics": METRICS if metrics is None else metrics} | record
    return {"time": "2026-05-28T20:26:40.500Z", "type": kind, "record": said}


def report(
    status: ReportStatus = ReportStatus.SUCCESS, *, kind: ReportKind = ReportKind.INVOCATION, **more: Any
) -> Report:
    made = Report(REQUEST, kind, START_NS, status, "", "", None, None, None, "", 101 * MS, 415, 512, 91, 312 * MS, None)
    return made._replace(**more)


def judged(row: Invocation, *reports: Report) -> Verdict:
    return judge(row, reports, prices=default_prices(), region=REGION)


def test_a_report_of_the_telemetry_api() -> None:
    """Every figure, in the units of the tables."""
    found = read_report(event(), time_ns=1, function="f", region="r")
    assert found == Report(
        request_id=REQUEST,
        kind=ReportKind.INVOCATION,
        time_ns=START_NS + 500 * MS,
        function="f",
        region="r",
        trace_id=None,
        span_id=None,
        started_ns=None,
        status=ReportStatus.SUCCESS,
        error_type="",
        duration_ns=101_250_000,
        billed_ms=415,
        memory_mb=512,
        max_memory_mb=91,
        init_ns=312_500_000,
        restore_ns=None,
    )


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("success", ReportStatus.SUCCESS),
        ("timeout", ReportStatus.TIMEOUT),
        ("error", ReportStatus.ERROR),
        ("failure", ReportStatus.ERROR),
        ("", ReportStatus.SUCCESS),
        (None, ReportStatus.SUCCESS),
    ],
)
def test_how_it_ended(said: object, status: ReportStatus) -> None:
    found = read_report(event(status=said), time_ns=1)
    assert found is not None
    assert found.status == status


def test_an_init_report_says_nothing_but_how_long() -> None:
    found = read_report(event("platform.initReport", metrics={"durationMs": 812.5}, status="error"), time_ns=1)
    assert found is not None
    assert (found.kind, found.duration_ns, found.billed_ms) == (ReportKind.INIT, 812_500_000, None)


@pytest.mark.parametrize(
    "said",
    [
        {},
        event("platform.start"),
        event(requestId=""),
        event(requestId=["x"]),
        event() | {"record": "a string, as older schemas have it"},
        event() | {"type": 7},
    ],
    ids=range(6),
)
def test_what_is_no_report(said: dict[str, Any]) -> None:
    assert read_report(said, time_ns=1) is None


def test_figures_that_cannot_be_count_as_unknown() -> None:
    """Negative, boolean, text, endless and beyond all limits: none of them reaches a table."""
    for value in (-1, True, "7", 1e300, float("nan"), float("inf"), 2**70, None, [1]):
        found = read_report(event(metrics=dict.fromkeys(METRICS, value)), time_ns=1)
        assert found is not None
        assert found[10:] == (None,) * 6


@pytest.mark.parametrize("said", [None, 7, "yesterday", "2026-05-28", "9" * 1000, "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_is_when_it_came(said: object) -> None:
    found = read_report(event() | {"time": said}, time_ns=77)
    assert found is not None
    assert isinstance(found.time_ns, int)


def test_a_body_is_json_or_a_map() -> None:
    assert read_body(json.dumps(event())) == event() == read_body(event())
    for body in ("", "{", "[1]", "1" * 10_000, "[" * 100_000, None, 5, b"{}"):
        assert read_body(body) is None


def read(*records: Any, scope: str = "clew.telemetry") -> tuple[Facts, int, str]:
    found = read_logs(export_logs(*records, logger=scope), received_ms=RECEIVED_MS)
    return found.facts, found.rejected, found.reason


def test_reports_are_no_lines() -> None:
    """They add no trace; what names the invocation comes beside them."""
    record = log(
        json.dumps(event()),
        trace=7,
        span=8,
        attrs={"faas.invocation_id": REQUEST, "clew.invocation.start": START_NS + 5},
    )
    facts, rejected, _ = read(record)
    (found,) = facts.reports
    assert (facts.traces, rejected, facts.export.items) == (set(), 0, 1)
    assert found[2:9] == (
        START_NS + 500 * MS,
        ReportStatus.SUCCESS,
        FUNCTION,
        REGION,
        trace_bytes(7),
        int.from_bytes(span_bytes(8)),
        START_NS + 5,
    )


def test_a_report_made_before_its_span_began_is_of_an_earlier_attempt() -> None:
    """The process that ran it died, and the next one took the report for that of its own invocation."""
    record = log(
        json.dumps(event()),
        trace=7,
        span=8,
        attrs={"faas.invocation_id": REQUEST, "clew.invocation.start": START_NS + 60 * SECOND},
    )
    (found,) = read(record)[0].reports
    assert (found.request_id, found.trace_id, found.span_id, found.started_ns) == (REQUEST, None, None, None)


def test_a_report_needs_no_trace() -> None:
    facts, rejected, _ = read(log(json.dumps(event()), trace=b""))
    assert ([found.request_id for found in facts.reports], rejected) == ([REQUEST], 0)


def test_the_same_record_of_another_scope_is_a_line() -> None:
    facts, _, _ = read(log(json.dumps(event()), trace=7), scope="root")
    assert (facts.reports, facts.traces) == ([], {trace_bytes(7)})


def test_what_cannot_be_joined_is_refused_with_the_reason() -> None:
    """And the rest is taken."""
    good = log(json.dumps(event()), trace=b"")
    facts, rejected, reason = read(good, log("?", trace=7), log(json.dumps(event(requestId="")), trace=b""))
    assert (len(facts.reports), rejected, facts.export.items) == (1, 2, 1)
    assert reason.startswith("2 log record(s) refused: a platform's report needs")
    ancient = event() | {"time": "1999-01-01T00:00:00Z"}
    assert read(log(json.dumps(ancient)))[1] == 1


def test_attempts_of_one_request_are_told_apart_by_time() -> None:
    """AWS tries again under the same id, a minute later."""
    first, second = invocation(1, start_ms=0), invocation(1, span=2, start_ms=60_100)
    began = first.started_ns - 3 * MS
    of_first = report(time_ns=began + 101 * MS, duration_ns=101 * MS)
    of_second = report(time_ns=began + 60_205 * MS, duration_ns=101 * MS)
    assert [fits(found, row) for found in (of_first, of_second) for row in (first, second)] == [
        True,
        False,
        False,
        True,
    ]
    assert not fits(of_first._replace(request_id="another"), first)


def test_an_environment_starts_shortly_before_its_invocation() -> None:
    """One that was made ready long before is only known by the span."""
    row = invocation(1)
    of_init = report(kind=ReportKind.INIT, time_ns=row.started_ns - 400 * MS)
    assert fits(of_init, row)
    assert not fits(of_init._replace(time_ns=row.started_ns - 3_600 * SECOND), row)
    assert not fits(of_init._replace(time_ns=row.started_ns + 60 * SECOND), row)


def test_a_named_span_is_all_that_counts() -> None:
    row = invocation(1)
    named = report(trace_id=row.trace_id, span_id=row.span_id, time_ns=1, request_id="another")
    assert fits(named, row)
    assert not fits(named._replace(span_id=99), row)


def test_the_bill_is_what_counts() -> None:
    """Cost to the picodollar from the billed milliseconds, INIT not added again."""
    row, failure, _ = judged(invocation(1)._replace(architecture="arm64", memory_mb=128, started_ns=START_NS), report())
    assert (row.billed_ms, row.memory_mb, row.max_memory_mb, row.init_ns) == (415, 512, 91, 312 * MS)
    assert row.cost_pd == 2_966_680  # 0.5 GB * 0.415 s * 0.0000133334 + 0.0000002
    assert (row.result, row.reported_ns, row.duration_ns, failure) == (Result.OK, 101 * MS, 10 * MS, None)


@pytest.mark.parametrize(
    ("said", "finished", "status", "more", "result", "type"),
    [
        (Result.RUNNING, False, ReportStatus.SUCCESS, {}, Result.OK, None),
        (Result.TIMEOUT, False, ReportStatus.SUCCESS, {}, Result.OK, None),
        (Result.RUNNING, False, ReportStatus.TIMEOUT, {}, Result.TIMEOUT, "Timeout"),
        (Result.RUNNING, False, ReportStatus.ERROR, {}, Result.CRASHED, "Runtime.ExitError"),
        (
            Result.TIMEOUT,
            False,
            ReportStatus.ERROR,
            {"error_type": "Runtime.OutOfMemory"},
            Result.OUT_OF_MEMORY,
            "Runtime.OutOfMemory",
        ),
        (
            Result.RUNNING,
            False,
            ReportStatus.ERROR,
            {"max_memory_mb": 512},
            Result.OUT_OF_MEMORY,
            "Runtime.OutOfMemory",
        ),
        (Result.OK, True, ReportStatus.SUCCESS, {}, Result.OK, None),
        (Result.HANDLED, True, ReportStatus.SUCCESS, {}, Result.HANDLED, None),
        (Result.HANDLED, True, ReportStatus.TIMEOUT, {}, Result.TIMEOUT, "Timeout"),
        (Result.OK, True, ReportStatus.TIMEOUT, {}, Result.TIMEOUT, "Timeout"),
        (
            Result.OK,
            True,
            ReportStatus.ERROR,
            {"error_type": "Function.ResponseSizeTooLarge"},
            Result.ERROR,
            "Function.ResponseSizeTooLarge",
        ),
        (Result.ERROR, True, ReportStatus.ERROR, {}, Result.ERROR, None),
        (Result.ERROR, True, ReportStatus.SUCCESS, {}, Result.ERROR, None),
        (Result.INIT_FAILED, True, ReportStatus.ERROR, {}, Result.INIT_FAILED, None),
    ],
)
def test_the_outcome(
    *, said: Result, finished: bool, status: ReportStatus, more: dict[str, Any], result: Result, type: str | None
) -> None:
    """What the handler was seen to end with stands; where its end was not seen, the platform's word does."""
    given = invocation(1, result=said, finished=finished)
    row, failure, own = judged(given, report(status, **more))
    assert (row.result, failure and failure.type) == (result, type)
    assert own == (type is None and result in (Result.ERROR, Result.INIT_FAILED))
    assert explain(row, [report(status, **more)]) == failure


def test_an_init_report_alone_changes_no_outcome() -> None:
    running = invocation(1, result=Result.RUNNING, finished=False)._replace(cold_start=True)
    row, failure, own = judged(running, report(kind=ReportKind.INIT, duration_ns=700 * MS))
    assert (row.result, row.init_ns, row.reported_ns, failure, own) == (Result.RUNNING, 700 * MS, None, None, True)


def test_a_restore_is_known_from_either_report() -> None:
    assert judged(invocation(1), report(restore_ns=398 * MS)).row.restore_ns == 398 * MS
    assert judged(invocation(1), report(kind=ReportKind.RESTORE, duration_ns=182 * MS)).row.restore_ns == 182 * MS


def test_of_several_reports_neither_order_nor_number_matters() -> None:
    """The worst counts; applying one after the other ends where all at once do."""
    row = invocation(1, result=Result.RUNNING, finished=False)
    reports = [
        report(time_ns=START_NS + SECOND, max_memory_mb=None),
        report(ReportStatus.ERROR, max_memory_mb=100),
        report(ReportStatus.TIMEOUT, billed_ms=None),
        report(kind=ReportKind.INIT, duration_ns=5),
    ]
    expected = judged(row, *reports)
    assert expected.row.result == Result.TIMEOUT
    assert judged(row, *reports[::-1]) == judged(row, *reports, *reports) == expected
    step = row
    for index in range(len(reports)):
        step = judged(step, *reports[: index + 1]).row
    assert step == expected.row


def test_silence_is_explained_too() -> None:
    crashed = invocation(1, result=Result.RUNNING, finished=False)._replace(result=Result.CRASHED)
    failure = explain(crashed, [])
    assert failure is not None
    assert failure.type == "Runtime.ExitError"
    assert explain(invocation(1), []) is None


def test_memory_that_ran_out_is_told_without_a_size_that_nobody_knows() -> None:
    running = invocation(1, result=Result.RUNNING, finished=False)._replace(memory_mb=None)
    verdict = judged(running, report(ReportStatus.ERROR, error_type="Runtime.OutOfMemory", memory_mb=None))
    assert verdict.failure is not None
    assert verdict.failure.message == "Out of memory: 91 MB were in use when the process was ended."
