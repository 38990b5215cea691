"""What is known of an invocation comes in pieces, in any order: checkpoints, its end, reports, silence."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, delete, select
from sqlalchemy.exc import OperationalError

from collector.domain.facts import Facts, Result
from collector.domain.intake import read_logs, read_traces
from collector.store import tables
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.errors import StoreError
from collector.store.stitcher import Stitcher
from collector.store.sweep import Sweeper
from tests.collector.domain.otlp import (
    MS,
    RECEIVED_MS,
    SECOND,
    START_NS,
    call,
    exception,
    export,
    export_logs,
    invocation,
    log,
)
from tests.databases import create_sqlite

LATER_NS = START_NS + 3_600 * SECOND
BUCKET = "uploads"


def traces(body: bytes) -> Facts:
    return read_traces(body, received_ms=RECEIVED_MS).facts


def end(number: int = 1, *, at: int = 0, request: str = "", lasted: int = 3_000, error: str | None = None) -> Facts:
    """The whole of an invocation, which called S3 twice."""
    return traces(
        export(
            spans=[
                invocation(
                    id=number * 16,
                    trace=number,
                    start=at,
                    duration=lasted * MS,
                    request=request or f"request-{number}",
                    attrs={"clew.tag.number": number, "clew.tag.version": "end"},
                    error=error,
                    events=[exception("ValueError", error)] if error is not None else [],
                ),
                call("S3.GetObject", id=number * 16 + 1, trace=number, parent=number * 16, name=BUCKET, start=at + MS),
                call(
                    "S3.PutObject",
                    id=number * 16 + 2,
                    trace=number,
                    parent=number * 16,
                    name=BUCKET,
                    start=at + 100 * MS,
                    duration=2_000 * MS,
                ),
            ]
        )
    )


def checkpoint(number: int = 1, *, at: int = 0, request: str = "", after: int = 500, timeout: bool = False) -> Facts:
    """The same invocation while its second call is open; `timeout`: shortly before its deadline."""
    attrs: dict[str, object] = {"clew.unfinished": True, "clew.lambda.deadline": START_NS + at + 3 * SECOND}
    attrs["clew.tag.number"] = number
    if timeout:
        attrs["error.type"] = "Sandbox.Timedout"
    return traces(
        export(
            spans=[
                invocation(
                    id=number * 16,
                    trace=number,
                    start=at,
                    duration=after * MS,
                    request=request or f"request-{number}",
                    attrs=attrs,
                    error="Task timed out after 3.00 seconds" if timeout else None,
                ),
                call("S3.GetObject", id=number * 16 + 1, trace=number, parent=number * 16, name=BUCKET, start=at + MS),
                call(
                    "S3.PutObject",
                    id=number * 16 + 2,
                    trace=number,
                    parent=number * 16,
                    name=BUCKET,
                    start=at + 100 * MS,
                    duration=(after - 100) * MS,
                    attrs={"clew.unfinished": True},
                ),
            ]
        )
    )


def report(
    number: int = 1,
    *,
    at: int = 0,
    request: str = "",
    kind: str = "platform.report",
    status: str = "success",
    named: bool = False,
    lasted: float = 3_001.5,
    error_type: str | None = None,
    used: int = 91,
) -> Facts:
    """What the platform says; `named`: with the span, not only the request."""
    ended = (START_NS + at) / 1e9 + (lasted / 1e3 if kind == "platform.report" else -0.005)
    time = f"2026-05-28T20:{26 + int(ended - START_NS / 1e9 + 40) // 60}:{(ended - START_NS / 1e9 + 40) % 60:06.3f}Z"
    record: dict[str, Any] = {"requestId": request or f"request-{number}", "status": status}
    if error_type is not None:
        record["errorType"] = error_type
    record["metrics"] = {"durationMs": lasted}
    if kind == "platform.report":
        record["metrics"] |= {"billedDurationMs": int(lasted) + 1, "memorySizeMB": 512, "maxMemoryUsedMB": used}
    body = json.dumps({"time": time, "type": kind, "record": record})
    attrs = {"faas.invocation_id": record["requestId"]} | ({"clew.invocation.start": START_NS + at} if named else {})
    line = log(body, trace=number if named else b"", span=number * 16 if named else b"", attrs=attrs, at=at)
    return read_logs(export_logs(line, logger="clew.telemetry"), received_ms=RECEIVED_MS).facts


def store(database: Engine, *group: Facts) -> None:
    with database.begin() as connection:
        write_facts(connection, group, Seen())


def sweep(database: Engine, now_ns: int = LATER_NS) -> None:
    sweeper = Sweeper(database, now=lambda: now_ns)
    while sweeper.run_pass():
        pass


def stitch(database: Engine) -> None:
    while Stitcher(database).run_pass() is not None:
        pass


def rows(database: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return sorted(
            (tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)))), key=repr
        )


def only(database: Engine, *columns: str, table: Table = tables.invocations) -> tuple[Any, ...]:
    (row,) = rows(database, table, *columns)
    return row


def known(database: Engine) -> dict[str, Any]:
    """All that pages read, without what is worth nothing: sums of zero, and issues that nothing is an occurrence of."""
    occurred = {row[0] for row in rows(database, tables.issue_occurrences, "issue_id")}
    found: dict[str, Any] = {
        table.name: rows(database, table, *table.columns.keys())
        for table in (tables.invocations, tables.calls, tables.invocation_tags, tables.issue_occurrences)
    }
    found["issues"] = [row for row in rows(database, tables.issues, "id", "type", "kind") if row[0] in occurred]
    for table in (tables.function_stats, tables.edge_stats, tables.issue_stats):
        key = [column.name for column in table.primary_key.columns]
        sums = [column.name for column in table.columns if column.name not in key]
        found[table.name] = [row for row in rows(database, table, *key, *sums) if any(row[len(key) :])]
    for table in (tables.function_durations, tables.edge_durations):
        found[table.name] = [row for row in rows(database, table, *table.columns.keys()) if row[-1]]
    found["transactions"] = rows(database, tables.transactions, *tables.transactions.c.keys())
    return found


def test_a_report_corrects_the_invocation(database: Engine) -> None:
    """Bill, memory and cost are the platform's from now on, in the sums too; what was estimated is taken back."""
    store(database, end())
    estimated = only(database, "reported_ns", "billed_ms", "max_memory_mb", "cost_pd")
    assert estimated[:3] == (None, 3_000, 78)

    store(database, report())
    stitch(database)

    assert only(database, "reported_ns", "billed_ms", "max_memory_mb", "duration_ns") == (
        3_001_500_000,
        3_002,
        91,
        3_000 * MS,
    )
    (cost_pd,) = only(database, "cost_pd")
    assert cost_pd == 25_216_717  # 0.5 GB * 3.002 s * 0.0000166667 + 0.0000002
    assert (
        rows(database, tables.function_stats, "invocations", "errors", "cost_pd", "max_memory_mb")
        == [(1, 0, cost_pd, 91)] * 2
    )
    assert only(database, "cost_pd", table=tables.transactions) == (cost_pd,)


