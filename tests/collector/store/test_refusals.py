"""Asynchronous events that Lambda gave up on: issues of the functions that never ran, in any order, each once."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from sqlalchemy import Engine, select

from collector.domain.facts import Facts, IssueKind
from collector.store import tables
from collector.store.stitcher import Stitcher
from tests.collector.domain.otlp import MS, SECOND, START_NS, call, export, invocation, resource
from tests.collector.store.lives import known, rows, store, traces

ACCOUNT = "123456789012"
THUMB = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:thumb"
GIVEN_UP_MS = START_NS // MS + 7_200_000
RECORD = {"request_id": "thumb-1", "function": f"{THUMB}:$LATEST", "time": str(GIVEN_UP_MS)}
AGED = {**RECORD, "condition": "EventAgeExceeded", "attempts": 0, "error_code": "429"}
LETTER = {
    "request_id": "thumb-1",
    "error_code": "429",
    "error_message": "Rate Exceeded.",
    "time": str(GIVEN_UP_MS + 3),
}


def reader(*failures: object, number: int = 9, keys: tuple[str, ...] = ("lambda-result:thumb-1",)) -> Facts:
    """The invocation that a queue hands what Lambda gave up on."""
    attrs = {
        "clew.trigger.type": "sqs",
        "clew.link.keys": list(keys),
        "clew.trigger.failures": [one if isinstance(one, str) else json.dumps(one) for one in failures],
    }
    start = 7_201 * SECOND
    return traces(
        export(
            resource=resource("undertaker"),
            spans=[invocation(id=number * 16, trace=number, request=f"reader-{number}", start=start, attrs=attrs)],
        )
    )


def caller(number: int = 1, name: str = "thumb") -> Facts:
    """Invokes the function asynchronously, and Lambda accepts it."""
    attrs = {"clew.link.keys": ["lambda:thumb-1"], "aws.request_id": "thumb-1"}
    invoke = call("Lambda.Invoke", id=number * 16 + 1, trace=number, parent=number * 16, name=name, attrs=attrs)
    return traces(export(spans=[invocation(id=number * 16, trace=number, request=f"request-{number}"), invoke]))


def ran(number: int = 5) -> Facts:
    """A try that did run, and failed."""
    attrs = {"cloud.resource_id": THUMB}
    return traces(
        export(
            resource=resource("thumb"),
            spans=[invocation(id=number * 16, trace=number, request="thumb-1", start=SECOND, attrs=attrs, error="no")],
        )
    )


def send(database: Engine, *given: Facts) -> None:
    for facts in given:
        store(database, facts)
        stitch(database)


def stitch(database: Engine) -> None:
    while Stitcher(database).run_pass() is not None:
        pass


def throttled(database: Engine) -> list[tuple[str, str, str | None, int, int]]:
    """Function, message, culprit and occurrences by row and by rollup, of each issue of refusals."""
    with database.connect() as connection:
        found = connection.execute(
            select(tables.issues.c.id, tables.functions.c.name, tables.issues.c.message, tables.issues.c.culprit)
            .join(tables.functions, tables.functions.c.id == tables.issues.c.function_id)
            .where(tables.issues.c.kind == IssueKind.THROTTLED)
        ).all()
    occurred = [row[0] for row in rows(database, tables.issue_occurrences, "issue_id")]
    stats = rows(database, tables.issue_stats, "issue_id", "resolution", "occurrences")
    return [
        (name, message, culprit, occurred.count(id), sum(row[2] for row in stats if row[:2] == (id, 3600)))
        for id, name, message, culprit in found
    ]


def test_a_destination_names_the_function_that_never_ran(database: Engine) -> None:
    """However often the record is read, and by however many."""
    for number in (9, 10, 9):
        send(database, reader(AGED, number=number))

    assert throttled(database) == [("thumb", "EventAgeExceeded", "an asynchronous event", 1, 1)]
    when = rows(database, tables.issue_occurrences, "started_ns")
    assert when == [(GIVEN_UP_MS * MS,)]
    names = {row[0] for row in rows(database, tables.functions, "name")}
    assert names == {"undertaker", "thumb"}
    assert sum(row[0] for row in rows(database, tables.function_stats, "errors")) == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_dead_letter_is_of_the_function_that_somebody_invoked(database: Engine, order: tuple[int, ...]) -> None:
    """Whoever is first: the caller, the reader of the queue, or the reader once more."""
    given = [caller(), reader(LETTER), reader(LETTER, number=10)]
    send(database, *(given[index] for index in order))
    send(database, *given)

    assert throttled(database) == [("thumb", "Rate Exceeded.", "an asynchronous event", 1, 1)]
    # And all are one transaction: what was never run is no gap in it.
    assert {row[0] for row in rows(database, tables.memberships, "transaction_id")} == {(1).to_bytes(16, "big")}


@pytest.mark.parametrize("order", range(6))
def test_a_try_that_ran_tells_the_function_too(database: Engine, order: int) -> None:
    """Of a caller that is not traced; the first try failed, and the second was refused until it was too late."""
    given = list(itertools.permutations([ran(), reader(LETTER), ran(6)]))[order]
    send(database, *given)

    assert throttled(database) == [("thumb", "Rate Exceeded.", "an asynchronous event", 1, 1)]


@pytest.mark.parametrize("order", range(6))
def test_destination_and_dead_letter_of_one_event_count_once(database: Engine, order: int) -> None:
    send(database, *list(itertools.permutations([reader(AGED), reader(LETTER, number=10), caller()]))[order])

    ((name, _, _, *counts),) = throttled(database)
    assert (name, counts) == ("thumb", [1, 1])


def test_a_dead_letter_of_nobody_waits(database: Engine) -> None:
    """What S3 or a bus invoked, and never ran, names no function anywhere."""
    send(database, reader(LETTER))

    assert throttled(database) == []
    assert rows(database, tables.refused_events, "function_id") == [(None,)]


def test_a_batch_of_dead_letters(database: Engine) -> None:
    """Each request once; in one commit with what they wait for."""
    many = [{**AGED, "request_id": f"thumb-{number}"} for number in range(2, 40)]
    store(database, reader(*many, *many, LETTER), caller(), reader(*many, number=10))
    stitch(database)

    assert throttled(database)[0][3:] == (39, 39)


@pytest.mark.parametrize(
    "failure",
    [
        {**RECORD, "condition": "RetriesExhausted", "attempts": 3, "error_code": "200", "function_error": "Unhandled"},
        {**RECORD, "condition": "EventAgeExceeded", "attempts": 1, "error_code": "200", "function_error": "Unhandled"},
        {**RECORD, "condition": "EventAgeExceeded", "attempts": 1},
        {**RECORD, "condition": "EventAgeExceeded", "attempts": 2, "error_code": "404"},
        {**RECORD, "condition": "Success", "error_code": "200"},
        {"request_id": "thumb-1", "error_code": "200", "error_message": "Function not invoked, says the handler"},
        {**AGED, "request_id": ""},
        {**AGED, "request_id": ["thumb-1"]},
        "{",
        "[429]",
        "[" * 4_000,
        '{"error_code": ' + "9" * 5_000 + "}",
    ],
    ids=range(12),
)
def test_a_failure_that_was_tried_again_is_no_refusal(database: Engine, failure: object) -> None:
    send(database, caller(), reader(failure))

    assert throttled(database) == []
    assert rows(database, tables.refused_events, "key") == []


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ({**RECORD, "condition": "ZeroReservedConcurrency", "attempts": 0}, "ZeroReservedConcurrency"),
        ({**RECORD, "condition": "EventAgeExceeded", "attempts": 0}, "EventAgeExceeded"),
        ({**AGED, "attempts": 1}, "EventAgeExceeded"),
        (
            {"request_id": "thumb-1", "error_message": "Function not invoked. Function is configured with zero …"},
            "Function not invoked. Function is configured with zero …",
        ),
        ({**AGED, "function": "no ARN"}, "EventAgeExceeded"),
    ],
)
def test_every_way_to_be_refused(database: Engine, failure: object, message: str) -> None:
    send(database, caller(), reader(failure))

    assert [row[:2] for row in throttled(database)] == [("thumb", message)]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-05-28T22:26:40.500Z", START_NS + 7_200 * SECOND + 500 * MS),
        ("2026-05-28T22:26:40.5", START_NS + 7_200 * SECOND + 500 * MS),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("-1", None),
        ("99999999999999999999", None),
        ("soon", None),
        (None, None),
    ],
)
def test_when_it_was_given_up_on(database: Engine, time: Any, expected: int | None) -> None:
    """At a time that cannot be, it is as old as the message's reader."""
    send(database, reader({**AGED, "time": time}))

    assert rows(database, tables.issue_occurrences, "started_ns") == [(expected or START_NS + 7_201 * SECOND,)]


def test_what_is_read_twice_changes_nothing(database: Engine) -> None:
    given = [caller(), reader(AGED, LETTER), ran()]
    send(database, *given)
    first = known(database)
    send(database, *given)

    assert known(database) == first
