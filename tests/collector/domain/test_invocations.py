from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.domain.calls import make_resource
from collector.domain.facts import MAX_LINKS, Call, Capacity, Facts, Invocation, Link, LinkKey, Result, Side
from collector.domain.ids import hash63
from collector.domain.intake import read_traces
from collector.domain.spans import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER
from tests.collector.domain.otlp import (
    ACCOUNT,
    FUNCTION,
    FUNCTION_ARN,
    MS,
    RECEIVED_MS,
    REGION,
    SECOND,
    START_NS,
    Attributes,
    Id,
    call,
    export,
    invocation,
    resource,
    span,
    span_bytes,
    trace_bytes,
)

REQUEST = "8f5d3b1c-0000-4000-8000-000000000001"
FUNCTION_ID = hash63("lambda", ACCOUNT, REGION, FUNCTION)
# What opentelemetry-instrumentation-aws-lambda and the SDK's resource detectors send.
STOCK = {
    "service.name": FUNCTION,
    "faas.name": FUNCTION,
    "faas.version": "$LATEST",
    "faas.instance": "2026/05/28/[$LATEST]01",
    "faas.max_memory": 512,
    "cloud.provider": "aws",
    "cloud.region": REGION,
    "telemetry.sdk.language": "python",
}
STOCK_INVOCATION = {
    "faas.invocation_id": REQUEST,
    "cloud.resource_id": FUNCTION_ARN,
    "cloud.account.id": ACCOUNT,
    "faas.trigger": "http",
    "http.method": "GET",
    "http.route": "/orders",
    "http.status_code": 200,
}
SERVICE = {"service.name": "cart", "telemetry.sdk.language": "nodejs"}


def read(*spans: Span, described: Attributes | None = None) -> Facts:
    return read_traces(export(resource=described, spans=spans), received_ms=RECEIVED_MS).facts


def key(text: str, side: Side, *, id: int, start: int = 0, pointer: bool = False) -> LinkKey:
    return LinkKey(hash63("link", text), side, START_NS + start, id, trace_bytes(1), pointer)


def test_an_invocation_of_the_tracer() -> None:
    """Every column of an invocation, with its trigger, its calls and its cost."""
    facts = read(
        invocation(
            id=1,
            duration=99_000_001,
            attrs={
                "faas.coldstart": True,
                "clew.lambda.init_duration": 312.5,
                "clew.trigger.type": "s3",
                "clew.trigger.resource": "arn:aws:s3:::uploads",
                "clew.link.keys": ["s3:4F2A", "s3-object:uploads/a b.mp3"],
            },
        ),
        call("S3.GetObject", id=2, parent=1, name="uploads", start=MS),
        call("S3.PutObject", id=3, parent=1, name="out", start=2 * MS, keys=["s3:99AA"]),
        call("Transcribe.StartTranscriptionJob", id=4, parent=1, start=3 * MS, error="", error_type="Bad"),
    )
    uploads = make_resource("s3", "", "uploads")
    assert facts.invocations == [
        Invocation(
            started_ns=START_NS,
            span_id=1,
            trace_id=trace_bytes(1),
            function_id=FUNCTION_ID,
            request_id=REQUEST,
            duration_ns=99_000_001,
            finished=True,
            result=Result.HANDLED,
            span_result=Result.HANDLED,
            cold_start=True,
            init_ns=312_500_000,
            memory_mb=512,
            max_memory_mb=78,
            billed_ms=412,  # 99.000001 + 312.5
            cost_pd=3_633_340,  # 0.5 * 0.412 * 0.0000166667 + 0.0000002
            trigger="s3",
            trigger_resource_id=uploads.id,
            services="s3 2,transcribe 1",
            calls=3,
            call_errors=1,
            architecture="x86_64",
            calls_cost_pd=5_400_000,  # in eu-west-1 a GET of S3 is $0.0004 for 1,000, a PUT $0.005
            unpriced_calls=1,
        )
    ]
    assert facts.calls[0] == Call(
        started_ns=START_NS + MS,
        span_id=2,
        trace_id=trace_bytes(1),
        function_id=FUNCTION_ID,
        resource_id=uploads.id,
        operation="GetObject",
        duration_ns=10 * MS,
        finished=True,
        error_type=None,
        cost_pd=400_000,
    )
    assert [row.error_type for row in facts.calls] == [None, None, "Bad"]
    assert {(row.service, row.name) for row in facts.resources} == {
        ("s3", "uploads"),
        ("s3", "out"),
        ("transcribe", ""),
    }
    assert set(facts.link_keys) == {
        key("s3:99AA", Side.PRODUCED, id=3, start=2 * MS),
        key(f"lambda:{REQUEST}", Side.SHARED, id=1),
        key("s3:4F2A", Side.CONSUMED, id=1),
        key("s3-object:uploads/a b.mp3", Side.CONSUMED, id=1, pointer=True),
    }
    assert [row.id for row in facts.functions] == [FUNCTION_ID]
    assert facts.traces == {trace_bytes(1)}


