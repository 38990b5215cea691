"""Retention: what is older than its period goes, all of it and nothing else, and its space is given back."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, insert, select, text

from collector.domain.facts import LogPiece, PieceKind, Refusal, Report, ReportKind, ReportStatus, Tag
from collector.store import tables
from collector.store.lease import Lease
from collector.store.partitions import make_ahead, partitions
from collector.store.periods import Periods
from collector.store.pruner import NotNow, Pruner
from collector.store.pruning_walks import LostResources
from collector.store.queries.transaction import get_transaction
from collector.store.retention import Retention
from collector.store.space import disk
from tests.collector.store.aged import DAY_NS, NOW_NS, aged, counts, store
from tests.collector.store.facts import trace

# Deleted with others' rows.
BESIDE = {
    *("trace_exports", "invocation_tags", "reports", "unfinished"),
    *("issue_states", "issue_history", "issue_changes", "alert_events"),
}
# Taken away by those who work through them, or made by people, one by one.
SMALL = {
    *("stitch_queue", "stitch_jobs", "late_minutes", "leases", "alert_position"),
    *("alert_rules", "alert_mutes", "channels", "tickets", "tokens", "secret_keys"),
}
FOR_EVER = Periods(exports=None, rows=None, minutes=None, hours=None)


def prune(database: Engine, periods: Periods, *, now_ns: int = NOW_NS) -> Counter[str]:
    return Pruner(database, database, periods, now_ns=lambda: now_ns).run(everything=True)


def starts(database: Engine, table: str = "invocations") -> list[int]:
    """Ages in days of what is left, oldest first."""
    with database.begin() as connection:
        found = connection.execute(text(f"SELECT started_ns FROM {table} ORDER BY started_ns"))
        return [round((NOW_NS - start) / DAY_NS) for (start,) in found]


def test_each_kind_has_its_own_period(database: Engine) -> None:
    """Payloads go first, then rows, then sums per minute, then those per hour."""
    store(database, *(aged(days, days) for days in (1, 10, 20, 40, 60)))

    prune(database, Periods(exports=5, rows=15, minutes=30, hours=50))

    left = counts(database)
    assert {"exports": 1, "trace_exports": 1, "invocations": 2, "calls": 2, "transactions": 2, "memberships": 2} == {
        name: left[name] for name in ("exports", "trace_exports", "invocations", "calls", "transactions", "memberships")
    }
    assert [10, 1] == starts(database) == starts(database, "calls") == starts(database, "transactions")
    with database.begin() as connection:
        stats = connection.execute(select(tables.function_stats.c.resolution, tables.function_stats.c.start_s)).all()
    assert {60: [20, 10, 1], 3600: [40, 20, 10, 1]} == {
        resolution: sorted((round((NOW_NS / 1e9 - s) / 86_400) for r, s in stats if r == resolution), reverse=True)
        for resolution in (60, 3600)
    }


def test_everything_old_goes(database: Engine) -> None:
    """Of what is older than all periods no table holds anything, whatever was said of it."""
    first = aged(1, 60, failed=True, produces="a message")
    row = first.invocations[0]
    first.tags = [Tag(row.started_ns, row.span_id, "customer", "<b>7</b>", row.function_id)]
    figures = dict.fromkeys(("billed_ms", "memory_mb", "max_memory_mb", "init_ns", "restore_ns"))
    first.pieces = [
        LogPiece(
            request_id="untraced",
            function_id=row.function_id,
            kind=PieceKind.REPORT,
            time_ns=row.started_ns,
            error_type="",
            received_ms=row.started_ns // 1_000_000,
            status=ReportStatus.SUCCESS,
            message="",
            culprit=None,
            frames="[]",
            duration_ns=1_000_000,
            architecture=None,
            **figures,
        )
    ]
    first.reports = [
        Report(
            request_id=request_id,
            kind=ReportKind.INVOCATION,
            time_ns=row.started_ns + 20_000_000,
            status=ReportStatus.SUCCESS,
            function="",
            region="",
            trace_id=None,
            span_id=None,
            started_ns=None,
            error_type="",
            duration_ns=10_000_000,
            **figures,
        )
        for request_id in ("request-1", "nobody's")
    ]
    first.refusals = [Refusal(1, row.started_ns, row.trace_id, None, "Rate Exceeded.", row.started_ns // 1_000_000)]
    store(database, first, aged(2, 59, consumes="a message"))
    before = counts(database)
    for table in (
        *("exports", "invocations", "calls", "invocation_tags", "issue_occurrences", "links", "link_keys"),
        *("log_pieces", "waiting_reports", "reports", "memberships", "functions", "resources", "issues"),
        "refused_events",
    ):
        assert before[table], table

    # Pieces and waiting reports are as old as their arrival, which the facts put at the start of all.
    prune(database, Periods(exports=10, rows=20, minutes=30, hours=40))

    assert Counter() == counts(database)


def test_what_is_young_stays(database: Engine) -> None:
    """A pass over a database without anything old changes nothing."""
    store(database, *(aged(number, 3, failed=number % 3 == 0, produces=f"{number}", consumes=f"{number - 1}")
                      for number in range(1, 20)))  # fmt: skip
    before = counts(database)

    assert Counter() == prune(database, Periods(exports=5, rows=15, minutes=30, hours=50))
    assert before == counts(database)


def test_for_ever(database: Engine) -> None:
    """Without periods nothing goes however old it is."""
    store(database, aged(1, 90), aged(2, 99))
    before = counts(database)

    assert Counter() == prune(database, FOR_EVER)
    assert before == counts(database)


def test_failed_transactions_are_kept_longer(database: Engine) -> None:
    """With payloads, calls and all invocations: also those that succeeded in a transaction in which another failed."""
    store(
        database,
        aged(1, 20, produces="one"),  # succeeded, and set off what failed
        aged(2, 20, consumes="one", failed=True),
        aged(3, 20),
        aged(4, 40, failed=True),
    )

    prune(database, Periods(exports=5, rows=10, minutes=50, hours=50, errors=30))

    left = counts(database)
    assert [20, 20] == starts(database) == starts(database, "calls")
    assert {"exports": 2, "trace_exports": 2, "links": 1, "link_keys": 2, "transactions": 1, "memberships": 2} == {
        name: left[name] for name in ("exports", "trace_exports", "links", "link_keys", "transactions", "memberships")
    }
    assert 1 == left["issue_occurrences"]
    with database.begin() as connection:
        detail = get_transaction(connection, trace(1))
    assert detail is not None
    assert (2, 1) == (len(detail.invocations), detail.failed_invocations)


@pytest.mark.parametrize("errors", [0.0, 25.0])
def test_steps_of_any_size_come_to_the_same(database: Engine, errors: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows a step looks at, what is left is what the periods say, counted one by one."""
    monkeypatch.setattr("collector.store.pruner.FEWEST", 3)
    monkeypatch.setattr("collector.store.pruner.MOST", 3)
    shuffled = random.Random(7)
    days = [(number, shuffled.uniform(1, 40), shuffled.random() < 0.3) for number in range(1, 120)]
    store(database, *(aged(number, age, failed=failed) for number, age, failed in days))

    pruner = Pruner(
        database, database, Periods(exports=8, rows=16, minutes=20, hours=60, errors=errors), now_ns=lambda: NOW_NS
    )
    pruner._most = 3
    pruner.run()

    def left(period: float) -> int:
        return sum(age <= (max(period, errors) if failed else period) for _, age, failed in days)

    found = counts(database)
    assert (left(8), left(8)) == (found["exports"], found["trace_exports"])
    assert {left(16)} == {found[name] for name in ("invocations", "calls", "transactions", "memberships")}
    failed = sum(failed and age <= max(16, errors) for _, age, failed in days)
    assert failed == found["issue_occurrences"]


