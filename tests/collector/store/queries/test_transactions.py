"""The Transactions page's queries."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from collector.domain.facts import Result
from collector.store.queries import transaction_filter
from collector.store.queries.common import IssueLabel, ServiceCount, TimeRange
from collector.store.queries.transactions import (
    Outcome,
    TransactionPage,
    TransactionSummary,
    list_transactions,
    summarize_transactions,
)
from tests.collector.store.queries.world import DAY, HOUR, MINUTE, MS, NOON, World, trace


def _numbers(page: TransactionPage) -> list[int]:
    return [int.from_bytes(row.id[:4], "big") for row in page.rows]


def test_an_empty_database_has_no_transactions(page: Connection) -> None:
    """No rows; the summary has all bars, with zeros."""
    assert list_transactions(page, DAY, search="x", function_id=1, resource_id=2, issue_id=3) == TransactionPage(
        (), None
    )
    summary = summarize_transactions(page, DAY)
    assert (summary.total, summary.failed, summary.with_issues, len(summary.started)) == (0, 0, 0, 48)
    assert {point.value for point in (*summary.started, *summary.with_issues_trend)} == {0}


def test_a_transaction_tells_all_about_itself(world: World, page: Connection) -> None:
    """A row spans all that one trigger set in motion: its functions, services, cost, failures and issues."""
    thumb, mail = world.function("thumb"), world.function("mail")
    bucket, queue = world.resource("s3", "photos"), world.resource("sqs", "mails")
    issue = world.issue(mail, "KeyError")
    entry = world.run(
        thumb, 0, number=1, by=bucket, trigger="s3", duration_ms=100, cold=True, calls=[(queue, None), (bucket, None)]
    )
    tail = world.run(
        mail,
        5_000,
        number=2,
        duration_ms=50,
        issue=issue,
        calls=[(bucket, None)],
        cost_pd=None,
        by=queue,
        trigger="sqs",
    )
    world.link(tail, entry)
    world.store()
    [row] = list_transactions(page, DAY).rows

    assert (row.id, row.started_ns, row.duration_ns) == (trace(1), NOON * MS, 5_050 * MS)
    assert (row.entry.name, [function.name for function in row.functions]) == ("thumb", ["thumb", "mail"])
    assert (row.trigger, row.trigger_resource and row.trigger_resource.name) == ("s3", "photos")
    assert row.services == (ServiceCount("s3", 2), ServiceCount("sqs", 1))
    assert (row.result, row.invocations, row.failed_invocations, row.cold_starts) == (Result.OK, 2, 1, 1)
    assert row.cost_pd == 1_000
    assert row.issues == (IssueLabel(issue.id, "KeyError"),)


def test_pages_follow_each_other_without_gaps(world: World, page: Connection) -> None:
    """Newest first; equal starts are told apart by id, however they fall on the pages."""
    thumb = world.function("thumb")
    for number, at in ((1, 0), (2, 1), (3, 1), (0xFF000000, 1), (5, 1), (6, 2), (7, 2)):
        world.run(thumb, at, number=number)
    world.store()
    seen: list[int] = []
    cursor = None
    for _ in range(4):
        found = list_transactions(page, DAY, cursor=cursor, limit=2)
        seen += _numbers(found)
        cursor = found.next

    assert seen == [7, 6, 0xFF000000, 5, 3, 2, 1]
    assert cursor is None
    assert _numbers(list_transactions(page, DAY, cursor="AAAA", limit=2)) == [7, 6]


def _story(world: World) -> dict[str, int]:
    """1: thumb, fine. 2: thumb fails. 3: thumb sets off mail (trace 30), which fails. 4: mail alone, by schedule.
    5: a batch of mail (trace 50) set off by 5 and 6, both of thumb. 7: a day earlier."""
    thumb, mail = world.function("thumb_nail"), world.function("mail 100% <b>")
    bucket, queue = world.resource("s3", "photos"), world.resource("sqs", "mails'")
    table, rule = world.resource("dynamodb", "sizes"), world.resource("eventbridge", "nightly")
    key, type = world.issue(thumb, "KeyError"), world.issue(mail, "TypeError")
    world.run(thumb, 1, number=1, by=bucket, trigger="s3", calls=[(table, None)], request_id="0af1c2d3-1111")
    world.run(thumb, 2, number=2, issue=key, request_id="0af1c2d3-2222")
    third = world.run(thumb, 3, number=3, calls=[(queue, None)])
    world.link(world.run(mail, 9, number=0x30, issue=type, by=queue, trigger="sqs", request_id="feed"), third)
    world.run(mail, 4, number=4, by=rule, trigger="schedule")
    fifth, sixth = world.run(thumb, 5, number=5), world.run(thumb, 6, number=6)
    batch = world.run(mail, 20, number=0x50, calls=[(table, "Throttled")])
    world.link(batch, fifth)
    world.link(batch, sixth)
    world.run(thumb, -24 * HOUR, number=7, issue=key, calls=[(table, None)])
    world.store()
    return {
        "thumb": thumb.id,
        "mail": mail.id,
        "bucket": bucket.id,
        "queue": queue.id,
        "table": table.id,
        "rule": rule.id,
        "key": key.id,
        "type": type.id,
    }


CASES: list[tuple[dict[str, object], list[int]]] = [
    ({}, [6, 5, 4, 3, 2, 1]),
    ({"function_id": "thumb"}, [6, 5, 3, 2, 1]),
    ({"function_id": "mail"}, [6, 5, 4, 3]),
    ({"function_id": "none"}, []),
    ({"issue_id": "key"}, [2]),
    ({"issue_id": "type"}, [3]),
    ({"issue_id": "none"}, []),
    ({"resource_id": "bucket"}, [1]),
    ({"resource_id": "queue"}, [3]),
    ({"resource_id": "table"}, [6, 5, 1]),
    ({"resource_id": "rule"}, [4]),
    ({"resource_id": "none"}, []),
    ({"outcome": Outcome.OK}, [6, 5, 4, 1]),
    ({"outcome": Outcome.FAILED}, [2]),
    ({"outcome": Outcome.WITH_ISSUES}, [3, 2]),
    ({"outcome": Outcome.WITH_ISSUES, "function_id": "mail"}, [3]),
    ({"function_id": "thumb", "resource_id": "table", "search": "photos"}, [1]),
    ({"function_id": 2**63}, []),
    ({"resource_id": 2**63}, []),
    ({"issue_id": -(2**64)}, []),
    ({"search": "thumb_"}, [6, 5, 3, 2, 1]),
    ({"search": "umb"}, [6, 5, 3, 2, 1]),
    ({"search": "100% <B>"}, [6, 5, 4, 3]),
    ({"search": "mails'"}, [3]),
    ({"search": "PHOTOS"}, [1]),
    ({"search": "nightly"}, [4]),
    ({"search": "sched"}, [4]),
    ({"search": "dynamo"}, [6, 5, 1]),
    ({"search": "sqs"}, [3]),
    ({"search": "sqs 1"}, []),
    ({"search": "%"}, [6, 5, 4, 3]),
    ({"search": "_n"}, [6, 5, 3, 2, 1]),
    ({"search": "zzz"}, []),
    ({"search": "' OR ''='"}, []),
    ({"search": "0af1c2d3"}, [2, 1]),
    ({"search": "0AF1C2D3-2222"}, [2]),
    ({"search": "0af1c2d3-3"}, []),
    ({"search": "feed"}, [3]),
    ({"search": trace(3).hex()}, [3]),
    ({"search": trace(0x30).hex().upper()}, [3]),
    ({"search": trace(0x50).hex()[:12]}, [6, 5]),
    ({"search": "00000002"}, [2]),
    ({"search": "0000005"}, [6, 5]),
    ({"search": "\0 "}, [6, 5, 4, 3, 2, 1]),
    ({"search": "é\ud800"}, []),
]


@pytest.mark.parametrize("few", [0, 5_000], ids=["as if frequent", "as if rare"])
def test_filters_narrow_list_and_summary(
    world: World, page: Connection, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Each filter does what it says, together they all hold, whichever plan the number of matches leads to; and the
    summary counts what the list lists."""
    monkeypatch.setattr(transaction_filter, "FEW", few)
    ids = _story(world)
    for filters, expected in CASES:
        options = {name: ids.get(value, 4711) if name.endswith("_id") and isinstance(value, str) else value
                   for name, value in filters.items()}  # fmt: skip
        found = list_transactions(page, DAY, **options)  # type: ignore[arg-type] # of each case its own
        summary = summarize_transactions(page, DAY, **options)  # type: ignore[arg-type] # of each case its own

        assert _numbers(found) == expected, filters
        assert summary.total == len(expected), filters
        assert summary.failed == sum(row.result != Result.OK for row in found.rows), filters
        assert summary.with_issues == sum(row.failed_invocations > 0 for row in found.rows), filters