@pytest.mark.parametrize(
    ("said", "capacity", "ephemeral_mb", "cost_pd"),
    [
        ({}, Capacity.ON_DEMAND, None, 8_533_350),  # 0.5 GB-s at 0.0000166667 and a request at 0.0000002
        ({"clew.lambda.capacity": "provisioned-concurrency"}, Capacity.PROVISIONED, None, 5_620_350),  # 0.0000108407
        ({"clew.lambda.capacity": "lambda-managed-instances"}, Capacity.MANAGED, None, None),
        ({"clew.lambda.capacity": "something new"}, Capacity.ON_DEMAND, None, 8_533_350),
        # … and 1,536 / 1,024 GB for a second at 0.0000000340
        ({"clew.lambda.ephemeral_storage": 2_147_483_648}, Capacity.ON_DEMAND, 2_048, 8_584_350),
        ({"clew.lambda.ephemeral_storage": 2**62}, Capacity.ON_DEMAND, 65_536, 10_692_350),
        ({"clew.lambda.ephemeral_storage": "much"}, Capacity.ON_DEMAND, None, 8_533_350),
    ],
)
def test_an_environment_of_another_price(
    said: Attributes, capacity: Capacity, ephemeral_mb: int | None, cost_pd: int | None
) -> None:
    """All invocations of an environment have its price, not only the first."""
    (row,) = read(invocation(id=1, duration=1_000 * MS), described={**resource(), **said}).invocations
    assert (row.capacity, row.ephemeral_mb, row.cost_pd) == (capacity, ephemeral_mb, cost_pd)


def test_a_restored_snapshot_is_paid_for_once() -> None:
    """Of 512 MB at $0.0001397998 a GB, by the invocation that it was restored for."""
    described = {**resource(), "cloud.region": "us-east-1"}
    first = invocation(id=1, duration=1_000 * MS, attrs={"clew.lambda.initialization_type": "snap-start"})
    second = invocation(id=2, duration=1_000 * MS)
    rows = sorted(read(first, second, described=described).invocations, key=lambda row: row.span_id)
    assert [(row.restored, row.cost_pd) for row in rows] == [(True, 78_433_250), (False, 8_533_350)]


@pytest.mark.parametrize("kind", [SERVER, CONSUMER])
@pytest.mark.parametrize("request_attribute", ["faas.invocation_id", "faas.execution"])
@pytest.mark.parametrize("parent", [b"", 77])
def test_an_invocation_of_opentelemetrys_lambda_instrumentation(
    kind: int, request_attribute: str, parent: int | bytes
) -> None:
    """Old and new names, with and without a parent from X-Ray; older versions made it CONSUMER for queues."""
    attrs: dict[str, object] = {**STOCK_INVOCATION, request_attribute: REQUEST}
    facts = read(
        span(FUNCTION, kind=kind, id=1, parent=parent, attrs=attrs),
        span(
            "S3.GetObject",
            kind=CLIENT,
            parent=1,
            attrs={"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": "GetObject", "aws.region": REGION},
        ),
        described=STOCK,
    )
    (row,) = facts.invocations
    assert (row.function_id, row.request_id, row.trigger, row.services) == (FUNCTION_ID, REQUEST, "http", "s3 1")
    assert (row.memory_mb, row.billed_ms, row.cold_start) == (512, 10, False)
    assert row.cost_pd == 283_334  # 0.5 * 0.010 * 0.0000166667 + 0.0000002 = 0.0000002833335; the half goes to even


def test_an_older_senders_arn_names_the_function() -> None:
    """`faas.id` with an alias, and nothing else that names the account."""
    attrs = {"faas.execution": REQUEST, "faas.id": FUNCTION_ARN + ":live"}
    facts = read(span(FUNCTION, kind=SERVER, attrs=attrs), described=STOCK)
    assert facts.invocations[0].function_id == FUNCTION_ID


