"""CloudWatch Logs through Firehose's HTTP delivery, and as a subscription's own form, over real HTTP."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from collector.app.process import route
from collector.app.server import Server, bind
from collector.domain.facts import PieceKind
from collector.receivers.counters import Counters
from collector.receivers.exports import Exports
from collector.receivers.firehose import PATH, FirehoseReceiver
from collector.store.errors import StoreUnavailable
from tests.collector.domain.cloudwatch import end, message, report, request, start
from tests.collector.domain.otlp import RECEIVED_MS
from tests.collector.receivers.conftest import Answer, FakeStore
from tests.collector.receivers.conftest import request as send

KEY = "k3y with sp@ces"
LINES = [(0, start(request())), (5, "hello\n"), (10, end(request())), (10, report(request(), lasted=10.0))]
REQUEST_ID = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"


class Deliveries:
    """A server that takes deliveries, and what it was told to store."""

    def __init__(self, access_key: str | None) -> None:
        self.store, self.counters = FakeStore(), Counters()
        exports = Exports(self.store, counters=self.counters)
        receiver = FirehoseReceiver(
            exports.submit, counters=self.counters, access_key=access_key, now_ms=lambda: RECEIVED_MS
        )
        self.server = Server(
            route(receiver, receiver, receiver, receiver), bind("127.0.0.1", 0), threads=8, max_connections=128
        )
        self.server.start()

    def post(self, body: bytes, **headers: str) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=20)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            path = named.pop("path", PATH)
            return send(connection, body, path=path, content_type="application/json", headers=named)

    def deliver(self, *data: bytes, compressed: bool = True, key: str | None = KEY, **more: str) -> Answer:
        """As Firehose does; `data` are the records."""
        records = [{"data": b64encode(item).decode()} for item in data]
        body = json.dumps({"requestId": REQUEST_ID, "timestamp": RECEIVED_MS, "records": records}).encode()
        headers = {
            "X-Amz-Firehose-Protocol-Version": "1.0",
            "X-Amz-Firehose-Request-Id": REQUEST_ID,
            "X-Amz-Firehose-Source-Arn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/logs",
            "X-Amz-Firehose-Common-Attributes": '{"commonAttributes":{"architecture":"arm64"}}',
            "User-Agent": "Amazon Kinesis Data Firehose Agent/1.0",
        }
        if key is not None:
            headers["X-Amz-Firehose-Access-Key"] = key
        if compressed:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        return self.post(body, **(headers | more))


@pytest.fixture
def serve() -> Iterator[Callable[[str | None], Deliveries]]:
    started: list[Deliveries] = []

    def start_one(access_key: str | None = KEY) -> Deliveries:
        started.append(Deliveries(access_key))
        return started[-1]

    yield start_one
    for deliveries in started:
        assert deliveries.server.stop(20)


@pytest.fixture
def deliveries(serve: Callable[..., Deliveries]) -> Deliveries:
    return serve()


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def refused(answer: Answer) -> tuple[int, str]:
    """Status and message of an answer that says no in Firehose's form."""
    said = json.loads(answer.body)
    assert set(said) == {"requestId", "timestamp", "errorMessage"}
    return answer.status, said["errorMessage"]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_delivery_is_answered_as_firehose_demands(deliveries: Deliveries, compressed: bool) -> None:
    """200, JSON, no content encoding, the length, the request's own id and an integer for a time."""
    answer = deliveries.deliver(gzip.compress(encoded(message(*LINES))), compressed=compressed)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "content-encoding" not in answer.headers
    assert json.loads(answer.body) == {"requestId": REQUEST_ID, "timestamp": RECEIVED_MS}
    (facts,) = deliveries.store.facts
    assert (facts.export.items, facts.functions[0].region, facts.functions[0].architecture) == (4, "eu-west-1", "arm64")
    assert [(piece.kind, piece.billed_ms) for piece in facts.pieces] == [(PieceKind.REPORT, 11)]


def test_every_form_of_a_record_is_read(deliveries: Deliveries) -> None:
    """Gzip of one or several members, plain JSON where Firehose decompresses, several messages in one record."""
    one, two = (encoded(message((n, f"line {n}\n"), (n, report(request(n))))) for n in (1, 2))
    for record in (gzip.compress(one) + gzip.compress(two), one + two, one + b"\n" + two, gzip.compress(one + two)):
        assert deliveries.deliver(record).status == 200
    assert deliveries.deliver(gzip.compress(one), two).status == 200

    assert len({facts.export.id for facts in deliveries.store.facts}) == 1
    assert deliveries.store.facts[0].export.items == 4


def test_a_repetition_is_the_same_export(deliveries: Deliveries) -> None:
    """Firehose sends again with the same id what it had no answer for: the store knows it by its export's id."""
    for _ in range(2):
        assert deliveries.deliver(gzip.compress(encoded(message(*LINES)))).status == 200

    first, second = deliveries.store.facts
    assert first.export.id == second.export.id


def test_cloudwatchs_own_test_message_is_answered_and_not_stored(deliveries: Deliveries) -> None:
    probe = message((0, "CWL CONTROL MESSAGE: Checking health of destination Firehose."), kind="CONTROL_MESSAGE")

    assert deliveries.deliver(gzip.compress(encoded(probe))).status == 200
    assert deliveries.store.facts == []