@pytest.mark.parametrize("named", [True, False])
def test_a_report_may_come_first(database: Engine, named: bool) -> None:
    """It waits, and is joined in the commit that brings the invocation."""
    store(database, report(named=named))
    assert only(database, "request_id", table=tables.waiting_reports) == ("request-1",)

    store(database, end())

    assert only(database, "billed_ms", "result") == (3_002, Result.OK)
    assert rows(database, tables.waiting_reports, "request_id") == []
    assert [row[0] for row in rows(database, tables.function_stats, "invocations")] == [1, 1]


def test_a_report_of_an_invocation_that_never_comes_waits(database: Engine) -> None:
    """Through sweeps, however many; and changes nothing of another's."""
    store(database, end(2), report(1))
    sweep(database)

    assert only(database, "request_id", table=tables.waiting_reports) == ("request-1",)
    assert only(database, "reported_ns") == (None,)


def test_a_report_of_another_function_waits(database: Engine) -> None:
    """Request ids of two emulators may be the same; names are not."""
    store(database, end())
    foreign = report()
    foreign.reports = [foreign.reports[0]._replace(function="another")]
    store(database, foreign)

    assert only(database, "reported_ns") == (None,)


def test_each_attempt_has_its_own_report(database: Engine) -> None:
    """AWS keeps the request id when it tries again. The second's report does not wait for the first's."""
    minute = 60 * SECOND
    store(database, end(1, request="same"), report(1, request="same", status="timeout"))
    store(database, report(1, request="same", at=minute, lasted=2_000.0))
    store(database, end(2, request="same", at=minute, lasted=2_000))

    assert rows(database, tables.invocations, "billed_ms", "result") == [(2_001, Result.OK), (3_002, Result.TIMEOUT)]