def test_a_consumer_span_within_an_invocation_is_a_step_of_it() -> None:
    """OpenTelemetry's convention for SQS: its links tell what set the invocation off, its calls count."""
    facts = read(
        span(FUNCTION, kind=SERVER, id=1, attrs=STOCK_INVOCATION),
        span("jobs process", kind=CONSUMER, id=2, parent=1, links=[(7, 70), (8, 80), (1, 10)]),
        span("GET", kind=CLIENT, id=3, parent=2, attrs={"http.method": "GET", "net.peer.name": "x"}),
        described=STOCK,
    )
    (row,) = facts.invocations
    assert (row.span_id, row.services) == (1, "http 1")
    assert facts.links == [
        Link(trace_bytes(1), 0, trace_bytes(7), 1, 70, START_NS, 0),
        Link(trace_bytes(1), 0, trace_bytes(8), 1, 80, START_NS, 0),
    ]


def test_links_with_broken_ids_are_left_out() -> None:
    """Ids of the wrong length or all zero link to nothing."""
    broken: list[tuple[Id, Id]] = [(b"short", 1), (7, b"short"), (bytes(16), 1), (7, bytes(8))]
    assert read(invocation(links=broken)).links == []


def test_a_call_beneath_a_call_is_that_call() -> None:
    """urllib3 under requests under a hand-made client span: one call to the host, of the outermost that names it."""
    http = {"http.request.method": "GET", "server.address": "api.example.com"}
    facts = read(
        invocation(id=1),
        span("fetch", kind=CLIENT, id=2, parent=1),
        span("GET", kind=CLIENT, id=3, parent=2, attrs=http),
        span("GET", kind=CLIENT, id=4, parent=3, attrs=http),
        span("GET", kind=CLIENT, id=5, parent=4, attrs=http),
    )
    assert [row.span_id for row in facts.calls] == [3]
    assert facts.invocations[0].calls == 1


def test_the_request_beneath_an_sdk_call_is_that_call() -> None:
    """The AWS SDK for JavaScript sends SQS calls as PRODUCER, with the HTTP request as its child."""
    facts = read(
        invocation(id=1),
        span(
            "jobs send",
            kind=PRODUCER,
            id=2,
            parent=1,
            attrs={"rpc.system": "aws-api", "rpc.service": "SQS", "rpc.method": "SendMessage"},
        ),
        span("POST", kind=CLIENT, id=3, parent=2, attrs={"http.method": "POST", "net.peer.name": "sqs.amazonaws.com"}),
    )
    assert [(row.span_id, row.operation) for row in facts.calls] == [(2, "SendMessage")]


def test_an_sdk_call_beneath_an_sdk_call_is_another_one() -> None:
    """Fetching credentials from STS happens within the call that needs them."""
    facts = read(invocation(id=1), call("S3.GetObject", id=2, parent=1), call("STS.AssumeRole", id=3, parent=2))
    assert facts.invocations[0].services == "s3 1,sts 1"


def test_receiving_messages_is_a_call_of_whatever_kind() -> None:
    """Polling a queue is sent as CONSUMER by some SDKs; it is no invocation."""
    receive = {"rpc.system": "aws-api", "rpc.service": "SQS", "rpc.method": "ReceiveMessage"}
    facts = read(span("jobs receive", kind=CONSUMER, id=2, attrs=receive), described=SERVICE)
    assert (len(facts.invocations), [row.operation for row in facts.calls]) == (0, ["ReceiveMessage"])


def test_calls_belong_to_the_invocation_through_spans_between() -> None:
    """A function's own spans lie between its invocation and its calls."""
    facts = read(
        call("S3.GetObject", id=4, parent=3),
        span("step", id=3, parent=2),
        span("work", id=2, parent=1),
        invocation(id=1),
    )
    assert facts.invocations[0].calls == 1


def test_a_call_without_its_invocation_is_still_a_call() -> None:
    """The invocation may come in another export, or never."""
    facts = read(call("S3.GetObject", id=2, parent=1, name="uploads"))
    assert (len(facts.invocations), len(facts.calls), len(facts.functions)) == (0, 1, 1)


@pytest.mark.parametrize(
    ("kind", "parent", "expected"),
    [
        (SERVER, b"", True),
        (SERVER, 99, True),
        (CONSUMER, b"", True),
        (CONSUMER, 99, True),
        (INTERNAL, b"", True),
        (INTERNAL, 99, False),
        (CLIENT, b"", False),
        (PRODUCER, b"", False),
    ],
)
def test_what_a_services_run_is(kind: int, parent: int | bytes, expected: bool) -> None:
    """A service that is no Lambda function runs for each request and message that comes in, without a cost."""
    facts = read(span("x", kind=kind, parent=parent, attrs={"http.request.method": "GET"}), described=SERVICE)
    assert bool(facts.invocations) is expected
    for row in facts.invocations:
        assert (row.request_id, row.billed_ms, row.cost_pd) == (None, None, None)
    assert facts.functions[0].kind == "service"


