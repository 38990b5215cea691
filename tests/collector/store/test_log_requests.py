"""Invocations that logs tell of, with a tracer and without, in whatever order and pieces."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, and_, update

from collector.domain.facts import Facts, Result
from collector.domain.intake import read_logs
from collector.domain.log_invocations import log_trace
from collector.store import tables
from collector.store.engine import open_engine
from collector.store.queries.transaction import find_transaction, get_transaction
from tests.collector.domain.cloudwatch import PYTHON_ERROR, end, message, report, request, start
from tests.collector.domain.cloudwatch import facts as logs
from tests.collector.domain.otlp import (
    FUNCTION,
    MS,
    RECEIVED_MS,
    SECOND,
    call,
    exception,
    export,
    export_logs,
    invocation,
    log,
)
from tests.collector.store.lives import known, only, rows, stitch, store, sweep, traces
from tests.databases import create_sqlite

ID = request()


def failing(at: int = 0, id: str = ID) -> list[tuple[int, str]]:
    """All lines of an invocation that raises."""
    return [
        (at, start(id)),
        (at + 5, "converting\n"),
        (at + 2_999, PYTHON_ERROR),
        (at + 3_000, end(id)),
        (at + 3_001, report(id)),
    ]


def traced(number: int = 1, *, at: int = 0, error: str | None = None, id: str = "", lasted: int = 3_000) -> Facts:
    """The tracer's own word."""
    return traces(
        export(
            spans=[
                invocation(
                    id=number * 16,
                    trace=number,
                    start=at * MS,
                    duration=lasted * MS,
                    request=id or request(number),
                    error=error,
                    events=[exception("ValueError", error)] if error is not None else [],
                )
            ]
        )
    )


def test_an_untraced_function_has_invocations_cost_issues_and_lines(database: Engine) -> None:
    """All from its log. The cost is that of the billed time, to the picodollar."""
    store(database, logs(message(*failing())))
    stitch(database)

    assert only(database, "request_id", "result", "finished", "billed_ms", "memory_mb", "max_memory_mb") == (
        (ID, Result.ERROR, True, 3_002, 512, 91)
    )
    assert only(database, "cost_pd", "reported_ns", "duration_ns") == (25_216_717, 3_001_500_000, 3_001_500_000)
    assert rows(database, tables.function_stats, "invocations", "errors", "cost_pd") == [(1, 1, 25_216_717)] * 2
    assert only(database, "kind", "account", "region", "name", "memory_mb", table=tables.functions) == (
        ("lambda", "123456789012", "eu-west-1", FUNCTION, 512)
    )
    assert only(database, "type", "message", "culprit", table=tables.issues) == (
        ("ValueError", "no such file: a.mp3", "app.py in convert")
    )
    assert rows(database, tables.issue_stats, "occurrences", "cost_pd") == [(1, 25_216_717)] * 2
    assert only(database, "result", "invocations", "cost_pd", table=tables.transactions) == (
        Result.ERROR,
        1,
        25_216_717,
    )
    with database.connect() as connection:
        page = get_transaction(connection, log_trace(FUNCTION, ID))
    assert page is not None
    assert [line.message for line in page.logs] == ["converting", PYTHON_ERROR.rstrip("\n")]
    assert {line.invocation for line in page.logs} == {page.invocations[0].key}
    (span,) = page.spans
    assert (span.kind, span.name, span.failed, span.error_message) == (
        "invocation",
        FUNCTION,
        True,
        "no such file: a.mp3",
    )
    failure = page.invocations[0].failure
    assert failure is not None
    assert (failure.type, failure.message) == ("ValueError", "no such file: a.mp3")


@pytest.mark.parametrize(
    ("lines", "result", "type"),
    [
        ([(3_001, report(ID))], Result.OK, None),
        ([(3_001, report(ID, more="Status: timeout\t"))], Result.TIMEOUT, "Timeout"),
        (
            [
                (3_001, report(ID)),
                (3_002, f"2026-05-28T20:26:43.010Z {ID} Task timed out after 3.00 seconds\n\n"),
            ],
            Result.TIMEOUT,
            "Timeout",
        ),
        (
            [(3_001, report(ID, used=512, more="Status: error\tError Type: Runtime.OutOfMemory\t"))],
            Result.OUT_OF_MEMORY,
            "Runtime.OutOfMemory",
        ),
        (
            [
                (3_000, f"RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n"),
                (3_001, report(ID, used=512)),
            ],
            Result.OUT_OF_MEMORY,
            "Runtime.OutOfMemory",
        ),
        (
            [
                (3_000, f"RequestId: {ID} Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n"),
                (3_001, report(ID)),
            ],
            Result.CRASHED,
            "Runtime.ExitError",
        ),
        ([(3_001, report(ID, more="Status: error\tError Type: Runtime.Unknown\t"))], Result.ERROR, "Runtime.Unknown"),
    ],
)
def test_how_it_ended(database: Engine, lines: list[tuple[int, str]], result: Result, type: str | None) -> None:
    """As the report says it or, in older ones that do not, the platform's line beside it."""
    store(database, logs(message(*lines)))

    assert only(database, "result") == (result,)
    assert rows(database, tables.issues, "type") == ([(type,)] if type else [])


