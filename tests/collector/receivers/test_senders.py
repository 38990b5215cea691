"""What OpenTelemetry's instrumentations of Lambda and of AWS SDKs send, in every language, as functions and calls.

The files in `senders` are OTLP's JSON, as the layers and libraries of each language make it: kinds, nesting and names
of attributes are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from collector.domain.facts import Facts, Result, Side
from collector.domain.ids import hash63
from collector.domain.intake import read_traces
from collector.receivers.otlp_json import traces_to_protobuf

SENDERS = Path(__file__).parent / "senders"
LATER_MS = 1_780_000_100_000
REQUEST = "8f5d3b1c-0000-4000-8000-0000000000"


def read(name: str) -> Facts:
    return read_traces(traces_to_protobuf((SENDERS / f"{name}.json").read_bytes()), received_ms=LATER_MS).facts


@dataclass(frozen=True)
class Sent:
    """`runs` are (end of request id, result, trigger, what triggered it, services); `calls` (service, name, operation,
    error type)."""

    name: str
    function: tuple[str, str, str | None, str | None]  # name, account, runtime, architecture
    runs: tuple[tuple[str, Result, str, str, str], ...]
    calls: tuple[tuple[str, str, str, str | None], ...]
    issues: tuple[str, ...] = ()
    produced: tuple[str, ...] = ()
    consumed: tuple[str, ...] = ()
    links: int = 0


ACCOUNT = "123456789012"
SENT = [
    Sent(
        "node",
        ("orders-node", ACCOUNT, "nodejs22.x", None),
        (("01", Result.HANDLED, "sqs", "jobs", "dynamodb 1,http 1,sqs 1"),),
        (
            ("sqs", "results", "SendMessage", None),
            ("dynamodb", "orders", "PutItem", None),
            ("http", "api.example.com", "GET", "503"),
        ),
        produced=("sqs:11111111-aaaa-4000-8000-000000000001",),
        links=2,
    ),
    Sent(
        "node_http",
        ("api-node", ACCOUNT, "nodejs20.x", None),
        (("02", Result.ERROR, "http", "", ""),),
        (),
        issues=("TypeError",),
    ),
    Sent(
        "java",
        ("orders-java", ACCOUNT, "java21", None),
        (("03", Result.OK, "sqs", "jobs", "lambda 1,postgresql 1,s3 1"),),
        (
            ("s3", "texts", "PutObject", None),
            ("lambda", "thumb", "Invoke", None),
            ("postgresql", "db.internal/shop", "SELECT", None),
        ),
        produced=("s3:C3D13FE58DE4C810", f"lambda:{REQUEST}44"),
        consumed=("sqs:11111111-aaaa-4000-8000-000000000009",),
        links=1,
    ),
    Sent("java_two_roots", ("twice-java", ACCOUNT, "java17", None), (("04", Result.OK, "http", "", ""),), ()),
    Sent(
        "go",
        ("orders-go", ACCOUNT, "go1.24", "arm64"),
        (("05", Result.OK, "direct", "", "sqs 1"), ("06", Result.HANDLED, "direct", "", "dynamodb 1")),
        (("sqs", "jobs", "SendMessage", None), ("dynamodb", "orders", "GetItem", "400")),
    ),
    Sent(
        "dotnet",
        ("orders-dotnet", ACCOUNT, "dotnet8", None),
        (("07", Result.OK, "messaging", "", "microsoft.sql_server 1,sns 1"),),
        (("sns", "done", "Publish", None), ("microsoft.sql_server", "sql.internal/shop", "shop", None)),
        links=1,
    ),
    Sent(
        "ruby",
        ("orders-ruby", ACCOUNT, "ruby3", None),
        (("08", Result.ERROR, "sqs", "", "sqs 1"),),
        (("sqs", "jobs", "SendMessage", None),),
        issues=("RuntimeError",),
    ),
    Sent(
        "python",
        ("orders-python", ACCOUNT, "python3.13", None),
        (("09", Result.OK, "direct", "", "http 1,redis 1,sqs 1"),),
        (
            ("sqs", "jobs", "SendMessage", None),
            ("redis", "cache.internal", "GET", None),
            ("http", "abc.execute-api.eu-west-1.amazonaws.com", "GET", None),
        ),
        produced=("sqs:11111111-aaaa-4000-8000-000000000072", "apigateway:Xyz-1="),
    ),
]


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.name)
def test_a_function_of_any_language(sent: Sent) -> None:
    """It has its function, its invocations with their triggers and costs, its calls, its failures, and what it hands
    on."""
    facts = read(sent.name)

    [function] = facts.functions
    assert (function.kind, function.region, function.memory_mb) == ("lambda", "eu-west-1", 512)
    assert (function.name, function.account, function.runtime, function.architecture) == sent.function
    resources = {row.id: row for row in facts.resources}
    assert [
        (
            row.request_id,
            row.trigger,
            resources[row.trigger_resource_id].name if row.trigger_resource_id else "",
            row.services,
        )
        for row in facts.invocations
    ] == [(f"{REQUEST}{end}", trigger, named, services) for end, _, trigger, named, services in sent.runs]
    assert [row.result for row in facts.invocations] == [result for _, result, *_ in sent.runs]
    assert all(row.cost_pd for row in facts.invocations)
    assert [
        (resources[row.resource_id].service, resources[row.resource_id].name, row.operation, row.error_type)
        for row in facts.calls
    ] == list(sent.calls)
    assert set(sent.issues) <= {row.type for row in facts.issues}
    keys = {(row.side, row.key) for row in facts.link_keys}
    assert keys == {
        *((Side.SHARED, hash63("link", f"lambda:{REQUEST}{end}")) for end, *_ in sent.runs),
        *((Side.PRODUCED, hash63("link", key)) for key in sent.produced),
        *((Side.CONSUMED, hash63("link", key)) for key in sent.consumed),
    }
    assert len(facts.links) == sent.links


def test_a_plain_service_has_no_cost() -> None:
    """It is shown with its requests and calls, whatever it is written in."""
    facts = read("service")

    [function] = facts.functions
    assert (function.kind, function.name, function.account, function.runtime) == ("service", "shop", "", "java21")
    [request] = facts.invocations
    assert (request.trigger, request.cost_pd, request.services) == ("http", None, "kafka 1,mongodb 1,rpc 1")
    resources = {row.id: row for row in facts.resources}
    assert {(resources[row.resource_id].service, resources[row.resource_id].name) for row in facts.calls} == {
        ("kafka", "orders"),
        ("rpc", "stock.internal"),
        ("mongodb", "mongo.internal/shop"),
    }
