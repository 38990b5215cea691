"""What pages say of money: functions, transactions and calls by part, edges of the map, and tags."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from collector.domain.facts import Facts, Result, Tag
from collector.domain.ids import hash63
from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS
from tests.collector.store import facts
from tests.collector.store.lives import stitch, store
from tests.webapp.test_lives import words
from tests.webapp.traffic import Traffic, trace_hex
from webapp.formatting.numbers import DASH

HOSTILE = "<script>alert(1)</script>"
DAY = {"range": "24h"}
FUNCTION = f"/functions/{hash63('lambda', otlp.ACCOUNT, otlp.REGION, otlp.FUNCTION):016x}"


@pytest.fixture
def priced(client: FlaskClient, engine: Engine) -> FlaskClient:
    """An invocation with calls of a known price, of one that DynamoDB itself tells, and of none."""
    consumed = {"aws.dynamodb.consumed_capacity": ['{"TableName": "t", "CapacityUnits": 4.0}']}
    tags = {"clew.tag.customer": "acme", "clew.tag.odd": HOSTILE}
    Traffic(engine).send(
        otlp.export(
            spans=[
                otlp.invocation(id=1, duration=1_000 * MS, attrs=tags),
                otlp.call("S3.PutObject", id=2, parent=1, name="b", start=MS),
                otlp.call("DynamoDB.PutItem", id=3, parent=1, name="t", start=2 * MS, attrs=consumed),
                otlp.call("Transcribe.StartTranscriptionJob", id=4, parent=1, start=3 * MS),
                otlp.call("STS.GetCallerIdentity", id=5, parent=1, start=4 * MS),
            ]
        )
    )
    return client


# By hand, in eu-west-1: 0.5 GB-s at $0.0000166667 and a request, $0.00000853; a PUT $0.000005; 4 write units of
# $0.000000705, $0.00000282: $0.00001635 together, of which the function is 52 %.
def test_a_transaction_shows_its_parts(priced: FlaskClient) -> None:
    page = words(priced.get(f"/transactions/{trace_hex(1)}").text)
    assert "Cost ≥ $0.0000 1635" in page
    assert "1 call has no known price" in page
    parts = page.partition("Part Count Cost Share")[2]
    assert f"{otlp.FUNCTION} 1 invocation ≈ $0.00000 853 52 %" in parts
    assert "S3 1 call ≈ $0.00000 500 31 %" in parts
    assert "DynamoDB 1 call ≈ $0.00000 282 17 %" in parts
    assert f"Transcribe 1 call not priced {DASH}" in parts
    assert "STS" not in parts.partition("Log")[0]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (1, "Cost ≥ $0.0000 1635 with its calls"),
        (2, "Cost ≈ $0.00000 500"),
        (3, "Cost $0.00000 282"),  # DynamoDB's own word: no estimate
        (4, f"Cost {DASH}"),
        (5, "Cost $0"),
    ],
)
def test_a_span_shows_its_cost(priced: FlaskClient, span: int, expected: str) -> None:
    panel = priced.get(f"/transactions/{trace_hex(1)}/spans/{span:016x}").text
    assert expected in words(panel)


def tried(number: int, at: int, *, error: str = "no disk", request: str = "again") -> bytes:
    """An attempt of one request, of half a GB-second and with a PUT: $0.00001353."""
    frames = 'Traceback (most recent call last):\n  File "/var/task/app.py", line 1, in handler\nOSError: no disk\n'
    run = otlp.invocation(
        id=number * 16,
        trace=number,
        start=at,
        duration=1_000 * MS,
        request=request,
        error=error,
        events=[otlp.exception("OSError", error, frames)],
    )
    put = otlp.call("S3.PutObject", id=number * 16 + 1, trace=number, parent=number * 16, name="b", start=at + MS)
    return otlp.export(spans=[run, put])


def test_what_retries_cost(client: FlaskClient, engine: Engine) -> None:
    """On the page of the issue and of the transaction, which all attempts are of."""
    traffic = Traffic(engine)
    traffic.send(tried(1, 0))
    traffic.send(tried(9, 0, request="another"))
    (issue,) = set(re.findall(r"/issues/[0-9a-f]{16}", client.get("/issues", query_string=DAY).text))
    assert "retr" not in words(client.get(issue, query_string=DAY).text)
    assert "of it" not in words(client.get(f"/transactions/{trace_hex(1)}").text)

    traffic.send(tried(2, 60_000 * MS))
    assert "Cost ≈ $0.0000 4060 of it, 1 retry: ≈ $0.0000 1353 ; ≈ $0.0000 4060 in all" in words(
        client.get(issue, query_string=DAY).text
    )
    traffic.send(tried(3, 180_000 * MS))
    assert "of it, 2 retries: ≈ $0.0000 2707" in words(client.get(issue, query_string=DAY).text)
    assert "Cost ≈ $0.0000 4060 of it, 2 retries: ≈ $0.0000 2707" in words(
        client.get(f"/transactions/{trace_hex(1)}").text
    )


def test_a_function_shows_its_parts(priced: FlaskClient) -> None:
    page = words(priced.get(FUNCTION, query_string=DAY).text)
    assert "Cost ≥ $0.0000 1635" in page
    assert f"Part Count Cost Share {otlp.FUNCTION} 1 invocation ≈ $0.00000 853 52 %" in page
    assert "Transcribe 1 call not priced" in page


def test_lists_show_whole_costs(priced: FlaskClient) -> None:
    for address in ("/", "/transactions"):
        answer = priced.get(address, query_string=DAY).text
        assert "$0.0000 1635" in words(answer)
        assert "Lambda $0.00000853, calls of other services $0.00000782 (estimated from their sizes)." in answer


def test_the_map_shows_what_edges_cost(priced: FlaskClient) -> None:
    answer = priced.get("/map", query_string=DAY).text
    assert "$0.00000 500" in words(answer)
    assert ", ≈$0.00000500</title>" in answer
    assert ", ≥$0.00001635 with its calls" in answer
    assert "not priced" in words(answer)
    assert "with its calls" in answer


@pytest.mark.parametrize("address", ["/transactions", FUNCTION])
def test_the_values_of_a_tag(priced: FlaskClient, address: str) -> None:
    """The keys stand there to be chosen; then each value with its cost, which leads to what has it."""
    page = priced.get(address, query_string=DAY).text
    assert "Cost by tag customer odd" in words(page)
    assert "tag-sums" not in page
    page = priced.get(address, query_string={**DAY, "by": "customer"}).text
    assert "customer Invocations Errors Cost acme 1 0 ≥ $0.0000 1635" in words(page)
    assert "tag=customer:acme" in page
    # A filter by a tag chooses its key.
    assert "tag-sums" in priced.get(address, query_string={**DAY, "tag": "customer:acme"}).text
    assert "No invocation" in words(priced.get(address, query_string={"range": "15m", "by": "customer"}).text)
    assert "tag-sums" not in priced.get(address, query_string={**DAY, "by": "nothing"}).text


def test_values_of_tags_are_text(priced: FlaskClient) -> None:
    page = priced.get("/transactions", query_string={**DAY, "by": "odd"}).text
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def ran(number: int, *, reported: bool = True, **said: object) -> Facts:
    """An invocation of $0.00005 that failed, which Lambda has reported on or not."""
    row = facts.invocation(
        number,
        start_ms=(otlp.START_NS - facts.START_NS) // MS + number * 1_000,
        cost_pd=50_000_000,
        result=Result.ERROR,
    )
    row = row._replace(reported_ns=10_000_000 if reported else None)._replace(**said)  # type: ignore[arg-type]
    given = facts.facts(row)
    given.tags = [Tag(row.started_ns, row.span_id, "customer", "acme", row.function_id)]
    return given


@pytest.mark.parametrize(
    ("second", "one", "both"),
    [
        (ran(2), "$0.0000 5000", "$0.000 10000"),
        (ran(2, reported=False), "≈ $0.0000 5000", "≈ $0.000 10000"),
        (ran(2, calls_cost_pd=10_000_000), "≈ $0.0000 6000", "≈ $0.000 11000"),
        (ran(2, unpriced_calls=1), "≥ $0.0000 5000", "≥ $0.000 10000"),
        (ran(2, reported=False, cost_pd=None, calls_cost_pd=10_000_000), "≥ $0.0000 1000", "≥ $0.0000 6000"),
    ],
)
def test_a_sum_says_when_a_part_is_estimated_or_unknown(
    client: FlaskClient, engine: Engine, second: Facts, one: str, both: str
) -> None:
    """On every page that adds costs up, as on the line of the invocation itself."""
    store(engine, ran(1), second)
    stitch(engine)
    (issue,) = set(re.findall(r"/issues/[0-9a-f]{16}", client.get("/issues", query_string=DAY).text))
    function = f"/functions/{facts.function().id:016x}"
    for address in ("/issues", issue, "/transactions?by=customer", f"{function}?by=customer"):
        shown = words(client.get(f"{address}{'&' if '?' in address else '?'}range=24h").text)
        assert both in shown, address
        assert ("≈" not in shown and "≥" not in shown) == (both[0] == "$"), address
    for address in ("/transactions", function, issue):
        assert one in words(client.get(address, query_string=DAY).text), address


def test_a_function_says_what_is_not_seen_without_lambdas_reports(client: FlaskClient, engine: Engine) -> None:
    function = f"/functions/{facts.function().id:016x}"
    store(engine, ran(1, reported=False))
    assert "Lambda's own reports of this function do not arrive" in words(client.get(function, query_string=DAY).text)
    store(engine, ran(2))
    assert "own reports" not in words(client.get(function, query_string=DAY).text)
