"""OTLP's JSON becomes the protobuf that the same export would have been."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.domain.errors import MalformedExport
from collector.receivers.otlp_json import logs_to_protobuf, traces_to_protobuf

TRACE, SPAN, PARENT = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))


def export_of(span: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def test_every_field_of_a_span() -> None:
    """Ids in hex, enums as numbers, 64-bit numbers as text or number, and bytes in base64 arrive as they are."""
    body = export_of(
        {
            "traceId": TRACE.hex(),
            "spanId": SPAN.hex().upper(),
            "parentSpanId": PARENT.hex(),
            "traceState": "a=b",
            "flags": 1,
            "name": "größer",
            "kind": 3,
            "startTimeUnixNano": "1767225600000000001",
            "endTimeUnixNano": 1767225600000000002,
            "attributes": [
                {"key": "int", "value": {"intValue": "-9007199254740993"}},
                {"key": "double", "value": {"doubleValue": 0.5}},
                {"key": "bytes", "value": {"bytesValue": base64.b64encode(b"\x00\xff").decode()}},
                {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
                {"key": "traceId", "value": {"stringValue": "not an id"}},
            ],
            "events": [{"name": "exception", "timeUnixNano": "3"}],
            "links": [{"traceId": TRACE.hex(), "spanId": PARENT.hex()}],
            "status": {"code": 2, "message": "no"},
        }
    )
    span = ExportTraceServiceRequest.FromString(traces_to_protobuf(body)).resource_spans[0].scope_spans[0].spans[0]

    assert (TRACE, SPAN, PARENT) == (span.trace_id, span.span_id, span.parent_span_id)
    assert ("a=b", 1, "größer", 3) == (span.trace_state, span.flags, span.name, span.kind)
    assert (1767225600000000001, 1767225600000000002) == (span.start_time_unix_nano, span.end_time_unix_nano)
    values = [pair.value for pair in span.attributes]
    assert (-9007199254740993, 0.5, b"\x00\xff") == (values[0].int_value, values[1].double_value, values[2].bytes_value)
    assert values[3].array_value.values[0].bool_value
    assert "not an id" == values[4].string_value
    assert ("exception", 3) == (span.events[0].name, span.events[0].time_unix_nano)
    assert (TRACE, PARENT) == (span.links[0].trace_id, span.links[0].span_id)
    assert (2, "no") == (span.status.code, span.status.message)


def test_a_log_record() -> None:
    """A log record's ids are hex, too."""
    record = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "severityNumber": 9, "body": {"stringValue": "line"}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    read = ExportLogsServiceRequest.FromString(logs_to_protobuf(body)).resource_logs[0].scope_logs[0].log_records[0]

    assert (TRACE, SPAN, 9, "line") == (read.trace_id, read.span_id, read.severity_number, read.body.string_value)


def test_unknown_fields_are_ignored_at_every_depth() -> None:
    """Fields of later versions of OTLP do no harm."""
    span = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "later": {"deep": [1, None]}, "status": {"newer": 1}}
    body = json.dumps({"x": 1, "resourceSpans": [{"y": [], "scopeSpans": [{"spans": [span]}]}]}).encode()

    assert TRACE in traces_to_protobuf(body)


def test_empty_and_null_are_nothing() -> None:
    """An empty object, empty lists and nulls are an export without spans."""
    for body in (
        b"{}",
        b'{"resourceSpans": []}',
        b'{"resourceSpans": null}',
        b'{"resourceSpans":[{"scopeSpans":null}]}',
    ):
        assert 0 == sum(
            len(scope.spans)
            for resource in ExportTraceServiceRequest.FromString(traces_to_protobuf(body)).resource_spans
            for scope in resource.scope_spans
        )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b"\xff\xfe\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b'{"resourceSpans": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b'{"resourceSpans": 5}', "no ExportTraceServiceRequest"),
        (b'{"resourceSpans": [5]}', "no ExportTraceServiceRequest"),
        (b'{"resourceSpans": {"scopeSpans": []}}', "no ExportTraceServiceRequest"),
        (export_of({"name": "\ud800"}), "no ExportTraceServiceRequest"),
        (export_of({"name": 5}), "no ExportTraceServiceRequest"),
        (export_of({"startTimeUnixNano": "-1"}), "no ExportTraceServiceRequest"),
        (export_of({"startTimeUnixNano": 1.5}), "no ExportTraceServiceRequest"),
        (export_of({"traceId": 5}), "no ExportTraceServiceRequest"),
        (export_of({"traceId": "AAECAwQFBgcICQoLDA0ODw=="}), "is not hexadecimal"),
        (export_of({"traceId": "abc"}), "is not hexadecimal"),
    ],
)
def test_what_is_malformed_is_told(body: bytes, message: str) -> None:
    """JSON that is no export is refused with a text that says what is wrong."""
    with pytest.raises(MalformedExport, match=message) as error:
        traces_to_protobuf(body)

    assert len(str(error.value)) < 300


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["resourceSpans", "scopeSpans", "spans", "links", "traceId", "spanId", "name", "kind", "attributes", "key",
             "value", "intValue", "arrayValue", "values", "startTimeUnixNano", "status", "events", "droppedEventsCount"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=30,
)  # fmt: skip


@given(JSON_VALUES)
def test_any_json_is_read_or_refused(value: object) -> None:
    """Whatever JSON comes, the outcome is protobuf bytes or a refusal, never another error."""
    for read, message in (
        (traces_to_protobuf, ExportTraceServiceRequest),
        (logs_to_protobuf, ExportLogsServiceRequest),
    ):
        for body in (json.dumps(value), json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [value]}]}]})):
            try:
                read_back = message.FromString(read(body.encode()))
            except MalformedExport:
                continue
            assert isinstance(json_format.MessageToDict(read_back), dict)
