"""What things cost, by part."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from collector.domain.facts import Call, Facts, Resource, Result, Tag
from collector.domain.ids import hash63
from collector.store.queries.common import TimeRange
from collector.store.queries.costs import (
    CostPart,
    IssueCost,
    TagCost,
    calls_by_service,
    cost_by_tag,
    cost_of_issue,
    tag_keys,
)
from collector.store.queries.function import get_function, list_invocations
from collector.store.queries.functions import list_functions
from collector.store.queries.retries import Retries, retries_of_issue
from collector.store.queries.system_map import get_system_map
from collector.store.queries.transaction import get_transaction
from collector.store.queries.transactions import list_transactions
from tests.collector.store.facts import BUCKET, START_NS, call, facts, function, invocation, trace
from tests.collector.store.lives import stitch, store

TABLE = Resource(hash63("table"), "dynamodb", "eu-west-1", "calls", None)
HOST = Resource(hash63("host"), "http", "", "api.example.com", None)
JOBS = Resource(hash63("jobs"), "transcribe", "eu-west-1", "", None)
DAY = TimeRange(START_NS // 1_000_000 - 3_600_000, START_NS // 1_000_000 + 86_400_000)
BEFORE = TimeRange(0, START_NS // 1_000_000 - 3_600_000)


def to(resource: Resource, *, span: int, cost_pd: int | None, number: int = 1) -> Call:
    return call(number, span=span, cost_pd=cost_pd)._replace(resource_id=resource.id)


def lived(number: int = 1, *, cost_pd: int | None = 5_000, result: Result = Result.OK, at: int = 0) -> Facts:
    """An invocation with two calls of S3, one of DynamoDB and each one whose cost is nothing and is not known."""
    calls = [
        to(BUCKET, span=number * 10 + 2, cost_pd=400, number=number),
        to(BUCKET, span=number * 10 + 3, cost_pd=5_000, number=number),
        to(TABLE, span=number * 10 + 4, cost_pd=700, number=number),
        to(HOST, span=number * 10 + 5, cost_pd=0, number=number),
        to(JOBS, span=number * 10 + 6, cost_pd=None, number=number),
    ]
    row = invocation(number, cost_pd=cost_pd, result=result, start_ms=at)
    given = facts(row._replace(calls_cost_pd=6_100, unpriced_calls=1), calls=calls)
    given.resources = [BUCKET, TABLE, HOST, JOBS]
    return given


SERVICES = (
    CostPart(None, "s3", 2, 5_400, 0),
    CostPart(None, "dynamodb", 1, 700, 0),
    CostPart(None, "transcribe", 1, None, 1),
)


def test_a_functions_calls_by_service(database: Engine) -> None:
    """Dearest first, then what is not known; what AWS charges nothing for is left out."""
    store(database, lived())
    with database.connect() as connection:
        assert calls_by_service(connection, function().id, DAY) == SERVICES
        assert calls_by_service(connection, function().id, BEFORE) == ()
        year = TimeRange(DAY.end_ms - 366 * 86_400_000, DAY.end_ms)
        assert calls_by_service(connection, function().id, year) == SERVICES
        assert calls_by_service(connection, 7, DAY) == ()
        detail = get_function(connection, function().id, DAY)
        assert detail is not None
        assert (detail.cost_total_pd, detail.calls_cost_pd, detail.unpriced_calls) == (5_000, 6_100, 1)
        assert detail.calls_by_service == SERVICES
        assert sum(point.value for point in detail.cost) == 11_100
        (row,) = list_invocations(connection, function().id, DAY).rows
        assert (row.cost_pd, row.calls_cost_pd, row.unpriced_calls) == (5_000, 6_100, 1)
        (listed,) = list_functions(connection, DAY)
        assert (listed.cost_pd, listed.calls_cost_pd, listed.whole_cost_pd) == (5_000, 6_100, 11_100)


def test_functions_are_sorted_by_their_whole_cost(database: Engine) -> None:
    store(database, lived())
    other = facts(invocation(9, name="dear", cost_pd=9_000), body=b"dear")
    other.functions = [function("dear")]
    store(database, other)
    with database.connect() as connection:
        assert [row.function.name for row in list_functions(connection, DAY, sort="cost")] == ["transcribe", "dear"]


def test_a_transactions_parts(database: Engine) -> None:
    """What its functions cost and what their calls did; the list has the same sums."""
    store(database, lived())
    stitch(database)
    with database.connect() as connection:
        (row,) = list_transactions(connection, DAY).rows
        assert (row.cost_pd, row.calls_cost_pd, row.unpriced_calls) == (5_000, 6_100, 1)
        detail = get_transaction(connection, trace(1))
        assert detail is not None
        assert (detail.cost_pd, detail.calls_cost_pd, detail.unpriced_calls) == (5_000, 6_100, 1)


def test_the_maps_edges_have_their_cost(database: Engine) -> None:
    """An edge that no price is known for has none; nor has a trigger."""
    given = lived()
    given.invocations = [given.invocations[0]._replace(trigger_resource_id=BUCKET.id)]
    store(database, given)
    with database.connect() as connection:
        system = get_system_map(connection, DAY)
    costs = {(edge.source, edge.target): (edge.cost_pd, edge.unpriced) for edge in system.edges}
    source = f"function:{function().id}"
    assert costs == {
        (source, f"resource:{BUCKET.id}"): (5_400, 0),
        (source, f"resource:{TABLE.id}"): (700, 0),
        (source, f"resource:{HOST.id}"): (0, 0),
        (source, f"resource:{JOBS.id}"): (None, 1),
        (f"resource:{BUCKET.id}", source): (None, 0),
    }
    assert [(node.cost_pd, node.calls_cost_pd) for node in system.functions] == [(5_000, 6_100)]


def test_an_issue_costs_each_attempt_that_failed_with_it(database: Engine) -> None:
    """With its calls; in the window, and in all."""
    for number, at in ((1, 0), (2, 60_000), (3, 120_000)):
        store(database, lived(number, result=Result.ERROR, at=at, cost_pd=None if number == 3 else 5_000))
    store(database, lived(4))
    issue_id = hash63("issue", str(Result.ERROR))
    with database.connect() as connection:
        assert cost_of_issue(connection, issue_id) == IssueCost(3, 10_000, 18_300, 3)
        first = TimeRange(START_NS // 1_000_000, START_NS // 1_000_000 + 1_000)
        assert cost_of_issue(connection, issue_id, first) == IssueCost(1, 5_000, 6_100, 1)
        last = TimeRange(START_NS // 1_000_000 + 120_000, START_NS // 1_000_000 + 121_000)
        assert cost_of_issue(connection, issue_id, last) == IssueCost(1, None, 6_100, 1)
        assert cost_of_issue(connection, 7) == IssueCost(0, None, 0, 0)
        assert cost_of_issue(connection, 2**70) == IssueCost(0, None, 0, 0)


def test_the_first_run_of_a_request_is_no_retry(database: Engine) -> None:
    """It may have failed otherwise, or be outside of the window. Another function's request is another one."""
    first = lived(1, result=Result.TIMEOUT)
    again = [lived(number, result=Result.ERROR, at=number * 60_000, cost_pd=number * 1_000) for number in (2, 3)]
    other = lived(4, result=Result.ERROR, at=240_000)
    foreign = facts(invocation(5, name="other", start_ms=-60_000), body=b"foreign")
    for given in (first, *again, foreign):
        given.invocations = [given.invocations[0]._replace(request_id="request-1")]
    other.invocations = [other.invocations[0]._replace(request_id=None)]
    store(database, first, *again, other, foreign)
    stitch(database)
    issue_id = hash63("issue", str(Result.ERROR))
    with database.connect() as connection:
        found = retries_of_issue(connection, issue_id, function().id, DAY)
        late = TimeRange(START_NS // 1_000_000 + 180_000, DAY.end_ms)
        assert retries_of_issue(connection, issue_id, function().id, late).count == 1
        assert retries_of_issue(connection, issue_id, function().id, BEFORE) == Retries(0, 0, 0)
    assert (found.count, found.cost_pd) == (2, 2_000 + 3_000 + 2 * 6_100)


def tagged(given: Facts, **tags: str) -> Facts:
    (row,) = given.invocations
    given.tags = [Tag(row.started_ns, row.span_id, key, value, row.function_id) for key, value in tags.items()]
    return given


def test_the_values_of_a_tag(database: Engine) -> None:
    """Dearest first; of one function where that is asked for."""
    store(database, tagged(lived(1), customer="acme", plan="free"))
    store(database, tagged(lived(2, result=Result.ERROR), customer="acme"))
    store(database, tagged(facts(invocation(3, cost_pd=50_000)), customer="<b>big</b>"))
    store(database, tagged(facts(invocation(4, cost_pd=None)), customer="unknown"))
    expected = (
        TagCost("<b>big</b>", 1, 0, 50_000, 0, 0),
        TagCost("acme", 2, 1, 10_000, 12_200, 2),
        TagCost("unknown", 1, 0, None, 0, 0, 1),
    )
    with database.connect() as connection:
        assert tag_keys(connection) == ["customer", "plan"]
        assert cost_by_tag(connection, "customer", DAY) == expected
        assert cost_by_tag(connection, "customer", DAY, function_id=function().id) == expected
        assert cost_by_tag(connection, "customer", DAY, function_id=7) == ()
        assert cost_by_tag(connection, "customer", BEFORE) == ()
        assert cost_by_tag(connection, "plan", DAY) == (TagCost("free", 1, 0, 5_000, 6_100, 1),)


@pytest.mark.parametrize("key", ["", "none", "\0", "'; DROP TABLE tag_stats; --", "x" * 10_000, "ключ"])
def test_odd_keys(database: Engine, key: str) -> None:
    with database.connect() as connection:
        assert cost_by_tag(connection, key, DAY) == ()
        assert cost_by_tag(connection, key, DAY, function_id=2**70) == ()
        assert tag_keys(connection) == []
