"""The function page's queries: charts and invocations."""

from __future__ import annotations

from math import isnan

import pytest
from sqlalchemy import Connection, Engine

from collector.domain.facts import Invocation, Result
from collector.domain.intake import read_traces
from collector.store.commit import Seen, write_facts
from collector.store.queries.common import IssueLabel, ServiceCount, TimeRange
from collector.store.queries.function import InvocationPage, get_function, list_invocations
from collector.store.queries.functions import list_functions
from tests.collector.domain import otlp
from tests.collector.store.queries.world import DAY, HOUR, MINUTE, MS, NOON, World, trace

LAST_HOUR = TimeRange(NOON, NOON + HOUR)


def _spans(page: InvocationPage) -> list[int]:
    return [row.span_id for row in page.rows]


@pytest.mark.parametrize("id", [1, 2**63 - 1, 2**63, -(2**70)])
def test_no_such_function(page: Connection, id: int) -> None:
    """An id that names nothing, or cannot be one, finds nothing and is no error."""
    assert get_function(page, id, DAY) is None
    assert list_invocations(page, id, DAY) == InvocationPage((), None)


def test_a_function_that_never_ran_has_empty_charts(world: World, page: Connection) -> None:
    """All bars are there, with zeros, and with NaN where there is nothing to average."""
    quiet = world.function("quiet")
    world.store()
    found = get_function(page, quiet.id, LAST_HOUR)

    assert found is not None
    assert found.function.name == "quiet"
    assert (found.invocations_total, found.average_ms, found.p50_ms, found.p99_ms) == (0, None, None, None)
    assert (found.cost_total_pd, found.max_memory_mb, found.issues) == (0, None, ())
    charts = (found.invocations, found.errors, found.cold_starts, found.average, found.p95, found.cost)
    assert {len(chart) for chart in charts} == {60}
    assert {point.value for chart in (found.invocations, found.errors, found.cost) for point in chart} == {0}
    assert all(isnan(point.value) for chart in (found.average, found.p95) for point in chart)


def test_charts_and_totals_agree(world: World, page: Connection) -> None:
    """Each bar holds its minutes' figures, and the totals are the bars' sums."""
    thumb = world.function("thumb")
    issue = world.issue(thumb, "KeyError")
    for at in range(100):
        world.run(thumb, 10 * MINUTE + at, duration_ms=at + 1, cost_pd=5)
    world.run(thumb, 40 * MINUTE, duration_ms=3_000, cold=True, issue=issue, cost_pd=7, memory_mb=301)
    world.run(thumb, -MINUTE, issue=world.issue(thumb, "Earlier"))
    world.store()
    found = get_function(page, thumb.id, LAST_HOUR)

    assert found is not None
    assert (found.invocations_total, found.errors_total, found.cold_starts_total) == (101, 1, 1)
    assert (found.cost_total_pd, found.max_memory_mb, found.bucket_s) == (507, 301, 60)
    assert type(found.cost_total_pd) is int
    assert found.average_ms == pytest.approx((5_050 + 3_000) / 101)
    assert found.p50_ms == pytest.approx(51, rel=0.02)
    assert found.p95_ms == pytest.approx(96, rel=0.02)
    assert found.p99_ms == pytest.approx(100, rel=0.02)
    assert (found.invocations[10].value, found.invocations[40].value) == (100, 1)
    assert found.invocations[10].start_ms == NOON + 10 * MINUTE
    assert (found.errors[40].value, found.cold_starts[40].value, found.cost[40].value) == (1, 1, 7)
    assert found.average[40].value == pytest.approx(3_000)
    assert found.p95[40].value == pytest.approx(3_000, rel=0.02)
    assert sum(point.value for point in found.invocations) == 101
    assert found.issues == (IssueLabel(issue.id, "KeyError"),)