def test_what_node_prints_in_json_is_an_error_only_where_the_report_says_so(database: Engine) -> None:
    """Its runtime and `console.error` write the same line."""
    metrics = {"durationMs": 10, "billedDurationMs": 10, "memorySizeMB": 512, "maxMemoryUsedMB": 91}
    for number, status in ((1, "success"), (2, "error")):
        said = {"errorType": "TypeError", "errorMessage": f"boom {number}", "stackTrace": []}
        line = {"level": "ERROR", "requestId": request(number), "message": said}
        ended = {"requestId": request(number), "status": status, "metrics": metrics}
        event = {"time": "2026-05-28T20:26:41.010Z", "type": "platform.report", "record": ended}
        store(database, logs(message((5, json.dumps(line)), (10, json.dumps(event)))))

    assert rows(database, tables.invocations, "request_id", "result") == [
        (request(1), Result.OK),
        (request(2), Result.ERROR),
    ]
    assert only(database, "type", "message", table=tables.issues) == ("TypeError", "boom 2")


def test_a_cold_start_is_read_and_billed_once(database: Engine) -> None:
    """Billed Duration holds the INIT already."""
    line = report(ID, lasted=4.42, billed=338, more="Init Duration: 333.05 ms\t")
    runtime = "INIT_START Runtime Version: python:3.13.v12\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:ab\n"
    store(database, logs(message((0, runtime), (340, start(ID)), (345, line))))

    assert only(database, "cold_start", "init_ns", "billed_ms", "duration_ns") == (True, 333_050_000, 338, 4_420_000)
    assert only(database, "runtime", table=tables.functions) == ("python3.13",)


def test_a_traced_invocation_takes_the_place_of_what_its_log_told(database: Engine) -> None:
    """Billed time and memory stay the platform's; nothing is counted twice, nothing of the stand-in is left."""
    store(database, logs(message(*failing())))
    stitch(database)
    store(database, traced(error="no such file: a.mp3"))
    stitch(database)

    assert only(database, "span_id", "billed_ms", "max_memory_mb", "result") == (16, 3_002, 91, Result.ERROR)
    assert rows(database, tables.function_stats, "invocations", "errors", "cost_pd") == [(1, 1, 25_216_717)] * 2
    assert len(rows(database, tables.issue_occurrences, "issue_id")) == 1
    assert rows(database, tables.issue_stats, "occurrences")[-2:] == [(1,), (1,)]
    assert len(rows(database, tables.transactions, "id")) == 1
    with database.connect() as connection:
        assert get_transaction(connection, log_trace(FUNCTION, ID)) is None


def test_the_tracers_lines_are_shown_and_not_those_of_the_log_as_well(database: Engine) -> None:
    """They are the same. Of an invocation whose tracer exports none, the log's are shown."""
    second = request(2)
    lines = [*failing(), (9_000, start(second)), (9_005, "again\n"), (9_010, report(second, lasted=10.0))]
    store(database, logs(message(*lines)), traced(error="no"), traced(2, at=9_000, lasted=9))
    own = export_logs(log("converting, the tracer says", trace=1, span=16, at=5 * MS))
    store(database, read_logs(own, received_ms=RECEIVED_MS).facts)
    stitch(database)

    shown = []
    with database.connect() as connection:
        for number in (1, 2):
            found = find_transaction(connection, number.to_bytes(16, "big"))
            assert found is not None
            page = get_transaction(connection, found)
            assert page is not None
            shown.append([line.message for line in page.logs])
            assert page.logs_total == len(page.logs)
    assert shown == [["converting, the tracer says"], ["again"]]


def test_each_attempt_is_an_invocation_of_one_transaction(database: Engine) -> None:
    """AWS keeps the request id when it tries again; the tracer told of the second only."""
    minute = 60_000
    store(database, logs(message(*failing())), logs(message(*failing(minute))))
    stitch(database)
    assert len(rows(database, tables.invocations, "span_id")) == 2
    assert only(database, "invocations", "failed_invocations", table=tables.transactions) == (2, 2)

    store(database, traced(at=minute, error="no such file: a.mp3"))
    stitch(database)

    spans = {row[0] for row in rows(database, tables.invocations, "span_id")}
    assert (len(spans), 16 in spans) == (2, True)
    assert rows(database, tables.transactions, "invocations") == [(2,)]


def test_a_caller_that_is_traced_is_joined_to_one_that_is_not(database: Engine) -> None:
    """By the request id that its call of Lambda left; and still when that turns out to be traced."""
    caller = traces(
        export(
            spans=[
                invocation("caller", id=900, trace=9, start=-100 * MS, duration=4_000 * MS, request=request(9)),
                call(
                    "Lambda.Invoke", id=901, trace=9, parent=900, name=FUNCTION, start=-50 * MS, keys=[f"lambda:{ID}"]
                ),
            ],
        )
    )
    store(database, logs(message(*failing())))
    stitch(database)
    store(database, caller)
    stitch(database)
    assert only(database, "invocations", "failed_invocations", table=tables.transactions) == (2, 1)

    store(database, traced(error="no such file: a.mp3"))
    stitch(database)

    assert only(database, "invocations", "failed_invocations", table=tables.transactions) == (2, 1)
    assert len(rows(database, tables.links, "consumer_trace_id")) == 1


