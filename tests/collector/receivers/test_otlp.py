"""What OTLP/HTTP takes and what it answers, over real HTTP."""

from __future__ import annotations

import gzip
import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.domain.facts import Signal
from collector.store.errors import Overloaded, StoreError, StoreUnavailable
from tests.collector.receivers import exports
from tests.collector.receivers.conftest import MAX_BODY, Answer, Receiving

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def status(answer: Answer) -> Status:
    assert answer.headers["content-type"] == PROTOBUF
    return Status.FromString(answer.body)


def test_traces_in_protobuf_are_stored_and_answered_with_an_empty_response(receiving: Receiving) -> None:
    """A trace export is handed to the store as it was sent, and answered 200 with an empty protobuf response."""
    body = exports.traces(spans=3)
    answer = receiving.send(body)

    assert (200, PROTOBUF, b"") == (answer.status, answer.headers["content-type"], answer.body)
    (facts,) = receiving.store.facts
    assert (Signal.TRACES, 3, body) == (facts.export.signal, facts.export.items, facts.export.body)


def test_logs_in_protobuf_are_stored(receiving: Receiving) -> None:
    """A log export is handed to the store as it was sent."""
    body = exports.logs(records=4)
    answer = receiving.send(body, path="/v1/logs")

    assert (200, b"") == (answer.status, answer.body)
    (facts,) = receiving.store.facts
    assert (Signal.LOGS, 4, body) == (facts.export.signal, facts.export.items, facts.export.body)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity", ""])
def test_encodings(receiving: Receiving, encoding: str) -> None:
    """Bodies may be gzip or plain, however the header is written."""
    body = exports.traces()
    sent = gzip.compress(body) if encoding.lower() == "gzip" else body
    answer = receiving.send(sent, headers={"content-encoding": encoding})

    assert 200 == answer.status
    assert body == receiving.store.facts[0].export.body


def test_content_type_may_have_parameters_and_capitals(receiving: Receiving) -> None:
    """A charset behind the content type, or capitals in it, change nothing."""
    assert 200 == receiving.send(exports.traces(), content_type="Application/X-Protobuf; charset=utf-8").status


def test_an_export_without_items_is_accepted_and_not_stored(receiving: Receiving) -> None:
    """An export that holds nothing is a success and sets off no commit."""
    for body in (b"", ExportTraceServiceRequest().SerializeToString()):
        answer = receiving.send(body, headers={"content-length": str(len(body))})
        assert (200, b"") == (answer.status, answer.body)

    assert [] == receiving.store.facts


def test_200_comes_only_after_the_store_returned(receiving: Receiving) -> None:
    """No answer is sent while the store has not said that the facts are durable."""
    receiving.store.open.clear()
    connection = receiving.connect()
    connection.request("POST", "/v1/traces", exports.traces(), {"content-type": PROTOBUF})
    assert connection.sock is not None
    connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.sock.recv(1)
    receiving.store.open.set()
    connection.sock.settimeout(20)
    assert 200 == connection.getresponse().status
    connection.close()


def test_partial_success_tells_what_was_refused(receiving: Receiving) -> None:
    """Spans that cannot be taken are counted in the answer, the others are stored."""
    good, bad = exports.traces(spans=2), exports.traces(spans=3, trace_id=b"short")
    answer = receiving.send(good + bad)

    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (200, 3) == (answer.status, partial.rejected_spans)
    assert "16 bytes" in partial.error_message
    assert 2 == receiving.store.facts[0].export.items
    assert {"traces": 3} == receiving.counters.rejected_items
    assert {"traces": 2} == receiving.counters.stored_items


def test_partial_success_of_logs(receiving: Receiving) -> None:
    """Log records whose trace id is damaged are counted in the answer."""
    line = {"timeUnixNano": "1767225600000000000", "traceId": "5b8eff", "body": {"stringValue": "hello"}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [line]}]}]}).encode()
    answer = receiving.send(body, path="/v1/logs", content_type=JSON)

    partial = json.loads(answer.body)["partialSuccess"]
    assert (200, "1") == (answer.status, partial["rejectedLogRecords"])
    assert "trace id" in partial["errorMessage"]
    assert [] == receiving.store.facts
    assert not ExportLogsServiceResponse().HasField("partial_success")


