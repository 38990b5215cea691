"""Who may send: over HTTP, gRPC and Firehose, with and without a token."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from collector.domain.facts import Facts
from collector.receivers.admission import Admission
from collector.receivers.allowance import BURST_S
from collector.receivers.authentication import Authentication
from collector.receivers.counters import Counters
from collector.receivers.exports import Exports
from collector.receivers.firehose import FirehoseReceiver
from collector.receivers.otlp_grpc import GrpcServer, OtlpService
from collector.receivers.refusal import Refusal
from collector.store.tokens import Limits, Scope
from tests.collector.receivers import exports
from tests.collector.receivers.conftest import FakeStore, Receiving
from tests.collector.receivers.tokens import FakeTokens, authentication

LIMITED = Limits(max_body_bytes=10_000, max_requests_s=1)
METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def tokens() -> FakeTokens:
    tokens = FakeTokens()
    tokens.make("good")
    tokens.make("limited", limits=LIMITED)
    tokens.make("small", limits=Limits(max_body_bytes=10))
    tokens.make("eyes", Scope.DASHBOARD)
    return tokens


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def required(receive: Callable[..., Receiving], tokens: FakeTokens) -> Receiving:
    """A collector that always asks for a token."""
    return receive(authentication=authentication(tokens))


@pytest.fixture
def private(receive: Callable[..., Receiving], tokens: FakeTokens) -> Receiving:
    """A collector that only this machine can reach."""
    return receive(authentication=authentication(tokens, always=False))


@pytest.mark.parametrize(
    "value",
    ["Bearer good", "bearer good", "BEARER  good ", "Bearer%20good"],
    ids=["plain", "lower", "spaces", "encoded"],
)
def test_a_token_lets_in(required: Receiving, value: str) -> None:
    """As HTTP writes it, and as exporters do that do not decode OTEL_EXPORTER_OTLP_HEADERS."""
    assert 200 == required.send(exports.traces(), headers={"Authorization": value}).status
    assert 1 == len(required.store.facts)


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        (None, 401, "clew tokens create"),
        ("", 401, "clew tokens create"),
        ("Bearer ", 401, "clew tokens create"),
        ("Basic good", 401, "clew tokens create"),
        ("good", 401, "clew tokens create"),
        ("Bearer unknown", 401, "not known here, or was revoked"),
        ("Bearer good good", 401, "not known here, or was revoked"),
        ("Bearer \xfc\xff", 401, "clew tokens create"),  # no header that HTTP has: the server leaves it out
        ("Bearer " + "x" * 4000, 401, "not known here, or was revoked"),
        ("Bearer eyes", 403, "for signing in to the dashboard"),
    ],
)
def test_anything_else_is_refused(required: Receiving, value: str | None, status: int, said: str) -> None:
    """With a reason, in the content type of the request, and nothing of it is stored or echoed."""
    headers = {} if value is None else {"Authorization": value}
    answer = required.send(b"{}", content_type="application/json", headers=headers)

    assert status == answer.status
    assert said in json.loads(answer.body)["message"]
    assert b"Bearer unknown" not in answer.body
    assert (status == 401) == (answer.headers.get("www-authenticate") == "Bearer")
    assert [] == required.store.facts
    assert {"unauthenticated" if status == 401 else "forbidden": 1} == required.counters.refusals


def test_protobuf_clients_get_a_status(required: Receiving) -> None:
    """google.rpc.Status with the code that gRPC would have."""
    status = status_pb2.Status.FromString(required.send(exports.traces()).body)
    assert 16 == status.code
    status = status_pb2.Status.FromString(required.send(exports.traces(), headers=bearer("eyes")).body)
    assert 7 == status.code


def test_a_refusal_reaches_a_sender_with_a_large_body(required: Receiving) -> None:
    """It reads the answer, though nobody reads what it sends."""
    for _ in range(5):
        assert 401 == required.send(b"x" * 90_000).status


def test_a_revoked_token_is_refused(required: Receiving, receive: Callable[..., Receiving]) -> None:
    """On the same connection too, once the process knows."""
    tokens = FakeTokens()
    digest = tokens.make("soon gone")
    auth = authentication(tokens)
    collector = receive(authentication=auth)
    assert 200 == collector.send(exports.traces(), headers=bearer("soon gone")).status
    del tokens.tokens[digest]
    auth._keyring.refresh()
    assert 401 == collector.send(exports.traces(), headers=bearer("soon gone")).status


def test_a_token_that_sends_too_much(required: Receiving) -> None:
    """429 with Retry-After, for that token alone."""
    for _ in range(BURST_S):
        assert 200 == required.send(exports.traces(), headers=bearer("limited")).status
    answer = required.send(exports.traces(), headers=bearer("limited"))
    assert (429, "1") == (answer.status, answer.headers["retry-after"])
    assert 8 == status_pb2.Status.FromString(answer.body).code
    assert {"rate_limited": 1} == required.counters.refusals
    assert 200 == required.send(exports.traces(), headers=bearer("good")).status


def test_a_token_that_sends_too_large(required: Receiving) -> None:
    """413 with its own limit."""
    answer = required.send(exports.traces(), headers=bearer("small"))
    assert 413 == answer.status
    assert b"larger than 10 bytes" in answer.body


def test_on_this_machine_none_is_needed(private: Receiving) -> None:
    """One that is sent counts if it is known, and is left alone if not."""
    for headers in ({}, bearer("good"), bearer("unknown"), bearer("eyes"), {"Authorization": "Basic x"}):
        assert 200 == private.send(exports.traces(), headers=headers).status
    assert 413 == private.send(exports.traces(), headers=bearer("small")).status


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto"])
def test_through_a_proxy_it_is_needed(private: Receiving, header: str) -> None:
    """The proxy is on this machine; who sends is not."""
    assert 401 == private.send(exports.traces(), headers={header: "1.1 x"}).status
    assert 200 == private.send(exports.traces(), headers={header: "1.1 x"} | bearer("good")).status


def test_web_pages_cannot_send(private: Receiving) -> None:
    """A site that somebody visits on this machine, even under our own name (DNS rebinding), is told by its Origin."""
    for origin in ("https://evil.example", f"http://127.0.0.1:{private.port}", "null"):
        answer = private.send(b"{}", content_type="application/json", headers={"Origin": origin})
        assert 403 == answer.status
    assert [] == private.store.facts
    assert 200 == private.send(exports.traces(), headers={"Origin": "https://app.example"} | bearer("good")).status


@pytest.fixture
def export(tokens: FakeTokens, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Sends over gRPC to a collector that asks for a token; returns code, details and seconds to wait."""
    always = getattr(request, "param", True)
    counters = Counters()
    admission = Admission(max_requests=8, max_bytes=1_000_000)
    service = OtlpService(
        Exports(FakeStore(), counters=counters),
        admission=admission,
        counters=counters,
        authentication=authentication(tokens, always=always),
    )
    server = GrpcServer(service, "127.0.0.1:0", max_message_bytes=100_000)
    server.start()

    def send(*metadata: tuple[str, str]) -> tuple[grpc.StatusCode, str, int | None]:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            try:
                channel.unary_unary(METHOD)(exports.traces(), timeout=20, metadata=metadata)
            except grpc.RpcError as error:
                wait = None
                for name, value in error.trailing_metadata():
                    if name == "grpc-status-details-bin":
                        for detail in status_pb2.Status.FromString(value).details:
                            wait = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay.seconds
                return error.code(), error.details(), wait
        return grpc.StatusCode.OK, "", None

    yield send
    assert server.stop(20)()