@pytest.mark.parametrize("hours", [1, 4, 24, 168, 24 * 40])
def test_long_windows_count_the_same(world: World, page: Connection, hours: int) -> None:
    """Whichever rollups a window is read from, each invocation counts once, in the bar of its time."""
    thumb = world.function("thumb")
    length = hours * HOUR
    for part in range(7):
        world.run(thumb, -length + part * length // 7 + 17 * MINUTE)
    world.store()
    found = get_function(page, thumb.id, TimeRange(NOON - length + 1, NOON + 17 * MINUTE))

    assert found is not None
    assert found.invocations_total == 7
    assert sum(point.value for point in found.invocations) == 7
    for part in range(7):
        at = NOON - length + part * length // 7 + 17 * MINUTE
        bar = next(p for p in found.invocations if p.start_ms <= at < p.start_ms + found.bucket_s * 1000)
        assert bar.value >= 1


def test_the_arn_is_known_of_lambda_functions(world: World, page: Connection) -> None:
    """Built from account and region, in the partition that the region belongs to."""
    functions = {
        "aws": world.function("a"),
        "cn": world.function("a", region="cn-north-1"),
        "gov": world.function("a", region="us-gov-west-1"),
        "no account": world.function("a", account=""),
        "service": world.function("a", kind="service"),
    }
    world.store()
    arns = {}
    for name, function in functions.items():
        found = get_function(page, function.id, DAY)
        assert found is not None
        arns[name] = found.arn

    assert arns == {
        "aws": "arn:aws:lambda:eu-west-1:123456789012:function:a",
        "cn": "arn:aws-cn:lambda:cn-north-1:123456789012:function:a",
        "gov": "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:a",
        "no account": None,
        "service": None,
    }


def test_an_invocation_tells_all_about_itself(world: World, page: Connection) -> None:
    """A row has the invocation's own figures, its transaction and its issues."""
    thumb = world.function("thumb")
    issue = world.issue(thumb, "KeyError")
    bucket = world.resource("s3", "photos")
    world.run(
        thumb,
        5,
        number=9,
        span=77,
        request_id="req-1",
        cold=True,
        issue=issue,
        duration_ms=12.5,
        trigger="sqs",
        calls=[(bucket, None), (bucket, "NoSuchKey")],
    )
    world.store()
    [row] = list_invocations(page, thumb.id, DAY).rows

    assert (row.started_ns, row.span_id, row.trace_id) == ((NOON + 5) * MS, 77, trace(9))
    assert row.transaction_ids == (trace(9),)
    assert (row.request_id, row.result, row.finished) == ("req-1", Result.ERROR, True)
    assert (row.duration_ns, row.cold_start, row.init_ns) == (12_500_000, True, 200 * MS)
    assert (row.max_memory_mb, row.cost_pd, row.trigger) == (64, 1_000, "sqs")
    assert row.services == (ServiceCount("s3", 2),)
    assert row.issues == (IssueLabel(issue.id, "KeyError"),)


def test_a_batch_belongs_to_several_transactions(world: World, page: Connection) -> None:
    """An invocation that two transactions set off names both."""
    producer, consumer = world.function("producer"), world.function("consumer")
    causes = [world.run(producer, at, number=number) for at, number in ((0, 1), (1, 2))]
    batch = world.run(consumer, 100, number=3)
    for cause in causes:
        world.link(batch, cause)
    world.store()
    [row] = list_invocations(page, consumer.id, DAY).rows

    assert row.transaction_ids == (trace(1), trace(2))


def test_pages_follow_each_other_without_gaps(world: World, page: Connection) -> None:
    """Newest first; equal starts are told apart by span, however they fall on the pages."""
    thumb = world.function("thumb")
    runs = [world.run(thumb, at, span=span) for at, span in ((0, 5), (1, -3), (1, 2), (1, 9), (1, 2**62), (2, 1))]
    world.run(world.function("other"), 1)
    world.store()
    expected = [row.span_id for row in sorted(runs, key=lambda row: (row.started_ns, row.span_id), reverse=True)]
    seen: list[int] = []
    cursor = None
    for _ in range(3):
        found = list_invocations(page, thumb.id, DAY, cursor=cursor, limit=2)
        assert len(found.rows) == 2
        seen += _spans(found)
        cursor = found.next

    assert seen == expected
    assert cursor is None
    assert _spans(list_invocations(page, thumb.id, DAY, cursor="nonsense!", limit=2)) == expected[:2]


def test_what_arrives_meanwhile_shifts_no_page(world: World, page: Connection) -> None:
    """The second page begins where the first ended, although newer invocations came since."""
    thumb = world.function("thumb")
    runs = [world.run(thumb, at) for at in range(4)]
    world.store()
    first = list_invocations(page, thumb.id, DAY, limit=2)
    page.rollback()
    world.run(thumb, 50)
    world.store()
    second = list_invocations(page, thumb.id, DAY, limit=2, cursor=first.next)

    assert _spans(second) == [runs[1].span_id, runs[0].span_id]


def _filtered(world: World) -> tuple[dict[str, Invocation], dict[str, int]]:
    thumb = world.function("thumb")
    key, timeout = world.issue(thumb, "KeyError"), world.issue(thumb, "Timeout")
    runs = {
        "ok": world.run(thumb, 1, request_id="aaaa-1"),
        "cold": world.run(thumb, 2, request_id="aaaa-2", cold=True),
        "key": world.run(thumb, 3, request_id="bb_b", issue=key),
        "key again": world.run(thumb, 4, request_id="bbxb", issue=key, cold=True),
        "timeout": world.run(thumb, 5, issue=timeout, result=Result.TIMEOUT),
        "early": world.run(thumb, -20 * HOUR, request_id="aaaa-0", issue=key),
    }
    world.store()
    return runs, {"thumb": thumb.id, "key": key.id, "timeout": timeout.id}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["timeout", "key again", "key", "cold", "ok"]),
        ({"result": Result.OK}, ["cold", "ok"]),
        ({"result": Result.TIMEOUT}, ["timeout"]),
        ({"cold_only": True}, ["key again", "cold"]),
        ({"issue": "key"}, ["key again", "key"]),
        ({"issue": "key", "cold_only": True, "result": Result.ERROR}, ["key again"]),
        ({"issue": "timeout", "result": Result.OK}, []),
        ({"issue": "none"}, []),
        ({"search": "aaaa"}, ["cold", "ok"]),
        ({"search": "aaaa-2"}, ["cold"]),
        ({"search": " bb_ "}, ["key"]),
        ({"search": "bb%"}, []),
        ({"search": "a' OR 1=1"}, []),
        ({"search": "\0"}, ["timeout", "key again", "key", "cold", "ok"]),
        ({"limit": 0}, ["timeout"]),
        ({"limit": 10_000}, ["timeout", "key again", "key", "cold", "ok"]),
    ],
)
def test_filters_narrow_the_list(world: World, page: Connection, filters: dict[str, object], found: list[str]) -> None:
    """Each filter does what it says, and together they all hold."""
    runs, ids = _filtered(world)
    options = dict(filters)
    if issue := options.pop("issue", None):
        options["issue_id"] = ids.get(str(issue), 4711)
    rows = list_invocations(page, ids["thumb"], DAY, **options)  # type: ignore[arg-type] # of each case its own

    assert _spans(rows) == [runs[name].span_id for name in found]