def test_lines_of_no_trace_are_taken_without_a_word(receiving: Receiving) -> None:
    """They are not kept, and counted."""
    line = {"timeUnixNano": "1767225600000000000", "body": {"stringValue": "hello"}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [line]}]}]}).encode()
    answer = receiving.send(body, path="/v1/logs", content_type=JSON)

    assert (200, b"{}") == (answer.status, answer.body)
    assert [] == receiving.store.facts
    assert 1 == receiving.counters.unplaced_records


def test_json_in_json_out(receiving: Receiving) -> None:
    """A JSON export is stored as protobuf and answered in JSON."""
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "eee19b7ec3c1b174",
        "name": "resize",
        "kind": 2,
        "startTimeUnixNano": "1767225600000000000",
        "endTimeUnixNano": 1767225600500000000,
        "futureField": {"is": "ignored"},
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = receiving.send(body, content_type=JSON)

    assert (200, JSON, b"{}") == (answer.status, answer.headers["content-type"], answer.body)
    stored = ExportTraceServiceRequest.FromString(receiving.store.facts[0].export.body)
    read = stored.resource_spans[0].scope_spans[0].spans[0]
    assert "5b8efff798038103d269b633813fc60c" == read.trace_id.hex()
    assert "eee19b7ec3c1b174" == read.span_id.hex()
    assert (2, 1767225600500000000) == (read.kind, read.end_time_unix_nano)


def test_malformed_protobuf(receiving: Receiving) -> None:
    """Bytes that are no protobuf are refused for good, with a Status that says so."""
    answer = receiving.send(exports.traces()[:-3])

    assert (400, 3) == (answer.status, status(answer).code)
    assert "protobuf" in status(answer).message
    assert "retry-after" not in answer.headers
    assert {"malformed": 1} == receiving.counters.refusals


def test_malformed_json_is_told_in_json(receiving: Receiving) -> None:
    """A JSON client gets its Status in JSON."""
    answer = receiving.send(b'{"resourceSpans": [', content_type=JSON)

    told = json.loads(answer.body)
    assert (400, JSON, 3) == (answer.status, answer.headers["content-type"], told["code"])
    assert told["message"].startswith("The body is not JSON")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream", "application/grpc"])
def test_other_content_types(receiving: Receiving, content_type: str | None) -> None:
    """A content type that is not OTLP's is refused with a text that names those that are."""
    answer = receiving.send(exports.traces(), content_type=content_type)

    assert 415 == answer.status
    assert b"application/x-protobuf or application/json" in answer.body
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip"])
def test_other_content_encodings(receiving: Receiving, encoding: str) -> None:
    """A content encoding that is not taken is refused with a text that names those that are."""
    answer = receiving.send(exports.traces(), headers={"content-encoding": encoding})

    assert 415 == answer.status
    assert "send gzip, zstd, deflate or identity" in status(answer).message


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(receiving: Receiving, method: str) -> None:
    """Only POST is taken; no page of another site gets leave to send by a preflight request."""
    answer = receiving.send(method=method)

    assert (405, "POST") == (answer.status, answer.headers["allow"])
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/", "/v1/traces/", "/v1/trace", "/v1/profiles", "/v1/%74races%20", "/v1/../v1/x"])
def test_unknown_paths(receiving: Receiving, path: str) -> None:
    """Under /v1/ an unknown path is told where exports go."""
    answer = receiving.send(exports.traces(), path=path)

    assert 404 == answer.status
    assert "/v1/traces" in status(answer).message


def test_overload_is_answered_429_with_retry_after(receiving: Receiving) -> None:
    """A store that takes no more makes clients come back later."""
    receiving.store.error = Overloaded("too much", 3)
    answer = receiving.send(exports.traces())

    assert (429, "3", 8) == (answer.status, answer.headers["retry-after"], status(answer).code)
    assert {("traces", 429): 1} == receiving.counters.requests