def test_a_web_framework_within_a_lambda_function_is_a_step() -> None:
    """Flask's SERVER span below the invocation's is no second invocation, and not billed again."""
    facts = read(invocation(id=1), span("GET /orders", kind=SERVER, id=2, parent=1, attrs={"http.method": "GET"}))
    assert [row.span_id for row in facts.invocations] == [1]


def test_two_instrumentations_of_one_handler_are_one_invocation() -> None:
    """A layer and a decorator both wrapped it: the outer span counts."""
    facts = read(invocation(id=1), invocation(id=2, parent=1))
    assert [row.span_id for row in facts.invocations] == [1]


def test_a_service_that_calls_itself_runs_twice() -> None:
    """The request that a process sends to itself is a run of its own, with its own calls."""
    http = {"http.request.method": "GET", "server.address": "localhost"}
    facts = read(
        span("GET /a", kind=SERVER, id=1, attrs=http),
        span("GET", kind=CLIENT, id=2, parent=1, attrs=http),
        span("GET /b", kind=SERVER, id=3, parent=2, attrs=http),
        span("SELECT", kind=CLIENT, id=4, parent=3, attrs={"db.system": "sqlite"}),
        described=SERVICE,
    )
    assert [(row.span_id, row.services) for row in facts.invocations] == [(1, "http 1"), (3, "sqlite 1")]


def test_init_reported_by_the_extension_is_no_invocation() -> None:
    """OpenTelemetry's Lambda extension sends INIT as a root span of the function."""
    assert read(span("platform.initRuntimeDone", kind=INTERNAL), described=STOCK).invocations == []


def test_a_repeated_span_counts_once() -> None:
    """The unfinished and the finished version in one export, in either order: the finished one counts."""
    unfinished = invocation(id=1, attrs={"clew.unfinished": True}, duration=2_900 * MS)
    finished = invocation(id=1, duration=2_950 * MS)
    for spans in ((unfinished, finished), (finished, unfinished)):
        facts = read(*spans, call("S3.GetObject", id=2, parent=1), call("S3.GetObject", id=2, parent=1))
        (row,) = facts.invocations
        assert (row.finished, row.result, row.duration_ns, row.calls) == (True, Result.OK, 2_950 * MS, 1)
        assert (facts.issues, len(facts.calls), facts.export.items) == ([], 1, 4)


def test_a_timeout_is_billed_to_the_deadline() -> None:
    """Lambda bills until it stops the function; a cold start's INIT comes on top."""
    attrs = {
        "clew.unfinished": True,
        "error.type": "Sandbox.Timedout",
        "faas.coldstart": True,
        "clew.lambda.init_duration": 100.0,
    }
    (row,) = read(invocation(duration=2_900 * MS, attrs=attrs)).invocations
    assert (row.finished, row.result, row.duration_ns, row.billed_ms) == (False, Result.TIMEOUT, 2_900 * MS, 3_100)


def test_a_timeout_without_a_known_deadline_is_billed_as_long_as_seen() -> None:
    """No timeout was sent: what is known has to do."""
    attrs = {"clew.unfinished": True, "clew.lambda.timeout": None}
    (row,) = read(invocation(duration=2_900 * MS, attrs=attrs)).invocations
    assert row.billed_ms == 2_900


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"faas.coldstart": True, "clew.lambda.init_duration": 312}, (True, 312_000_000)),
        ({"faas.coldstart": "true", "clew.lambda.init_duration": "312.5"}, (True, 312_500_000)),
        ({"faas.coldstart": False, "clew.lambda.init_duration": 312.5}, (False, None)),
        ({"faas.coldstart": True}, (True, None)),
        ({"faas.coldstart": True, "clew.lambda.init_duration": float("nan")}, (True, None)),
        ({"faas.coldstart": True, "clew.lambda.init_duration": float("inf")}, (True, None)),
        ({"faas.coldstart": True, "clew.lambda.init_duration": -1.0}, (True, None)),
        ({"faas.coldstart": True, "clew.lambda.init_duration": 1e300}, (True, None)),
        ({"faas.coldstart": 1, "clew.lambda.init_duration": 1.0}, (False, None)),
    ],
)
def test_cold_starts(attrs: Attributes, expected: tuple[bool, int | None]) -> None:
    """INIT counts where the start was cold and the duration is one."""
    (row,) = read(invocation(attrs=attrs)).invocations
    assert (row.cold_start, row.init_ns) == expected


