"""The queries of one issue's page."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine

from collector.domain.facts import IssueKind, Result
from collector.domain.issue_states import Action, Status
from collector.store import issue_states
from collector.store.queries import issue as module
from collector.store.queries.common import TimeRange
from collector.store.queries.issue import get_issue
from collector.store.queries.issue_samples import Sample
from collector.store.queries.issues import list_issues
from tests.collector.domain.otlp import MS, SECOND, START_NS, call, exception, export, invocation, resource
from tests.collector.store.queries.stored import Store

START_MS = START_NS // MS
WINDOW = TimeRange(START_MS - 60_000, START_MS + 3_600_000)
NOW_MS = START_MS + 600_000
STACK = 'Traceback (most recent call last):\n  File "/var/task/app.py", line 12, in handler\n    boom()\nKeyError: 1\n'


def fail(store: Store, number: int, *, at_s: int = 0, stack: str = STACK, version: str = "7", tags: int = 1) -> None:
    store.traces(
        export(
            resource=resource(faas__version=version),
            spans=[
                invocation(
                    id=number * 16,
                    trace=number,
                    start=at_s * SECOND,
                    request=f"request-{number}",
                    error="",
                    attrs={"clew.tag.customer": f"c{number % 3}", **{f"clew.tag.k{n}": "v" for n in range(tags)}},
                    events=[exception("KeyError", f"'key {number}'", stack)],
                )
            ],
        )
    )


def the_issue(page: Connection, window: TimeRange = WINDOW) -> module.IssueDetail:
    (row,) = list_issues(page, window)
    found = get_issue(page, row.id, window, now_ms=NOW_MS)
    assert found is not None
    return found


def test_no_such_issue(page: Connection) -> None:
    assert get_issue(page, 1, WINDOW, now_ms=NOW_MS) is None
    assert get_issue(page, 2**64, WINDOW, now_ms=NOW_MS) is None


def test_what_it_is_and_where_it_occurs(store: Store, page: Connection) -> None:
    """Figures of the window, the stack of the newest occurrence, versions, tags, and all that happened before."""
    for number in (1, 2, 3, 4):
        fail(store, number, at_s=number, version="7" if number < 4 else "8")
    store.traces(export(spans=[invocation(id=999, trace=99, start=9 * SECOND)]))
    found = the_issue(page)

    assert (found.type, found.message, found.kind, found.status) == (
        "KeyError",
        "'key 4'",
        IssueKind.FAILURE,
        Status.OPEN,
    )
    assert (found.occurrences, found.invocations, found.occurrences_ever) == (4, 5, 4)
    assert (found.culprit, found.function.name) == ("app.py in handler", "audio-to-text")
    assert found.cost_pd == found.cost_ever_pd
    assert found.cost_pd
    assert sum(point.value for point in found.trend) == 4
    assert found.samples.exception is not None
    assert found.samples.exception.stacktrace == STACK
    assert found.samples.exception_of == found.samples.rows[0]
    assert [(row.request_id, row.message, row.version, row.result) for row in found.samples.rows] == [
        ("request-4", "'key 4'", "8", Result.ERROR),
        ("request-3", "'key 3'", "7", Result.ERROR),
        ("request-2", "'key 2'", "7", Result.ERROR),
        ("request-1", "'key 1'", "7", Result.ERROR),
    ]
    assert {row.transaction_id == row.trace_id for row in found.samples.rows} == {True}
    assert found.samples.versions == (("7", 3), ("8", 1))
    assert [(tag.key, tag.occurrences, tag.values, tag.others) for tag in found.tags] == [
        ("customer", 4, (("c1", 2), ("c0", 1), ("c2", 1)), 0),
        ("k0", 4, (("v", 4),), 0),
    ]
    assert (found.tagged, found.history) == (4, ())


def test_a_window_without_it(store: Store, page: Connection) -> None:
    """The issue is still there, with what it ever was."""
    fail(store, 1)
    id = the_issue(page).id
    found = get_issue(page, id, TimeRange(START_MS + 60_000, START_MS + 120_000), now_ms=NOW_MS)
    assert found is not None
    assert (found.occurrences, found.occurrences_ever, found.samples.rows, found.tags) == (0, 1, (), ())
    assert found.samples.exception is None


def test_of_very_many_tags_the_most_frequent(store: Store, page: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and values are bounded; what is left out is counted."""
    for number in (1, 2, 3):
        fail(store, number, at_s=number, tags=20)
    monkeypatch.setattr(module, "MOST_TAG_VALUES", 2)
    found = the_issue(page).tags
    assert len(found) == 12
    assert (found[0].key, found[0].values, found[0].others) == ("customer", (("c0", 1), ("c1", 1)), 1)


def test_the_history(store: Store, page: Connection, database: Engine) -> None:
    """What people did and what it did by itself, newest first."""
    fail(store, 1)
    id = the_issue(page).id
    page.rollback()
    with database.begin() as connection:
        issue_states.assign(connection, [id], "ada", assignee="bob", now=lambda: START_NS + 10 * SECOND)
        issue_states.resolve(connection, [id], "ada", now=lambda: START_NS + 20 * SECOND)
    fail(store, 2, at_s=40)
    fail(store, 3, at_s=30)
    with database.begin() as connection:
        issue_states.mute(connection, [id], "", until_ms=NOW_MS + 1, now=lambda: START_NS + 50 * SECOND)
    found = the_issue(page)
    assert (found.status, found.until_ms, found.assignee) == (Status.MUTED, NOW_MS + 1, "bob")
    assert [((event.at_ms - START_MS) // 1_000, event.action, event.actor) for event in found.history] == [
        (50, Action.MUTED, ""),
        (30, None, ""),
        (20, Action.RESOLVED, "ada"),
        (10, Action.ASSIGNED, "ada"),
    ]


def test_what_was_refused_has_no_invocation(store: Store, page: Connection) -> None:
    """Only the call that asked for it."""
    store.traces(
        export(
            spans=[
                invocation(id=16),
                call(
                    "Lambda.Invoke", id=17, parent=16, name="thumb", error="no", error_type="TooManyRequestsException"
                ),
            ]
        )
    )
    row = next(row for row in list_issues(page, WINDOW) if row.kind == IssueKind.THROTTLED)
    found = get_issue(page, row.id, WINDOW, now_ms=NOW_MS)
    assert found is not None
    assert (found.invocations, found.cost_pd) == (0, 0)
    (sample,) = found.samples.rows
    assert isinstance(sample, Sample)
    assert (sample.result, sample.duration_ns, sample.message, sample.transaction_id) == (
        None,
        None,
        "no",
        sample.trace_id,
    )


def test_an_export_that_is_damaged_leaves_the_rest(store: Store, page: Connection) -> None:
    """No stack then, and no error."""
    fail(store, 1)
    store.damage(b"\x28\xb5\x2f\xfd nonsense")
    found = the_issue(page)
    assert (found.samples.exception, found.samples.rows[0].message) == (None, "")


def test_the_number_of_statements_is_bounded(store: Store, page: Connection, statements: list[str]) -> None:
    """However many occurrences there are."""
    for number in range(1, 16):
        fail(store, number, at_s=number)
    id = the_issue(page).id
    del statements[:]
    found = get_issue(page, id, WINDOW, now_ms=NOW_MS)
    assert found is not None
    assert len(found.samples.rows) == 10
    assert len(statements) <= 14 + 2 * 10