def test_a_link_whose_producer_is_gone_still_shows(database: Engine) -> None:
    """The consumer's transaction opens, and says that its older part is no longer kept."""
    store(database, aged(1, 31, produces="slow"), aged(2, 29, consumes="slow"))

    prune(database, Periods(exports=30, rows=30, minutes=60, hours=60))

    assert 1 == counts(database)["links"]
    with database.begin() as connection:
        detail = get_transaction(connection, trace(1))
    assert detail is not None
    assert (1, 1) == (len(detail.invocations), detail.gone_invocations)


def test_a_transaction_without_payloads_says_so(database: Engine) -> None:
    """Its rows show; that its payloads are no longer kept is told from never having had any."""
    store(database, aged(1, 20))
    prune(database, Periods(exports=10, rows=30, minutes=60, hours=60))

    with database.begin() as connection:
        detail = get_transaction(connection, trace(1))
    assert detail is not None
    assert (1, 0, 1) == (len(detail.invocations), detail.gone_invocations, detail.without_payloads)


def test_what_is_still_named_stays(database: Engine) -> None:
    """Functions, resources and issues stay as long as any sum tells of them."""
    store(database, aged(1, 45, failed=True))

    prune(database, Periods(exports=10, rows=20, minutes=30, hours=50))
    left = counts(database)
    assert (1, 1, 1, 0) == (left["functions"], left["resources"], left["issues"], left["issue_occurrences"])

    prune(database, Periods(exports=10, rows=20, minutes=30, hours=40))
    assert Counter() == counts(database)