def test_two_invocations_of_one_export_have_their_own_calls() -> None:
    """An export may hold several, of several traces, that share a span id."""
    facts = read(
        invocation(id=1, trace=1, request="a"),
        invocation(id=1, trace=2, request="b", start=SECOND),
        call("S3.GetObject", id=2, parent=1, trace=2),
        call("SQS.SendMessage", id=3, parent=1, trace=1),
        call("SQS.SendMessage", id=4, parent=1, trace=1),
    )
    assert [(row.request_id, row.services) for row in facts.invocations] == [("a", "sqs 2"), ("b", "s3 1")]
    assert facts.traces == {trace_bytes(1), trace_bytes(2)}
    assert facts.functions[0].seen_ms == (START_NS + SECOND) // MS


def test_parents_in_a_cycle_belong_to_nothing() -> None:
    """Two calls that are each other's parent are calls, of no invocation."""
    facts = read(invocation(id=1), call("S3.GetObject", id=2, parent=3), call("STS.AssumeRole", id=3, parent=2))
    assert (facts.invocations[0].calls, len(facts.calls)) == (0, 2)


def test_an_invocation_that_is_its_own_parent_or_has_a_parent_of_zeros_is_a_root() -> None:
    """Both mean that there is none."""
    assert len(read(invocation(id=1, parent=1)).invocations) == 1
    assert len(read(span("x", parent=bytes(8)), described=SERVICE).invocations) == 1


def test_a_result_is_known_by_its_request() -> None:
    """A destination's record names the request; the invocation of that request needs no other key."""
    facts = read(invocation(id=2, request="later", attrs={"clew.link.keys": [f"lambda-result:{REQUEST}"]}))
    assert set(facts.link_keys) == {
        key("lambda:later", Side.SHARED, id=2),
        key(f"lambda:{REQUEST}", Side.RESULT, id=2),
    }


def test_hostile_link_keys_are_bounded() -> None:
    """Of 20,000 keys as many are taken as the largest batch holds, each once; other types are none."""
    facts = read(invocation(attrs={"clew.link.keys": [f"sqs:{number}" for number in range(20_000)]}))
    assert len(facts.link_keys) == MAX_LINKS
    assert len(read(invocation(attrs={"clew.link.keys": ["a", "a", "", 5, None, ["b"]]})).link_keys) == 3
    assert len(read(invocation(attrs={"clew.link.keys": "s3:4F2A"})).link_keys) == 1


def test_the_longest_object_name_is_a_link_key() -> None:
    """Two objects whose keys differ in their last character are two."""
    name = "s3-object:" + "b" * 63 + "/" + "k" * 1_023
    one, other = (read(invocation(attrs={"clew.link.keys": [name + end]})).link_keys[1] for end in "ab")
    assert one.key != other.key


def test_a_long_list_of_services_is_cut() -> None:
    """The list that is stored with an invocation names 32 services, most called first."""
    calls = [call(f"Service{number}.Do", parent=1) for number in range(50)]
    twice = [call("S3.GetObject", parent=1), call("S3.GetObject", parent=1)]
    (row,) = read(invocation(id=1), *calls, *twice).invocations
    services = row.services.split(",")
    assert (len(services), services[0], row.calls) == (32, "s3 2", 52)


def test_numbers_fit_their_columns() -> None:
    """Memory, timeout and durations that cannot be do not overflow what they are stored and summed in."""
    huge = 2**62
    attrs = {
        "clew.lambda.timeout": huge,
        "clew.lambda.max_memory_used": 2**63 - 1,
        "clew.unfinished": True,
        "error.type": "Sandbox.Timedout",
    }
    facts = read(invocation(attrs=attrs, start=-365 * 86_400 * SECOND, duration=365 * 86_400 * SECOND))
    (row,) = facts.invocations
    assert row.duration_ns == 86_400 * SECOND
    assert row.max_memory_mb == 2**31 - 1
    assert row.billed_ms == 900_000
    described = resource(faas__max_memory=huge)
    (row,) = read(invocation(), described=described).invocations
    assert (row.memory_mb, row.cost_pd) == (None, None)


def test_span_ids_are_signed_numbers() -> None:
    """An id with its highest bit set is a negative number in the tables."""
    (row,) = read(invocation(id=b"\xff" * 8)).invocations
    assert row.span_id == -1
    assert span_bytes(2**64 - 1) == b"\xff" * 8