def test_a_log_that_comes_without_its_region_is_that_of_the_same_function(database: Engine) -> None:
    """A forwarder may not say it. The invocation is one, and has a price as soon as the region is known."""
    store(database, logs(message(*failing()), region=""))
    assert only(database, "cost_pd", "result") == (None, Result.ERROR)

    store(database, logs(message(*failing())))

    assert only(database, "cost_pd", "result") == (25_216_717, Result.ERROR)
    assert rows(database, tables.issue_stats, "occurrences")[-2:] == [(1,), (1,)]


def test_what_two_collectors_stored_at_once_is_joined_by_the_sweep(database: Engine, dialect: str) -> None:
    """Each committed without having seen the other's."""
    if dialect == "sqlite":
        pytest.skip("one process at a time writes SQLite")
    store(database, logs(message(*failing())))
    _rename(database, ID, "not committed yet")
    store(database, traced(error="no such file: a.mp3"))
    _rename(database, "not committed yet", ID, besides=16)
    assert len(rows(database, tables.invocations, "span_id")) == 2

    sweep(database, RECEIVED_MS * MS + SECOND)

    assert only(database, "span_id", "billed_ms") == (16, 3_002)
    assert rows(database, tables.function_stats, "invocations", "errors", "cost_pd") == [(1, 1, 25_216_717)] * 2


def _rename(database: Engine, old: str, new: str, besides: int = 0) -> None:
    with database.begin() as connection:
        connection.execute(
            update(tables.log_pieces).where(tables.log_pieces.c.request_id == old).values(request_id=new)
        )
        stand_in = and_(tables.invocations.c.request_id == old, tables.invocations.c.span_id != besides)
        connection.execute(update(tables.invocations).where(stand_in).values(request_id=new))


def _pieces(with_tracer: bool) -> list[Facts]:
    """Two attempts of one request and another request, line by line, and what the tracer says of some of them."""
    other, stream = request(2), "2026/05/28/[$LATEST]ffffffffffffffffffffffffffffffff"
    timed_out = f"2026-05-28T20:26:50.010Z {other} Task timed out after 3.00 seconds\n\n"
    first, second = failing(), failing(60_000)
    parts = [
        logs(message(*first[:2])),
        logs(message(first[4])),
        logs(message(*first[2:4])),
        logs(message(*second[:3], second[4])),
        logs(message((9_000, start(other)), stream=stream)),
        logs(message((12_001, report(other)), stream=stream)),
        logs(message((12_002, timed_out), stream=stream)),
    ]
    if with_tracer:
        unfinished = {"clew.unfinished": True, "clew.lambda.deadline": 0}
        running = invocation(id=16, trace=1, duration=500 * MS, request=ID, attrs=unfinished)
        parts += [
            traces(export(spans=[running])),
            traced(error="no such file: a.mp3"),
            traced(2, at=9_000, lasted=2_999),
        ]
    return parts


def _story(parts: list[Facts], choices: random.Random, database: Engine) -> dict[str, Any]:
    """Stores the parts in some order and grouping, some of them twice."""
    parts = parts + [choices.choice(parts) for _ in range(choices.randrange(3) if parts else 0)]
    choices.shuffle(parts)
    while parts:
        count = choices.randint(1, len(parts))
        group, parts = parts[:count], parts[count:]
        store(database, *group)
        if choices.random() < 0.3:
            stitch(database)
    stitch(database)
    stitch(database)
    return known(database)


@pytest.mark.parametrize("with_tracer", [False, True])
def test_neither_order_nor_grouping_nor_repetition_matters(tmp_path: Path, with_tracer: bool) -> None:
    """One invocation for each attempt in the end, whatever came first."""
    engine = open_engine(create_sqlite(tmp_path / "truth.db"))
    for part in _pieces(with_tracer):
        store(engine, part)
    stitch(engine)
    expected = _story([], random.Random(0), engine)
    engine.dispose()
    results = sorted(row[7] for row in expected["invocations"])
    assert results == [Result.ERROR, Result.ERROR, Result.TIMEOUT]

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.randoms(use_true_random=False))
    def run(choices: random.Random) -> None:
        engine = open_engine(create_sqlite(tmp_path / "shuffled.db"))
        try:
            assert _story(_pieces(with_tracer), choices, engine) == expected
        finally:
            engine.dispose()
            for path in tmp_path.glob("shuffled.db*"):
                path.unlink()

    run()


@pytest.mark.parametrize("seed", range(4))
def test_order_does_not_matter_on_either_database(database: Engine, tmp_path: Path, seed: int) -> None:
    """The same, on PostgreSQL too."""
    engine = open_engine(create_sqlite(tmp_path / "truth.db"))
    expected = _story(_pieces(with_tracer=True), random.Random(0), engine)
    engine.dispose()

    assert _story(_pieces(with_tracer=True), random.Random(seed), database) == expected
