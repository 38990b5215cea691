from __future__ import annotations

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from collector.domain.spans import (
    CLIENT,
    MAX_DEPTH,
    Attributes,
    Event,
    LogRecord,
    Span,
    Value,
    pick_attributes,
    read_attributes,
    read_logs,
    read_span_ids,
    read_spans,
    read_value,
)
from tests.collector.domain.otlp import (
    MS,
    SECOND,
    START_NS,
    any_value,
    attributes,
    exception,
    export,
    export_logs,
    log,
    span,
    span_bytes,
    trace_bytes,
)

EVERYTHING: dict[str, Value] = {
    "text": "x",
    "empty": "",
    "number": 5,
    "zero": 0,
    "share": 0.5,
    "yes": True,
    "no": False,
    "bytes": b"\x00\xff",
    "list": ["a", 1, ["b"]],
    "map": {"a": {"b": [1.5]}},
}


def test_values_of_every_type_come_back() -> None:
    """All that an attribute can hold, empty and nested values included, is the Python value it was."""
    assert read_attributes(attributes(EVERYTHING)) == EVERYTHING
    assert pick_attributes(attributes(EVERYTHING), frozenset(EVERYTHING)) == EVERYTHING
    assert read_value(AnyValue()) is None


def test_only_wanted_attributes_are_picked() -> None:
    """Others are left alone; of a repeated key the last one counts."""
    pairs = attributes({"a": 1, "b": "x"}) + attributes({"a": 2})
    assert pick_attributes(pairs, frozenset({"a", "missing"})) == {"a": 2}
    assert read_attributes(pairs) == {"a": 2, "b": "x"}


def test_very_deep_values_end_in_none() -> None:
    """A value nested deeper than the limit is read down to it."""
    value = any_value("deep")
    for _ in range(MAX_DEPTH + 5):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    found, depth = read_value(value), 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert (found, depth) == (None, MAX_DEPTH)


def test_a_stored_span_is_read_whole() -> None:
    """Everything that was sent of a span comes back, for the transaction page."""
    sent = span(
        "S3.GetObject",
        kind=CLIENT,
        id=2,
        trace=7,
        parent=1,
        start=5 * MS,
        duration=3 * MS,
        attrs=EVERYTHING,
        error="it broke",
        events=[exception("ValueError", "boom", "stack", at=6 * MS)],
        links=[(8, 9)],
    )
    assert list(read_spans(export(resource={"service.name": "x"}, spans=[sent]))) == [
        Span(
            trace_id=trace_bytes(7),
            span_id=span_bytes(2),
            parent_span_id=span_bytes(1),
            kind=CLIENT,
            name="S3.GetObject",
            started_ns=START_NS + 5 * MS,
            ended_ns=START_NS + 8 * MS,
            failed=True,
            status_message="it broke",
            attributes=Attributes(attributes(EVERYTHING)),
            events=(
                Event(
                    "exception",
                    START_NS + 6 * MS,
                    {"exception.type": "ValueError", "exception.message": "boom", "exception.stacktrace": "stack"},
                ),
            ),
            links=((trace_bytes(8), span_bytes(9)),),
            resource={"service.name": "x"},
            scope="clew",
        )
    ]


def test_a_stored_log_record_is_read_whole() -> None:
    """Line, logger, severity and what it belongs to."""
    sent = log("a line", trace=7, span=2, at=SECOND, severity="WARN", attrs={"log.iostream": "stdout"})
    assert list(read_logs(export_logs(sent, resource={"service.name": "x"}, logger="app"))) == [
        LogRecord(
            time_ns=START_NS + SECOND,
            trace_id=trace_bytes(7),
            span_id=span_bytes(2),
            severity="WARN",
            severity_number=0,
            body="a line",
            attributes={"log.iostream": "stdout"},
            resource={"service.name": "x"},
            scope="app",
        )
    ]


def test_a_log_record_without_a_time_of_its_own_has_the_observers() -> None:
    """Records that were collected from elsewhere may hold only when they were seen."""
    sent = log("x")
    sent.time_unix_nano, sent.observed_time_unix_nano = 0, START_NS
    assert [record.time_ns for record in read_logs(export_logs(sent))] == [START_NS]


def test_only_the_spans_of_some_traces_are_read() -> None:
    """A batch may hold many transactions; a page reads its own."""
    body = export(spans=[span("a", id=1, trace=1), span("b", id=2, trace=2), span("c", id=3, trace=2)])
    wanted = {trace_bytes(2)}
    assert [found.name for found in read_spans(body, wanted)] == ["b", "c"]
    assert list(read_span_ids(body, wanted)) == [(trace_bytes(2), span_bytes(2)), (trace_bytes(2), span_bytes(3))]


def test_some_attributes_are_picked_without_the_others() -> None:
    """A page that needs one attribute of 10,000 spans reads one of each."""
    (found,) = read_spans(export(spans=[span("a", attrs={"x": 1, "y": 2})]))
    assert found.attributes.pick(frozenset({"x"})) == {"x": 1}
    assert (len(found.attributes), found.attributes["y"], sorted(found.attributes)) == (2, 2, ["x", "y"])