def test_what_two_collectors_stored_at_once_is_joined_by_the_sweep(database: Engine) -> None:
    """Neither saw the other's: as if the invocation had been committed between look and write."""
    store(database, report())
    with database.begin() as connection:
        waiting = connection.execute(select(tables.waiting_reports)).all()
        connection.execute(delete(tables.waiting_reports))
    store(database, end())
    with database.begin() as connection:
        connection.execute(tables.waiting_reports.insert(), [row._asdict() for row in waiting])

    sweep(database, RECEIVED_MS * MS + SECOND)

    assert only(database, "billed_ms") == (3_002,)
    assert rows(database, tables.waiting_reports, "request_id") == []


def test_a_running_invocation_is_counted_nowhere(database: Engine) -> None:
    """Its transaction is there, and says that it runs."""
    store(database, checkpoint())
    stitch(database)

    assert only(database, "result", "services", "calls") == (Result.RUNNING, "s3 2", 2)
    assert rows(database, tables.function_stats, "invocations") == []
    assert rows(database, tables.edge_stats, "calls") == [(1,), (1,)]  # the call that ended
    assert only(database, "result", "running_invocations", "failed_invocations", table=tables.transactions) == (
        Result.RUNNING,
        1,
        0,
    )


def test_a_later_checkpoint_takes_the_place_of_an_earlier(database: Engine) -> None:
    """However they arrive; and the end that of both, with what it says of calls and tags."""
    for group in ((500, 1_000), (1_000, 500)):
        for after in group:
            store(database, checkpoint(after=after))
        assert only(database, "duration_ns", "calls") == (1_000 * MS, 2)
    store(database, end())
    store(database, checkpoint(after=1_500))

    assert only(database, "duration_ns", "finished", "result", "services", "calls") == (
        3_000 * MS,
        True,
        Result.OK,
        "s3 2",
        2,
    )
    assert rows(database, tables.function_stats, "invocations", "duration_us") == [(1, 3_000_000)] * 2
    assert rows(database, tables.edge_stats, "calls", "errors", "duration_us") == [(2, 0, 2_010_000)] * 2
    assert rows(database, tables.invocation_tags, "key", "value") == [("number", "1"), ("version", "end")]
    assert rows(database, tables.unfinished, "span_id") == []


def test_silence_after_the_deadline_is_a_crash(database: Engine) -> None:
    """Not before the grace has passed; once, however often it is looked for; with the call that it waited for."""
    store(database, checkpoint())
    deadline_ns = START_NS + 3 * SECOND
    sweep(database, deadline_ns + 60 * SECOND)
    assert only(database, "result") == (Result.RUNNING,)

    for _ in range(3):
        sweep(database, deadline_ns + 60 * SECOND + 1)
    stitch(database)

    assert only(database, "result", "span_result", "finished") == (Result.CRASHED, Result.RUNNING, False)
    assert rows(database, tables.function_stats, "invocations", "errors") == [(1, 1)] * 2
    assert only(database, "type", "culprit", table=tables.issues) == ("Runtime.ExitError", "S3.PutObject")
    assert rows(database, tables.issue_stats, "occurrences") == [(1,), (1,)]
    assert rows(database, tables.edge_stats, "calls", "errors") == [(2, 1)] * 2
    assert only(database, "result", "failed_invocations", "running_invocations", table=tables.transactions) == (
        Result.CRASHED,
        1,
        0,
    )