def test_pages_of_an_issue_follow_each_other(world: World, page: Connection) -> None:
    """The cursor works under the filter by issue too."""
    runs, ids = _filtered(world)
    first = list_invocations(page, ids["thumb"], DAY, issue_id=ids["key"], limit=1)
    second = list_invocations(page, ids["thumb"], DAY, issue_id=ids["key"], limit=1, cursor=first.next)

    assert _spans(first) + _spans(second) == [runs["key again"].span_id, runs["key"].span_id]
    assert second.next is None


def test_the_number_of_statements_is_constant(world: World, page: Connection, statements: list[str]) -> None:
    """Fifty invocations with issues take as many statements as one."""
    thumb = world.function("thumb")
    for at in range(50):
        world.run(thumb, at, issue=world.issue(thumb, f"Error{at}"))
    world.store()
    list_invocations(page, thumb.id, DAY, limit=1)
    few = len(statements)
    list_invocations(page, thumb.id, DAY)

    assert len(statements) == 2 * few <= 8


def test_handled_errors_stand_apart_and_refusals_are_told(world: World, page: Connection, database: Engine) -> None:
    """Errors that were dealt with are among the invocations, not among the failures. Refusals are no invocations."""
    thumb = world.function("thumb")
    world.run(thumb, 0)
    world.run(thumb, 1, result=Result.HANDLED)
    world.run(thumb, 2, result=Result.ERROR)
    world.store()
    for number in (1, 2):
        refused = otlp.call(
            "Lambda.Invoke",
            id=number * 16 + 1,
            trace=number,
            parent=number * 16,
            name="thumb",
            error="",
            error_type="TooManyRequestsException",
        )
        body = otlp.export(spans=[otlp.invocation(id=number * 16, trace=number), refused])
        with database.begin() as connection:
            write_facts(connection, [read_traces(body, received_ms=otlp.RECEIVED_MS).facts], Seen())
    found = get_function(page, thumb.id, DAY)
    assert found is not None
    assert (found.invocations_total, found.errors_total, found.handled_total) == (3, 1, 1)
    assert sum(point.value for point in found.handled) == 1

    window = TimeRange(otlp.START_NS // otlp.MS - 60_000, otlp.START_NS // otlp.MS + 60_000)
    refused_one = get_function(page, thumb.id, window)
    assert refused_one is not None
    assert (refused_one.refused, refused_one.throttled_calls, refused_one.invocations_total) == (2, 0, 0)
    caller = next(row for row in list_functions(page, window) if row.function.name == otlp.FUNCTION)
    detail = get_function(page, caller.function.id, window)
    assert detail is not None
    assert (detail.refused, detail.throttled_calls, detail.handled_total) == (0, 2, 2)
