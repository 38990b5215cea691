"""Small bodies that would become very large in memory are refused; honest ones never are."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.receivers.crowding import SMALL, refuse_crowded
from collector.receivers.refusal import Refusal
from tests.collector.receivers import exports
from tests.collector.receivers.conftest import Receiving

MIB = 1024 * 1024


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    size, length = len(content), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def of_spans(spans: bytes) -> bytes:
    return field(1, field(2, spans))


@pytest.mark.parametrize(
    "body",
    [
        field(1, b"") * MIB,
        field(1, field(2, b"") * MIB),
        of_spans(field(2, b"") * MIB),
        of_spans(field(2, b"") * SMALL),
        of_spans(field(2, field(9, b"") * MIB)),
        of_spans(field(2, field(9, b"") * 2_000) * 600),
        # The same, behind an innocent beginning, and behind a tag that takes more bytes than it needs.
        exports.traces(3) + of_spans(field(2, b"") * MIB),
        field(1, b"\x92\x00" + field(2, field(2, b"") * MIB)[1:]),
    ],
    ids=["resources", "scopes", "spans", "few spans", "attributes", "small spans", "behind", "long tag"],
)
def test_empty_messages_by_the_million(body: bytes) -> None:
    """However deep they lie, messages of nothing are refused before anything is made of them."""
    with pytest.raises(Refusal) as refusal:
        refuse_crowded(body)

    assert (413, "crowded") == (refusal.value.status, refusal.value.reason)


def test_the_smallest_honest_spans_are_taken_in_any_number() -> None:
    """Spans with ids, times and a name of one letter, 100,000 of them, are not too many for their size."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for _ in range(100_000):
        spans.add(
            trace_id=os.urandom(16), span_id=os.urandom(8), name="x", start_time_unix_nano=1, end_time_unix_nano=2
        )
    refuse_crowded(request.SerializeToString())


def test_the_smallest_honest_log_records_are_taken_in_any_number() -> None:
    """Log records of one letter, 100,000 of them, are not too many for their size."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for _ in range(100_000):
        record = records.add(trace_id=os.urandom(16), span_id=os.urandom(8), time_unix_nano=1)
        record.body.string_value = "x"
    refuse_crowded(request.SerializeToString())


def test_a_span_of_100000_attributes_is_taken() -> None:
    """Many small attributes are not too many for their size."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    for index in range(100_000):
        span.attributes.add(key=f"{index:x}").value.int_value = 1
    refuse_crowded(request.SerializeToString())


@given(st.binary(max_size=200), st.integers(0, 3))
def test_damaged_bodies_end_the_walk_as_they_end_protobuf(noise: bytes, depth: int) -> None:
    """Whatever bytes stand where a message should be, the walk ends, and refuses nothing that protobuf can read."""
    body = noise
    for number in (2, 2, 1)[3 - depth :]:
        body = field(number, body)
    body += field(3, bytes(2 * MIB))
    try:
        refuse_crowded(body)
    except Refusal:
        has_groups = any(byte & 7 in (3, 4) for byte in noise)  # which protobuf skips and OTLP never has
        if not has_groups:
            with pytest.raises(DecodeError):
                ExportTraceServiceRequest.FromString(body)


def test_over_http(receive: Callable[..., Receiving]) -> None:
    """A crowded body is answered 413, compressed or in JSON, and the next export is taken."""
    receiving = receive(max_body=4 * MIB, max_bytes=16 * MIB)
    crowded = gzip.compress(of_spans(field(2, b"") * MIB))
    assert len(crowded) < 10_000
    answer = receiving.send(crowded, headers={"content-encoding": "gzip"})
    in_json = json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 330_000}]}]}, separators=(",", ":")
    ).encode()

    assert 413 == answer.status
    assert 413 == receiving.send(in_json, content_type="application/json").status
    assert {"crowded": 2} == receiving.counters.refusals
    assert 200 == receiving.send(exports.traces(2, payload="x" * MIB)).status


def test_json_may_have_a_quarter_of_the_size(receive: Callable[..., Receiving]) -> None:
    """JSON costs more than protobuf, so less of it is taken."""
    receiving = receive(max_body=40_000)
    answers = [
        receiving.send(json.dumps({"x": "y" * size}).encode(), content_type="application/json").status
        for size in (9_000, 11_000)
    ]

    assert [200, 413] == answers
