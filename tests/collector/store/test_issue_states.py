"""What people decide about issues, what happens to issues by itself, and that neither loses the other."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable

import pytest
from sqlalchemy import Engine

from collector.domain.facts import Facts
from collector.domain.issue_states import Action, Decision, Status
from collector.store import issue_states, tables
from collector.store.engine import open_engine
from collector.store.issue_changes import IssueChange, issue_changes_since, latest_change, number_changes
from collector.store.queries.common import TimeRange
from collector.store.queries.issues import list_issues
from tests.collector.domain.otlp import SECOND, START_NS
from tests.collector.store.lives import checkpoint, end, only, report, rows, store, sweep

RESOLVED_NS = START_NS + 60 * SECOND
WINDOW = TimeRange(START_NS // 1_000_000 - 60_000, START_NS // 1_000_000 + 86_400_000)


def failure(number: int, at_s: int) -> Facts:
    """An occurrence of one and the same issue, whatever the number."""
    return end(number, at=at_s * SECOND, request=f"request-{number}", error="no such file")


def resolve(database: Engine, at_ns: int = RESOLVED_NS, actor: str = "ada") -> list[int]:
    with database.begin() as connection:
        ids = [row.id for row in connection.execute(tables.issues.select())]
        return issue_states.resolve(connection, ids, actor, now=lambda: at_ns)


def status(database: Engine, now_ms: int | None = None) -> Status:
    with database.connect() as connection:
        (row,) = list_issues(connection, WINDOW, now_ms=now_ms)
    return row.status


def changes(database: Engine, cursor: int = 0) -> list[IssueChange]:
    with database.begin() as connection:
        number_changes(connection)
    with database.connect() as connection:
        return issue_changes_since(connection, cursor)


def told(found: Iterable[IssueChange]) -> list[tuple[str, int]]:
    """Which, and how many seconds after the start."""
    return [
        ("regressed" if change.regressed else "new", (change.seen_ms - START_NS // 1_000_000) // 1000)
        for change in found
    ]


def test_an_issue_is_new_once(database: Engine) -> None:
    """However often and in however many commits it occurs."""
    store(database, failure(1, 5), failure(2, 6))
    store(database, failure(3, 7))
    store(database, failure(3, 7))

    (change,) = changes(database)
    assert (change.type, change.message, change.regressed) == ("ValueError", "no such file", False)
    assert change.seen_ms == (START_NS + 5 * SECOND) // 1_000_000
    assert changes(database, change.number) == []
    assert status(database) is Status.OPEN


@pytest.mark.parametrize("order", list(itertools.permutations([30, 70, 80])))
def test_an_issue_regresses_by_what_began_after_it_was_resolved(database: Engine, order: tuple[int, ...]) -> None:
    """Whatever arrives first; what began before and arrives late changes nothing."""
    store(database, failure(1, 0))
    cursor = changes(database)[-1].number
    resolve(database)
    assert status(database) is Status.RESOLVED

    for number, at_s in enumerate(order, start=2):
        store(database, failure(number, at_s))
        later = [seen for seen in order[: number - 1] if seen > 60]
        assert status(database) is (Status.REGRESSED if later else Status.RESOLVED)
    assert told(changes(database, cursor)) == [("regressed", 70)]


def test_each_resolution_can_regress_once(database: Engine) -> None:
    """Resolved again it is over again, until it comes back again."""
    store(database, failure(1, 0))
    resolve(database)
    store(database, failure(2, 70))
    assert resolve(database, START_NS + 100 * SECOND) != []
    assert status(database) is Status.RESOLVED
    store(database, failure(3, 90))
    assert status(database) is Status.RESOLVED
    store(database, failure(4, 110), failure(5, 120))

    assert status(database) is Status.REGRESSED
    assert told(changes(database)) == [("new", 0), ("regressed", 70), ("regressed", 110)]


def test_what_was_seen_is_resolved_even_by_a_clock_that_is_behind(database: Engine) -> None:
    """A function's clock may be ahead of the collector's."""
    store(database, failure(1, 100))
    resolve(database)
    assert status(database) is Status.RESOLVED
    assert only(database, "since_ms", table=tables.issue_states) == ((START_NS + 100 * SECOND) // 1_000_000,)


def test_an_occurrence_that_was_none_takes_back_what_it_changed(database: Engine) -> None:
    """A crash that was believed in until the invocation's end came."""
    store(database, checkpoint(1))
    sweep(database)
    assert told(changes(database)) == [("new", 0)]
    store(database, end(1, lasted=2_600))
    assert changes(database) == []

    store(database, checkpoint(2, at=SECOND))
    sweep(database)
    resolve(database)
    store(database, checkpoint(3, at=70 * SECOND))
    sweep(database)
    assert status(database) is Status.REGRESSED
    store(database, end(3, at=70 * SECOND, lasted=2_600))
    assert status(database) is Status.RESOLVED
    assert told(changes(database)) == [("new", 1)]


def test_an_occurrence_that_is_replaced_by_another_changes_nothing_twice(database: Engine) -> None:
    """Two versions of one span that fail alike: nobody hears of the issue again."""
    store(database, checkpoint(1, after=2_000, timeout=True))
    (first,) = changes(database)
    store(database, checkpoint(1, after=2_500, timeout=True))
    assert changes(database) == [first]
    store(database, report(1, status="timeout", lasted=3_000.0))
    assert changes(database)[0].number == first.number