def test_a_log_group_that_is_no_functions_is_passed_over(deliveries: Deliveries) -> None:
    """An API's access log, say. A group of a function's own choice is known by its streams' names."""
    foreign = message(*LINES, group="API-Gateway-Execution-Logs_a1b2/prod", stream="0f1e2d")
    chosen = message(*LINES, group="/shop/all", stream="2026/05/28/orders[$LATEST]0123456789abcdef0123456789abcdef")

    assert deliveries.deliver(encoded(foreign), encoded(chosen)).status == 200
    assert [row.name for facts in deliveries.store.facts for row in facts.functions] == ["orders"]


def test_the_form_of_a_subscriptions_own_function(deliveries: Deliveries) -> None:
    """Forwarded as it came; the region is in the URL."""
    data = b64encode(gzip.compress(encoded(message(*LINES)))).decode()
    answer = deliveries.post(
        encoded({"awslogs": {"data": data}}),
        path=f"{PATH}?region=eu-central-1",
        X_Amz_Firehose_Access_Key=KEY,
    )

    assert answer.status == 200
    assert deliveries.store.facts[0].functions[0].region == "eu-central-1"


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x"])
def test_another_access_key_is_refused(deliveries: Deliveries, key: str | None) -> None:
    assert refused(deliveries.deliver(encoded(message(*LINES)), key=key))[0] == 401
    assert deliveries.store.facts == []


def test_without_an_access_key_only_this_machine_may_send(serve: Callable[..., Deliveries]) -> None:
    """A proxy is on this machine too; what it passes on is not."""
    deliveries = serve(None)

    assert deliveries.deliver(encoded(message(*LINES)), key=None).status == 200
    status, said = refused(deliveries.deliver(encoded(message(*LINES)), X_Forwarded_For="203.0.113.7"))
    assert (status, "CLEW_FIREHOSE_ACCESS_KEY" in said) == (401, True)
    assert len(deliveries.store.facts) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"bare line without a message around it",
        b'"text"',
        b'{"no": "events"}',
        b"\x1f\x8bnot gzip",
        gzip.compress(encoded(message(*LINES)))[:-9],
        gzip.compress(bytes(40 * 1024 * 1024)),
    ],
)
def test_a_delivery_without_any_message_is_refused_with_the_reason(deliveries: Deliveries, data: bytes) -> None:
    """Firehose's error log shows it. Beside others such a record is left out and counted."""
    status, said = refused(deliveries.deliver(data))
    assert (status, said.startswith("Nothing of the delivery could be read")) == (400, True)

    assert deliveries.deliver(data, encoded(message(*LINES))).status == 200
    assert deliveries.counters.rejected_items["logs"] == 1
    assert deliveries.counters.stored_items["logs"] == 4


def test_what_is_no_delivery_is_refused_in_firehoses_form(deliveries: Deliveries) -> None:
    """Whatever it is, nothing breaks; the id is the header's where the body has none."""
    bodies: list[Any] = [b"", b"[]", b"{", b"{}", b'{"records": 3}', encoded({"records": [None]}), b"\xff\xfe"]
    for body in bodies:
        answer = deliveries.post(body, X_Amz_Firehose_Access_Key=KEY, X_Amz_Firehose_Request_Id="from-header")
        assert (refused(answer)[0], json.loads(answer.body)["requestId"]) == (400, "from-header")
    many = encoded({"records": [{"data": ""}] * 10_001})
    assert refused(deliveries.post(many, X_Amz_Firehose_Access_Key=KEY))[0] == 413


def test_a_body_larger_than_firehose_sends_is_refused_for_good(deliveries: Deliveries) -> None:
    """413 is final for Firehose, so nothing that it may send gets it: 64 MiB before compression."""
    bomb = gzip.compress(bytes(65 * 1024 * 1024))

    assert refused(deliveries.post(bomb, Content_Encoding="gzip", X_Amz_Firehose_Access_Key=KEY))[0] == 413


def test_a_store_that_fails_is_told_so_that_firehose_sends_again(deliveries: Deliveries) -> None:
    deliveries.store.error = StoreUnavailable("The database failed.", 1)

    assert refused(deliveries.deliver(encoded(message(*LINES)))) == (503, "The database failed.")


def test_halves_of_characters_do_not_make_a_delivery_unstorable(deliveries: Deliveries) -> None:
    """JSON can escape them; Firehose would send such a delivery for ever."""
    odd = message(
        (1, "\ud800 [ERROR] \udfff"), (2, '{"requestId": "\\ud800", "errorType": "\\ud801"}'), (3, report("\x00"))
    )

    started = {"type": "platform.initStart", "record": {"functionName": "half \ud800"}}
    named = message((1, json.dumps(started, ensure_ascii=False)), group="/shop/all", stream="one")

    assert deliveries.deliver(encoded(odd), encoded(named)).status == 200
    (facts,) = deliveries.store.facts
    for piece in facts.pieces:
        (piece.request_id + piece.error_type + piece.message).encode()
        assert "\x00" not in piece.request_id
    assert [row.name for row in facts.functions if row.name.startswith("half")] == ["half ?"]