def test_pages_of_a_filtered_list_follow_each_other(world: World, page: Connection) -> None:
    """The cursor works under any filter."""
    ids = _story(world)
    first = list_transactions(page, DAY, function_id=ids["mail"], search="mail", limit=3)
    second = list_transactions(page, DAY, function_id=ids["mail"], search="mail", limit=3, cursor=first.next)

    assert (_numbers(first), _numbers(second), second.next) == ([6, 5, 4], [3], None)


def test_a_short_id_may_be_a_part_of_a_name(world: World, page: Connection) -> None:
    """Hexadecimal digits find ids that begin with them and names that hold them."""
    world.run(world.function("facade"), 1, number=1)
    world.run(world.function("other"), 2, number=0xFACADE00)
    world.run(world.function("third"), 3, number=3)
    world.store()

    assert _numbers(list_transactions(page, DAY, search="facade")) == [0xFACADE00, 1]


def test_bars_hold_what_started_in_them(world: World, page: Connection) -> None:
    """The summary's charts have one bar per minute here, each with its transactions."""
    thumb = world.function("thumb")
    for at in (0, 59_999, MINUTE, 59 * MINUTE):
        world.run(thumb, at)
    world.run(thumb, MINUTE + 1, issue=world.issue(thumb, "KeyError"))
    world.run(thumb, HOUR)
    world.store()
    summary = summarize_transactions(page, TimeRange(NOON, NOON + HOUR))

    assert isinstance(summary, TransactionSummary)
    assert (summary.total, summary.failed, summary.with_issues, summary.bucket_s) == (5, 1, 1, 60)
    assert [int(point.value) for point in summary.started] == [2, 2, *[0] * 57, 1]
    assert [int(point.value) for point in summary.with_issues_trend] == [0, 1, *[0] * 58]
    assert summary.started[1].start_ms == NOON + MINUTE


def test_the_number_of_statements_is_constant(world: World, page: Connection, statements: list[str]) -> None:
    """Fifty transactions take as many statements as one."""
    for at in range(50):
        function = world.function(f"f{at}")
        world.run(function, at, issue=world.issue(function, "KeyError"), by=world.resource("s3", f"b{at}"))
    world.store()
    list_transactions(page, DAY, limit=1)
    few = len(statements)
    assert len(list_transactions(page, DAY).rows) == 50

    assert len(statements) == 2 * few <= 10