def test_an_end_after_all_undoes_the_crash(database: Engine) -> None:
    store(database, checkpoint())
    sweep(database)
    store(database, end())
    sweep(database)
    stitch(database)

    assert only(database, "result", "finished") == (Result.OK, True)
    assert rows(database, tables.function_stats, "invocations", "errors") == [(1, 0)] * 2
    assert rows(database, tables.issue_occurrences, "issue_id") == []
    assert rows(database, tables.issue_stats, "occurrences", "cost_pd") == [(0, 0)] * 2
    assert rows(database, tables.edge_stats, "calls", "errors") == [(2, 0)] * 2
    assert only(database, "failed_invocations", "running_invocations", table=tables.transactions) == (0, 0)


@pytest.mark.parametrize("swept", [True, False])
def test_the_platform_tells_why(database: Engine, swept: bool) -> None:
    """Out of memory, before or after silence was noticed: one failure, with how long it really ran."""
    store(database, checkpoint())
    if swept:
        sweep(database)
    store(database, report(status="error", error_type="Runtime.OutOfMemory", used=512, lasted=1_750.0))
    sweep(database)
    stitch(database)

    assert only(database, "result", "reported_ns", "billed_ms") == (Result.CRASHED, 1_750 * MS, 1_751)
    occurred = {row[0] for row in rows(database, tables.issue_occurrences, "issue_id")}
    issues = [row[1:] for row in rows(database, tables.issues, "id", "type", "culprit") if row[0] in occurred]
    assert issues == [("Runtime.OutOfMemory", "S3.PutObject")]
    assert rows(database, tables.function_stats, "invocations", "errors", "duration_us") == [(1, 1, 1_750_000)] * 2
    started_ns, ended_ns = only(database, "started_ns", "ended_ns", table=tables.transactions)
    assert ended_ns - started_ns == 1_750 * MS


def test_a_lost_end_that_the_platform_saw_is_none(database: Engine) -> None:
    """The last export never came, and the invocation succeeded."""
    store(database, checkpoint())
    sweep(database)
    store(database, report())

    assert only(database, "result", "finished") == (Result.OK, False)
    assert rows(database, tables.function_stats, "invocations", "errors", "duration_us") == [(1, 0, 3_001_500)] * 2
    assert rows(database, tables.issue_occurrences, "issue_id") == []
    assert rows(database, tables.edge_stats, "calls", "errors") == [(1, 0)] * 2


def test_a_timeout_that_was_none(database: Engine) -> None:
    """The function ended within its last moments."""
    store(database, checkpoint(after=2_900, timeout=True))
    assert rows(database, tables.function_stats, "errors") == [(1,), (1,)]
    store(database, report(lasted=2_950.0))

    assert only(database, "result", "billed_ms") == (Result.OK, 2_951)
    assert rows(database, tables.function_stats, "errors") == [(0,), (0,)]
    assert rows(database, tables.issue_occurrences, "issue_id") == []


def test_a_reported_issue_outlives_a_verdict(database: Engine) -> None:
    """What the function said itself is no failure that a report could take back; its cost follows the bill."""
    given = end()
    (row,) = given.invocations
    issue_id = 77
    from collector.domain.facts import Issue, IssueKind, Occurrence

    given.invocations = [row._replace(reported_issues=1)]
    given.issues.append(Issue(issue_id, row.function_id, "LowStock", "7 left", None, 1, IssueKind.REPORTED))
    given.occurrences.append(Occurrence(issue_id, row.started_ns, row.span_id, row.trace_id))
    store(database, given)
    store(database, report(status="timeout"))
    stitch(database)

    (cost_pd,) = only(database, "cost_pd")
    assert sorted(row[0] for row in rows(database, tables.issues, "type")) == ["LowStock", "Timeout"]
    assert rows(database, tables.issue_stats, "occurrences", "cost_pd") == [(1, cost_pd)] * 4
    assert only(database, "reported_issues", "failed_invocations", table=tables.transactions) == (1, 1)


@dataclass(frozen=True)
class Story:
    """What becomes known of one attempt of a request."""

    checkpoints: tuple[int, ...]
    ending: str
    reports: tuple[tuple[str, str, bool], ...]
    retried: bool