def test_a_resource_that_is_named_meanwhile_stays(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named is read before resources go: one that is written after that is named by what nobody has seen."""
    store(database, aged(1, 60))

    def after_storing(*rest: Any) -> LostResources:
        store(database, aged(2, 0))
        return LostResources(*rest)

    monkeypatch.setattr("collector.store.pruner.LostResources", after_storing)
    prune(database, Periods(exports=10, rows=20, minutes=30, hours=50))

    left = counts(database)
    assert (1, 1) == (left["invocations"], left["resources"])


def test_a_resource_that_a_process_has_just_written_stays(database: Engine) -> None:
    """It may be named for an hour before that process writes it again, and by what is not yet committed."""
    store(database, aged(1, 60))
    recent_ms = NOW_NS // 1_000_000 - 3_600_000
    resources = tables.resources
    with database.begin() as connection:
        connection.execute(insert(resources), any_row(resources, 7) | {"written_ms": recent_ms})

    prune(database, Periods(exports=10, rows=20, minutes=30, hours=50))
    assert Counter(resources=1) == counts(database)
    prune(database, Periods(exports=10, rows=20, minutes=30, hours=50), now_ns=NOW_NS + 2 * 3_600 * 10**9)
    assert Counter() == counts(database)


def test_alerts_that_are_over_go_with_the_hours(database: Engine) -> None:
    """With what happened to them and what was said of them; those that are not over stay however old they are."""
    old_ms = (NOW_NS - 60 * DAY_NS) // 1_000_000
    alerts, events, deliveries = (tables.metadata.tables[name] for name in ("alerts", "alert_events", "deliveries"))
    with database.begin() as connection:
        for number, ended_ms in enumerate((None, old_ms, NOW_NS // 1_000_000), 1):
            connection.execute(insert(alerts), any_row(alerts) | {"id": number, "resolved_ms": ended_ms})
            connection.execute(insert(events), any_row(events) | {"alert_id": number})
            connection.execute(
                insert(deliveries),
                any_row(deliveries) | {"id": any_row(deliveries, number)["id"], "ended_ms": ended_ms},
            )

    prune(database, Periods(hours=50))

    with database.begin() as connection:
        assert [1, 3] == sorted(connection.scalars(select(alerts.c.id)))
        assert [1, 3] == sorted(connection.scalars(select(events.c.alert_id)))
        assert {None, NOW_NS // 1_000_000} == set(connection.scalars(select(deliveries.c.ended_ms)))


def test_ages_go_with_the_sums_of_their_minutes_and_hours(database: Engine) -> None:
    ages = tables.age_stats
    with database.begin() as connection:
        for resolution in (60, 3_600):
            for days in (1, 40, 60):
                start_s = NOW_NS // 10**9 // 3_600 * 3_600 - days * 86_400
                connection.execute(insert(ages), any_row(ages) | {"resolution": resolution, "start_s": start_s})

    prune(database, Periods(exports=10, rows=20, minutes=30, hours=50))

    with database.begin() as connection:
        kept = select(ages.c.resolution, func.count()).group_by(ages.c.resolution)
        assert {60: 1, 3_600: 2} == dict(connection.execute(kept).all())


def test_every_table_that_grows_is_pruned(sqlite_database: Engine) -> None:
    """A new table is to be thought about: it is pruned, or stays small by itself."""
    every = Periods(exports=1, rows=2, minutes=3, hours=4).cutoffs(NOW_NS)
    steps = list(Pruner(sqlite_database, sqlite_database, Periods())._steps(every, walks=True))
    pruned = {step.table.name for step in steps} | BESIDE

    assert BESIDE.isdisjoint(step.table.name for step in steps)
    assert tables.metadata.tables.keys() == pruned | SMALL


def any_row(table: Table, number: int = 0) -> dict[str, Any]:
    """Something in each column that needs a value."""
    values: dict[type, Any] = {str: f"{number}", int: number, float: 0.5, bool: False, bytes: bytes([number])}
    return {column.name: values[column.type.python_type] for column in table.columns if not column.nullable}


def test_another_collectors_turn(database: Engine) -> None:
    """While one prunes, another that wants to is told; it leaves the lease free behind it."""
    other = Lease(database, "retention", duration_s=60)
    other.acquire()
    store(database, aged(1, 90))

    with pytest.raises(NotNow):
        prune(database, Periods())
    assert 1 == counts(database)["exports"]

    other.release()
    prune(database, Periods())
    assert other.acquire()


def test_a_stop_ends_it_between_two_steps(database: Engine) -> None:
    """What was deleted stays deleted, the rest is whole, and the next pass ends it."""
    store(database, *(aged(number, 90) for number in range(1, 50)))
    stop = threading.Event()
    stop.set()
    with pytest.raises(NotNow):
        Pruner(database, database, Periods(), stop=stop, now_ns=lambda: NOW_NS).run()

    prune(database, Periods(hours=50))
    assert Counter() == counts(database)


def test_it_runs_by_itself(database: Engine) -> None:
    """In a thread, again and again; while another collector does it, not; and it ends when it is told to."""
    other = Lease(database, "retention", duration_s=600)
    other.acquire()
    store(database, aged(1, 90))
    retention = Retention(database, database, Periods(exports=1, rows=1, minutes=1, hours=1), every_s=0.01)
    retention.start()
    while retention.passes < 3:
        time.sleep(0.01)
    assert counts(database)["exports"]

    other.release()
    while counts(database):
        time.sleep(0.01)
    retention.close()
    store(database, aged(2, 90))
    assert counts(database)["exports"]


def test_a_pass_that_fails_is_tried_again(database: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The reason is in the log, and the next pass does what is left."""
    store(database, aged(1, 90))
    retention = Retention(database, database, Periods(exports=1, rows=1, minutes=1, hours=1), every_s=0.01)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("collector.store.pruner.OldSpans.run", lambda *_: 1 / 0)
        retention.start()
        while retention.passes < 2:
            time.sleep(0.01)
    while counts(database):
        time.sleep(0.01)
    retention.close()

    assert "retention failed and will be tried again: division by zero" in caplog.text


def test_sqlite_gives_space_back(tmp_path: Path, sqlite_database: Engine) -> None:
    """The file shrinks to about what is left."""
    store(sqlite_database, *(aged(number, 20, body=random.Random(number).randbytes(20_000)) for number in range(200)))
    store(sqlite_database, aged(500, 1))
    with sqlite_database.begin() as connection:
        before = disk(connection)
    assert before.used > 4_000_000

    prune(sqlite_database, Periods(exports=10, rows=None, minutes=None, hours=None))

    with sqlite_database.begin() as connection:
        after = disk(connection)
        connection.exec_driver_sql("PRAGMA incremental_vacuum")
    assert after.total == after.used < before.used / 4


def test_a_size_takes_the_oldest(sqlite_database: Engine) -> None:
    """Payloads first, and no more than is needed."""
    for days in range(40, 0, -1):
        store(
            sqlite_database,
            *(aged(days * 10 + n, days, body=random.Random(days * 10 + n).randbytes(20_000)) for n in range(5)),
        )
    with sqlite_database.begin() as connection:
        full = disk(connection).used
    limit = full // 2

    prune(sqlite_database, Periods(exports=None, rows=None, minutes=None, hours=None, max_bytes=limit))

    with sqlite_database.begin() as connection:
        assert limit * 0.8 < disk(connection).used <= limit
        ids = connection.scalars(select(tables.exports.c.id)).all()
    ages = sorted(round((NOW_NS - int.from_bytes(id[:8], "big")) / DAY_NS) for id in ids)
    assert ages == sorted(-(-number // 5) for number in range(1, len(ids) + 1))
    assert len(ids) < 200
    assert 200 == counts(sqlite_database)["invocations"]


def test_a_size_takes_rows_where_payloads_are_not_enough(sqlite_database: Engine) -> None:
    """The oldest; the newest hour stays however small the size is."""
    for days in range(30, 0, -1):
        store(sqlite_database, *(aged(days * 50 + n, days) for n in range(40)))
    store(sqlite_database, aged(9_999, 0.01))

    prune(sqlite_database, Periods(exports=None, rows=None, minutes=None, hours=None, max_bytes=1))
    left = counts(sqlite_database)
    assert (1, 1, 1) == (left["exports"], left["invocations"], left["transactions"])


def test_days_of_exports_are_dropped_whole(postgresql_database: Engine) -> None:
    """PostgreSQL: a day's partition goes with all that it holds, and with what tells of it elsewhere."""
    database = postgresql_database
    for days in (20, 12, 3):
        make_ahead(database, NOW_NS - days * DAY_NS)
    store(database, *(aged(days * 10 + n, days) for days in (20, 12, 3) for n in range(5)))
    store(database, aged(999, 50))  # of no day that has a partition
    with database.begin() as connection:
        names = [partition.name for partition in partitions(connection)]
        stored = connection.exec_driver_sql("SELECT COUNT(*) FROM exports_default").scalar()
    assert (9, 1) == (len(names), stored)

    deleted = prune(database, Periods(exports=10, rows=None, minutes=None, hours=None))

    assert 11 == deleted["exports"]
    left = counts(database)
    assert (5, 5, 16) == (left["exports"], left["trace_exports"], left["invocations"])
    with database.begin() as connection:
        kept = [partition for partition in partitions(connection) if partition.start_ns < NOW_NS - 5 * DAY_NS]
        # Of the day in which the period ends there may still be younger exports.
        assert all(partition.end_ns > NOW_NS - 10 * DAY_NS for partition in kept)


def test_a_size_drops_the_oldest_days(postgresql_database: Engine) -> None:
    """PostgreSQL: the oldest days' exports, until it fits."""
    database = postgresql_database
    for days in range(15, 0, -3):
        make_ahead(database, NOW_NS - days * DAY_NS)
        store(database, *(aged(days * 100 + n, days, body=random.Random(n).randbytes(30_000)) for n in range(60)))
    with database.begin() as connection:
        full = disk(connection).used

    periods = Periods(exports=None, rows=None, minutes=None, hours=None, max_bytes=full - 3_000_000)
    prune(database, periods)

    with database.begin() as connection:
        assert disk(connection).used <= full - 3_000_000
        ids = connection.scalars(select(tables.exports.c.id)).all()
    ages = {round((NOW_NS - int.from_bytes(bytes(id)[:8], "big")) / DAY_NS) for id in ids}
    assert ages == set(sorted((15, 12, 9, 6, 3))[: len(ages)])
    assert 0 < len(ages) < 5


def test_a_partition_that_is_in_use_stays(postgresql_database: Engine) -> None:
    """Ingest is not made to wait: the partition goes another time."""
    database = postgresql_database
    make_ahead(database, NOW_NS - 20 * DAY_NS)
    store(database, aged(1, 20))
    with database.connect() as reading:
        reading.execute(select(tables.exports.c.id)).all()  # holds its locks until the transaction ends
        prune(database, Periods(exports=10, rows=None, minutes=None, hours=None))

    prune(database, Periods(exports=10, rows=None, minutes=None, hours=None))
    with database.begin() as connection:
        assert all(partition.end_ns > NOW_NS - 10 * DAY_NS for partition in partitions(connection))


def test_a_day_that_the_default_holds_already(postgresql_database: Engine) -> None:
    """Its partition cannot be made; what comes is stored and deleted all the same."""
    store(postgresql_database, aged(1, 20))
    make_ahead(postgresql_database, NOW_NS - 20 * DAY_NS)
    store(postgresql_database, aged(2, 20))

    assert 2 == prune(postgresql_database, Periods(exports=10, rows=None, minutes=None, hours=None))["exports"]


def test_periods() -> None:
    """Failed transactions are never kept shorter than others."""
    cutoffs = Periods(exports=10, rows=20, errors=15).cutoffs(NOW_NS)
    assert (NOW_NS - 15 * DAY_NS, NOW_NS - 20 * DAY_NS) == (cutoffs.failed_exports_ns, cutoffs.failed_rows_ns)
    assert 0 == Periods(exports=None).cutoffs(NOW_NS).failed_exports_ns