def test_a_failed_database_is_answered_503_with_retry_after(receiving: Receiving) -> None:
    """A database that failed makes clients come back later and tells them the reason."""
    receiving.store.error = StoreUnavailable("The disk is full.", 5)
    answer = receiving.send(exports.traces())

    assert (503, "5", 14) == (answer.status, answer.headers["retry-after"], status(answer).code)
    assert "The disk is full." == status(answer).message


def test_what_can_never_be_stored_is_answered_400(receiving: Receiving) -> None:
    """Facts that the database refuses for themselves are not asked for again."""
    receiving.store.error = StoreError("This export cannot be stored.")
    answer = receiving.send(exports.traces())

    assert (400, "This export cannot be stored.") == (answer.status, status(answer).message)
    assert "retry-after" not in answer.headers


def test_a_fault_of_ours_is_500_and_logged(receiving: Receiving, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody expected is answered 500 without its details, which are in the log."""
    receiving.store.error = RuntimeError("the secret detail")
    answer = receiving.send(exports.traces())

    assert (500, 13) == (answer.status, status(answer).code)
    assert b"secret" not in answer.body
    assert "the secret detail" in caplog.text


def test_a_client_learns_that_its_body_was_too_large(receiving: Receiving) -> None:
    """A client that sends its whole body before it looks for an answer gets the 413 and not a broken connection."""
    answer = receiving.send(bytes(30_000_000))

    assert 413 == answer.status
    assert f"{MAX_BODY} bytes" in status(answer).message


def test_an_oversize_body_is_refused_before_it_is_sent(receiving: Receiving) -> None:
    """A client that asks first is told that its body is too large, without sending it."""
    connection = receiving.connect()
    connection.putrequest("POST", "/v1/traces")
    connection.putheader("content-type", PROTOBUF)
    connection.putheader("content-length", str(MAX_BODY + 1))
    connection.putheader("expect", "100-continue")
    connection.endheaders()
    response = connection.getresponse()

    assert 413 == response.status
    assert f"{MAX_BODY} bytes" in Status.FromString(response.read()).message
    connection.close()


def test_a_body_at_the_limit_is_taken(receiving: Receiving) -> None:
    """The limit is the largest body that is taken, not the smallest that is not."""
    export = ExportTraceServiceRequest.FromString(exports.traces())
    filler = export.resource_spans[0].resource.attributes.add()
    filler.key = "filler"
    filler.value.string_value = "x" * (MAX_BODY - export.ByteSize() - 20)
    filler.value.string_value += "x" * (MAX_BODY - export.ByteSize())
    body = export.SerializeToString()
    assert MAX_BODY == len(body)

    assert 200 == receiving.send(body).status
    assert 413 == receiving.send(body + b"\x00").status


def test_a_bomb_is_stopped_at_the_limit(receiving: Receiving) -> None:
    """A small gzip body that becomes a large one is answered 413."""
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < MAX_BODY
    answer = receiving.send(bomb, headers={"content-encoding": "gzip"})

    assert 413 == answer.status
    assert 0 == receiving.admission.bytes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda body: body[:-5], "cut short"),
        (lambda body: body + b"more", "followed by something else"),
        (lambda body: b"no gzip at all", "not gzip"),
        (lambda body: body[:20] + b"\xff\xff\xff\xff" + body[24:], "damaged"),
        (lambda body: b"", "cut short"),
    ],
)
def test_damaged_gzip(receiving: Receiving, damage: object, message: str) -> None:
    """A gzip body that is truncated, damaged or followed by something else is refused for good."""
    assert callable(damage)
    body = damage(gzip.compress(exports.traces()))
    answer = receiving.send(body, headers={"content-encoding": "gzip", "content-length": str(len(body))})

    assert 400 == answer.status
    assert message in status(answer).message
    assert [] == receiving.store.facts


def test_several_gzip_members_are_one_body(receiving: Receiving) -> None:
    """A gzip body may be made of several members."""
    first, second = exports.traces(), exports.traces()
    answer = receiving.send(gzip.compress(first) + gzip.compress(second), headers={"content-encoding": "gzip"})

    assert 200 == answer.status
    assert first + second == receiving.store.facts[0].export.body