def test_grpc(export: Callable[..., Any]) -> None:
    """The same over gRPC, whose metadata carries the token."""
    assert grpc.StatusCode.OK == export(("authorization", "Bearer good"))[0]
    code, said, wait = export()
    assert (grpc.StatusCode.UNAUTHENTICATED, None) == (code, wait)
    assert "clew tokens create" in said
    assert grpc.StatusCode.UNAUTHENTICATED == export(("authorization", "Bearer unknown"))[0]
    assert grpc.StatusCode.PERMISSION_DENIED == export(("authorization", "Bearer eyes"))[0]
    code, said, wait = export(("authorization", "Bearer small"))
    assert (grpc.StatusCode.INVALID_ARGUMENT, None) == (code, wait)
    for _ in range(BURST_S):
        assert grpc.StatusCode.OK == export(("authorization", "Bearer limited"))[0]
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 1) == export(("authorization", "Bearer limited"))[::2]


@pytest.mark.parametrize("export", [False], indirect=True)
def test_grpc_on_this_machine(export: Callable[..., Any]) -> None:
    """Needs none, unless a proxy passed it on."""
    assert grpc.StatusCode.OK == export()[0]
    assert grpc.StatusCode.OK == export(("authorization", "Bearer unknown"))[0]
    assert grpc.StatusCode.UNAUTHENTICATED == export(("x-forwarded-for", "203.0.113.7"))[0]
    assert grpc.StatusCode.OK == export(("x-forwarded-for", "203.0.113.7"), ("authorization", "Bearer good"))[0]


def deliver(authentication: Authentication | None, key: str | None = None, **headers: str) -> int:
    """What an empty delivery is answered."""

    def submit(_facts: Facts) -> None:
        raise AssertionError

    receiver = FirehoseReceiver(submit, counters=Counters(), access_key=key, authentication=authentication)
    body = json.dumps({"requestId": "r", "records": []}).encode()
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }

    def start_response(
        status: str, _headers: list[tuple[str, str]], _error: object = None, /
    ) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    receiver(environ, start_response)
    return int(statuses[0][:3])


def test_firehose(tokens: FakeTokens) -> None:
    """An ingest token is an access key; the one that is set stays good beside it."""
    always = authentication(tokens)
    assert 401 == deliver(always)
    assert 200 == deliver(always, x_amz_firehose_access_key="good")
    assert 200 == deliver(always, authorization="Bearer good")
    assert 401 == deliver(always, x_amz_firehose_access_key="eyes")
    assert 401 == deliver(always, x_amz_firehose_access_key="unknown")
    assert 413 == deliver(always, x_amz_firehose_access_key="small")
    assert 200 == deliver(always, "set", x_amz_firehose_access_key="set")
    assert 200 == deliver(always, "set", x_amz_firehose_access_key="good")
    assert 401 == deliver(always, "set", x_amz_firehose_access_key="unknown")
    for _ in range(BURST_S):
        assert 200 == deliver(always, x_amz_firehose_access_key="limited")
    assert 429 == deliver(always, x_amz_firehose_access_key="limited")


def test_firehose_on_this_machine(tokens: FakeTokens) -> None:
    """Without a key of its own it needs none, unless a proxy or a web page sends."""
    private = authentication(tokens, always=False)
    assert 200 == deliver(private)
    assert 200 == deliver(private, x_amz_firehose_access_key="unknown")
    assert 401 == deliver(private, x_forwarded_for="203.0.113.7")
    assert 401 == deliver(private, origin="https://evil.example")
    assert 401 == deliver(private, "set")


def test_a_refusal_says_nothing_of_the_secret(tokens: FakeTokens) -> None:
    """Neither its text nor its representation."""
    with pytest.raises(Refusal) as raised:
        authentication(tokens).http({"HTTP_AUTHORIZATION": "Bearer s3cret"})
    assert "s3cret" not in str(raised.value) + repr(raised.value)