def test_muted_for_a_time(database: Engine) -> None:
    """It is open again when the time is over, without anybody's doing."""
    store(database, failure(1, 0))
    until_ms = RESOLVED_NS // 1_000_000
    with database.begin() as connection:
        ids = [row.id for row in connection.execute(tables.issues.select())]
        assert issue_states.mute(connection, ids, "ada", until_ms=until_ms) == ids
        assert issue_states.mute(connection, ids, "ada", until_ms=until_ms) == []
    assert status(database, until_ms - 1) is Status.MUTED
    assert status(database, until_ms) is Status.OPEN

    with database.begin() as connection:
        assert issue_states.mute(connection, ids, "ada") == ids
    assert status(database, until_ms) is Status.MUTED
    with database.begin() as connection:
        assert issue_states.reopen(connection, ids, "bob") == ids
        assert issue_states.reopen(connection, ids, "bob") == []
    assert status(database, until_ms - 1) is Status.OPEN


def test_the_history_tells_who_did_what(database: Engine) -> None:
    """One line for each change, none for what changed nothing; two at once have two times."""
    store(database, failure(1, 0))
    with database.begin() as connection:
        ids = [row.id for row in connection.execute(tables.issues.select())]
        now = lambda: RESOLVED_NS  # noqa: E731
        assert issue_states.assign(connection, ids, "ada", assignee="  Bob \x00 B.\n", now=now) == ids
        assert issue_states.assign(connection, ids, "ada", assignee="Bob B.", now=now) == []
        assert issue_states.mute(connection, ids, "ada", until_ms=5, now=now) == ids
        assert issue_states.resolve(connection, [*ids, *ids, 12345, 2**63], "bob", now=now) == ids
        assert issue_states.resolve(connection, ids, "bob", now=now) == []
    history = rows(database, tables.issue_history, "changed_ns", "action", "actor", "until_ms", "assignee")
    assert history == [
        (RESOLVED_NS, Action.ASSIGNED, "ada", None, "Bob B."),
        (RESOLVED_NS + 1, Action.MUTED, "ada", 5, ""),
        (RESOLVED_NS + 2, Action.RESOLVED, "bob", None, ""),
    ]
    assert only(database, "status", "until_ms", "assignee", table=tables.issue_states) == (
        Decision.RESOLVED,
        None,
        "Bob B.",
    )


def test_ingest_leaves_decisions_alone(database: Engine) -> None:
    """Resolved, assigned and occurring again: what people said stays."""
    store(database, failure(1, 0))
    resolve(database)
    before = rows(database, tables.issue_states, *tables.issue_states.c.keys())
    store(database, failure(2, 70))
    assert rows(database, tables.issue_states, *tables.issue_states.c.keys()) == before


def test_a_cursor_never_passes_by_a_commit_that_came_late(database: Engine) -> None:
    """Two collectors: the one that began first commits last."""
    if database.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with database.connect() as slow:
        with slow.begin():
            slow.execute(tables.issue_changes.insert().values(issue_id=1, since_ms=5))
            store(database, failure(1, 0))
            (seen,) = changes(database)
        with database.begin() as connection:
            assert number_changes(connection) == 1
            assert latest_change(connection) > seen.number


def test_numbers_go_on_rising_when_all_changes_are_gone(database: Engine) -> None:
    """And when the clock goes back: a cursor is never ahead of what comes."""
    store(database, failure(1, 0))
    with database.begin() as connection:
        number_changes(connection, now=lambda: 1_000)
        assert latest_change(connection) == 1_000
        connection.execute(tables.issue_changes.insert().values(issue_id=7, since_ms=0))
        number_changes(connection, now=lambda: 10)
        assert latest_change(connection) == 1_001
        connection.execute(tables.issue_changes.delete())
        connection.execute(tables.issue_changes.insert().values(issue_id=8, since_ms=0))
        number_changes(connection, now=lambda: 2_000)
        assert latest_change(connection) == 2_000


def test_resolving_and_occurring_at_once_never_lose_a_regression(database: Engine, database_url: str) -> None:
    """Whoever comes first: an occurrence that began after the issue was resolved has made it a regression."""
    store(database, failure(1, 0))
    (number,) = {row[0] for row in rows(database, tables.issues, "id")}
    failures: list[BaseException] = []

    def occur(first: int) -> None:
        engine = open_engine(database_url)
        try:
            for index in range(15):
                store(engine, failure(first + index, 70 + index))
        except BaseException as error:  # noqa: BLE001  # the test's own thread asserts that there is none
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=occur, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    clock = itertools.count(RESOLVED_NS)
    for _ in range(15):
        with database.begin() as connection:
            issue_states.resolve(connection, [number], "ada", now=lambda: next(clock))
    for thread in threads:
        thread.join()

    assert failures == []
    (since_ms,) = only(database, "since_ms", table=tables.issue_states)
    last_ms = max(row[0] for row in rows(database, tables.issue_occurrences, "started_ns")) // 1_000_000
    assert status(database) is (Status.REGRESSED if last_ms > since_ms else Status.RESOLVED)