stories = st.builds(
    Story,
    checkpoints=st.lists(st.sampled_from([500, 1_000, 2_000]), unique=True, max_size=3).map(tuple),
    ending=st.sampled_from(["none", "ok", "error", "timeout"]),
    reports=st.lists(
        st.tuples(
            st.sampled_from(["platform.report", "platform.initReport", "platform.restoreReport"]),
            st.sampled_from(["success", "error", "timeout"]),
            st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    retried=st.booleans(),
)


def pieces(told: Iterable[Story]) -> list[Facts]:
    found: list[Facts] = []
    number = 0
    for index, story in enumerate(told):
        for attempt in range(1 + story.retried):
            number += 1
            where: dict[str, Any] = {"at": attempt * 62 * SECOND, "request": f"same-{index}"}
            found += [checkpoint(number, after=after, **where) for after in story.checkpoints]
            if story.ending == "timeout":
                found.append(checkpoint(number, after=2_900, timeout=True, **where))
            elif story.ending != "none":
                found.append(end(number, error="boom" if story.ending == "error" else None, **where))
            found += [
                report(number, kind=kind, status=status, named=named, **where) for kind, status, named in story.reports
            ]
    return found


def arrive(database: Engine, given_pieces: list[Facts], chance: random.Random | None) -> dict[str, Any]:
    """In order, or shuffled, repeated and grouped at random, with time passing at any moment."""
    if chance is None:
        store(database, *given_pieces)
    else:
        left = given_pieces + chance.sample(given_pieces, len(given_pieces) // 2)
        chance.shuffle(left)
        while left:
            size = chance.randint(1, 4)
            store(database, *left[:size])
            del left[:size]
            if chance.random() < 0.4:
                sweep(database)
            if chance.random() < 0.3:
                stitch(database)
    sweep(database)
    stitch(database)
    return known(database)


def check_order(database: Engine, empty: Any, told: list[Story], seed: int) -> None:
    empty(database)
    expected = arrive(database, pieces(told), None)
    empty(database)
    found = arrive(database, pieces(told), random.Random(seed))
    for name, rows in expected.items():
        assert rows == found[name], name


def _empty(database: Engine) -> None:
    with database.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(delete(table))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(stories, min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_the_order_does_not_matter(told: list[Story], seed: int, tmp_path: Path) -> None:
    """Whatever comes first, twice or late, and whenever silence is noticed, the same is known in the end."""
    path = tmp_path / "shuffled.db"
    if not path.exists():
        create_sqlite(path)
    database = open_engine(f"sqlite:///{path}")
    try:
        check_order(database, _empty, told, seed)
    finally:
        database.dispose()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(stories, min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_nor_does_it_in_either_database(told: list[Story], seed: int, database: Engine) -> None:
    check_order(database, _empty, told, seed)


def test_collectors_that_store_at_the_same_moment(database: Engine, database_url: str) -> None:
    """Each has a part of what is known, in an order of its own; some comes to both. One that has to yield to the other
    is told to come again, as a client is."""
    told = [
        Story((500, 1_000, 2_000), ending, (("platform.report", status, named),), retried=True)
        for ending in ("none", "ok", "error", "timeout")
        for status in ("success", "error", "timeout")
        for named in (True, False)
    ]
    expected = arrive(database, pieces(told), None)
    _empty(database)
    given_pieces = pieces(told)
    start = threading.Barrier(3)

    def collect(number: int) -> None:
        chance = random.Random(number)
        own = [piece for index, piece in enumerate(given_pieces) if index % 3 == number or index % 7 == 0]
        chance.shuffle(own)
        engine = open_engine(database_url)
        try:
            start.wait(30)
            while own:
                size = chance.randint(1, 6)
                try:
                    store(engine, *own[:size])
                    if chance.random() < 0.2:
                        sweep(engine)
                except (OperationalError, StoreError):
                    continue
                del own[:size]
        finally:
            engine.dispose()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(collect, number) for number in range(3)]:
            done.result(120)
    sweep(database, RECEIVED_MS * MS + SECOND)  # lately: what neither saw of the other's
    sweep(database)
    stitch(database)

    found = known(database)
    for name, rows in expected.items():
        assert rows == found[name], name
