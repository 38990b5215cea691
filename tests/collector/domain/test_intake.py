from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.domain.errors import MalformedExport
from collector.domain.facts import MAX_LINKS, Facts, Signal
from collector.domain.functions import RESOURCE_ATTRIBUTES
from collector.domain.intake import Intake, read_logs, read_traces
from collector.domain.invocations import SPAN_ATTRIBUTES
from collector.domain.spans import CLIENT, SERVER, Value, read_spans
from collector.domain.spans import read_logs as read_stored_logs
from tests.collector.domain.otlp import (
    MS,
    RECEIVED_MS,
    SECOND,
    START_NS,
    call,
    exception,
    export,
    export_logs,
    invocation,
    log,
    resource,
    resource_spans,
    span,
    trace_bytes,
)
from tests.collector.domain.test_values import SCALARS

DAY = 86_400 * SECOND


def traces(body: bytes) -> Intake:
    return read_traces(body, received_ms=RECEIVED_MS)


def logs(body: bytes) -> Intake:
    return read_logs(body, received_ms=RECEIVED_MS)


def rows(facts: Facts) -> list[object]:
    """Everything that a table gets of them."""
    values = [getattr(facts, field.name) for field in dataclasses.fields(facts)]
    return [value for value in values if isinstance(value, list)]


def test_an_export_is_stored_as_it_came() -> None:
    """The very bytes, counted, and named by time and content."""
    body = export(spans=[call("S3.GetObject", parent=1, start=MS), invocation(id=1)])
    found = traces(body)
    assert (found.rejected, found.reason) == (0, "")
    stored = found.facts.export
    assert (stored.signal, stored.items, stored.received_ms, stored.body) == (Signal.TRACES, 2, RECEIVED_MS, body)
    assert stored.id[:8] == START_NS.to_bytes(8, "big")


def test_the_same_bytes_are_the_same_facts() -> None:
    """A request sent again says nothing new."""
    body = export(spans=[invocation(id=1, error="", events=[exception("X", "y")]), call("S3.GetObject", parent=1)])
    assert traces(body) == traces(body)
    assert traces(body).facts.export.id != traces(export(spans=[invocation(id=2)])).facts.export.id


@pytest.mark.parametrize("read", [traces, logs])
def test_an_empty_request_holds_nothing(read: object) -> None:
    """No items and nothing to store, but no error either: OTLP allows it."""
    assert callable(read)
    found = read(b"")
    assert (found.facts.export.items, found.rejected, found.reason) == (0, 0, "")
    assert not any(rows(found.facts))
    assert found.facts.traces == set()


def test_a_resource_without_spans_is_nothing() -> None:
    """Empty levels are passed over."""
    found = traces(export(resource_spans(resource(), [])))
    assert (found.facts.export.items, found.facts.functions) == (0, [])


@pytest.mark.parametrize("body", [b"\x0a\x05ab", b"{}", b"\xff" * 100, export(spans=[invocation()])[:-3]])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    """Truncated, JSON, noise: one error that says what was expected."""
    with pytest.raises(MalformedExport, match="no ExportTraceServiceRequest"):
        traces(body)


def test_text_that_is_not_utf_8_is_malformed() -> None:
    """protobuf's strings are UTF-8; lone surrogates are not."""
    body = export(spans=[invocation("audio")])
    for broken in (b"\xff\xfeaud", b"a\xed\xa0\x80d"):
        with pytest.raises(MalformedExport):
            traces(body.replace(b"audio", broken))


BAD_SPANS = [
    (span("x", trace=b"short"), "trace id"),
    (span("x", trace=b""), "trace id"),
    (span("x", trace=bytes(16)), "trace id"),
    (span("x", trace=b"l" * 17), "trace id"),
    (span("x", id=b"short"), "span id"),
    (span("x", id=b""), "span id"),
    (span("x", id=bytes(8)), "span id"),
    (span("x", id=b"l" * 16), "span id"),
    (span("x", start=-START_NS, duration=0), "times"),
    (span("x", start=-START_NS + 1_420_070_400 * SECOND - 1), "times"),
    (span("x", start=2 * DAY), "times"),
    (span("x", duration=2 * DAY), "times"),
    (span("x", start=2_200_000_000 * SECOND), "times"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_SPANS, ids=range(len(BAD_SPANS)))
def test_a_bad_span_is_refused_and_the_rest_kept(bad: Span, reason: str) -> None:
    """The stored body holds only what was taken, the facts speak of nothing else, and the sender is told why."""
    good = [invocation(id=1), call("S3.GetObject", id=2, parent=1)]
    found = traces(export(spans=[bad, good[0], bad, bad, good[1]]))
    assert found.rejected == 3
    assert found.reason.startswith("3 span(s) refused: ")
    assert reason in found.reason
    stored = found.facts.export
    assert (stored.items, [item.span_id[-1] for item in read_spans(stored.body)]) == (2, [1, 2])
    assert rows(found.facts) == rows(traces(export(spans=good)).facts)
    assert found.facts.traces == {trace_bytes(1)}


def test_what_was_kept_is_found_again_when_resent_alone() -> None:
    """The export without the bad span has the id that the cleaned one has."""
    good = invocation(id=1)
    cleaned = traces(export(spans=[BAD_SPANS[0][0], good])).facts.export
    assert cleaned.id == traces(export(spans=[good])).facts.export.id


def test_an_export_of_only_bad_spans_is_refused_whole() -> None:
    """Nothing is left to store."""
    found = traces(export(spans=[bad for bad, _ in BAD_SPANS]))
    assert (found.rejected, found.facts.export.items) == (len(BAD_SPANS), 0)
    assert list(read_spans(found.facts.export.body)) == []
    assert not any(rows(found.facts))


def test_a_clock_may_be_a_day_ahead() -> None:
    """Skew is no reason to lose a span."""
    assert traces(export(spans=[invocation(start=DAY - SECOND)])).rejected == 0


def test_a_span_that_ends_before_it_starts_takes_no_time() -> None:
    """An end of zero, or clocks that went back."""
    item = invocation()
    item.end_time_unix_nano = 0
    assert traces(export(spans=[item])).facts.invocations[0].duration_ns == 0


def test_a_resource_that_is_repeated_is_one_process() -> None:
    """Some senders repeat it for each scope: an invocation and its calls still belong together."""
    own = resource()
    body = export(
        resource_spans(own, [call("S3.GetObject", id=2, parent=1)], scope="botocore"),
        resource_spans(resource("other"), [call("S3.GetObject", id=3, parent=1)]),
        resource_spans(own, [invocation(id=1)], scope="lambda"),
    )
    facts = traces(body).facts
    assert [row.calls for row in facts.invocations] == [1]
    assert {row.name for row in facts.functions} == {"audio-to-text", "other"}


def test_a_large_resource_is_read_like_a_small_one() -> None:
    """Only small ones are remembered from one request to the next."""
    small = traces(export(spans=[invocation(id=1)])).facts
    large = traces(export(resource=resource(junk="x" * 10_000), spans=[invocation(id=1)])).facts
    assert rows(large) == rows(small)


def test_a_hundred_thousand_attributes() -> None:
    """They are passed over; those that count are read, of repeated ones the last."""
    attrs: dict[str, object] = {f"junk.{number}": number for number in range(100_000)}
    item = invocation(id=1, attrs=attrs)
    item.attributes.extend(invocation(request="last").attributes)
    (row,) = traces(export(spans=[item])).facts.invocations
    assert row.request_id == "last"


@pytest.mark.parametrize("name", sorted(SPAN_ATTRIBUTES | RESOURCE_ATTRIBUTES))
def test_a_huge_attribute_leaves_short_rows(name: str) -> None:
    """A megabyte of NUL in any attribute, or in a list, is cut to what its column is for."""
    huge = "\x00" * 1_000_000
    for value in (huge, [huge, huge], {huge: huge}):
        described = {**resource(), name: value}
        items = [invocation(id=1, attrs={name: value}), call("S3.GetObject", parent=1, attrs={name: value})]
        assert_all_fit(traces(export(resource=described, spans=items)).facts)


def test_twenty_megabytes_in_one_attribute() -> None:
    """A payload stays bytes in the stored body."""
    body = export(spans=[invocation(attrs={"clew.event": "x" * 20_000_000})])
    assert traces(body).facts.export.body is body


def test_ten_thousand_bad_spans_among_good_ones() -> None:
    """Refusing every other span takes time in proportion to the spans, and keeps the good ones' order."""
    good, bad = invocation(id=1).SerializeToString(), BAD_SPANS[0][0].SerializeToString()
    request = ExportTraceServiceRequest.FromString(export(spans=[invocation(id=9)]))
    spans = request.resource_spans[0].scope_spans[0].spans
    del spans[:]
    for number in range(1, 10_001):
        item = Span.FromString(good)
        item.span_id = number.to_bytes(8, "big")
        spans.extend([item, Span.FromString(bad)])
    found = traces(request.SerializeToString())
    assert (found.rejected, found.facts.export.items) == (10_000, 10_000)
    kept = [int.from_bytes(item.span_id) for item in read_spans(found.facts.export.body)]
    assert kept == list(range(1, 10_001))


def test_an_export_of_logs() -> None:
    """Only which traces it speaks of; the lines stay in the body. Nobody need have heard of the trace."""
    body = export_logs(log("a", trace=7, at=SECOND), log("b", trace=8, span=5))
    found = logs(body)
    stored = found.facts.export
    assert (found.rejected, stored.signal, stored.items, stored.body) == (0, Signal.LOGS, 2, body)
    assert stored.id[:8] == START_NS.to_bytes(8, "big")
    assert found.facts.traces == {trace_bytes(7), trace_bytes(8)}
    assert not any(rows(found.facts))


@pytest.mark.parametrize(
    "bad",
    [
        log("x", trace=b"short"),
        log("x", at=-START_NS),
        log("x", at=2 * DAY),
    ],
    ids=range(3),
)
def test_a_bad_log_record_is_refused_and_the_rest_kept(bad: object) -> None:
    """No page could show a line of a damaged id or without a time."""
    good = log("good")
    found = logs(export_logs(bad, good, bad))  # type: ignore[arg-type]  # parametrize hands it over as object
    assert found.rejected == 2
    assert found.reason.startswith("2 log record(s) refused: ")
    assert [record.body for record in read_stored_logs(found.facts.export.body)] == ["good"]
    assert found.facts.export.id == logs(export_logs(good)).facts.export.id


@pytest.mark.parametrize("trace", [b"", bytes(16)])
def test_lines_of_no_trace_are_taken_and_not_kept(trace: bytes) -> None:
    """Every program logs outside of spans: its exporter is not to warn of it each time."""
    found = logs(export_logs(log("x", trace=trace), log("good"), log("y", trace=trace)))
    assert (found.rejected, found.reason, found.unplaced) == (0, "", 2)
    assert [record.body for record in read_stored_logs(found.facts.export.body)] == ["good"]


def test_malformed_logs() -> None:
    """One error that says what was expected."""
    with pytest.raises(MalformedExport, match="no ExportLogsServiceRequest"):
        logs(b"\x0a\x05ab")


def test_traces_sent_where_logs_belong() -> None:
    """A message of the other signal is malformed, or nothing in it fits."""
    for read, body in ((logs, export(spans=[invocation()])), (traces, export_logs(log("x")))):
        try:
            assert read(body).facts.export.items == 0
        except MalformedExport:
            continue


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    """Nothing else is ever raised."""
    for read in (traces, logs):
        try:
            found = read(body)
        except MalformedExport:
            continue
        assert found.facts.export.items >= 0


@given(st.data())
def test_any_damage_is_read_or_malformed(data: st.DataObject) -> None:
    """A real export with some bytes replaced is read, or refused with the one error."""
    body = bytearray(
        export(spans=[invocation(id=1, error="", events=[exception("X", "y", "z")]), call("S3.GetObject", parent=1)])
    )
    for position in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=8)):
        body[position] = data.draw(st.integers(0, 255))
    try:
        found = traces(bytes(body))
    except MalformedExport:
        return
    assert found.rejected + found.facts.export.items <= 2


attribute_values = SCALARS.filter(
    lambda value: not isinstance(value, int) or -(2**63) <= value < 2**63
) | st.sampled_from(
    ["aws-api", "aws_sqs", "S3/GetObject", "arn:aws:s3:::x", "Sandbox.Timedout", True, 2**63 - 1, -(2**63)]
)
attribute_maps = st.dictionaries(
    st.sampled_from(sorted(SPAN_ATTRIBUTES | RESOURCE_ATTRIBUTES)),
    attribute_values | st.lists(attribute_values, max_size=3),
    max_size=8,
)
ids = st.integers(0, 5)
any_span = st.builds(
    span,
    st.text(max_size=20),
    kind=st.integers(0, 5) | st.sampled_from([CLIENT, SERVER]),
    id=ids | st.binary(max_size=9),
    trace=ids,
    parent=ids | st.binary(max_size=9),
    start=st.sampled_from([0, MS, SECOND, 3 * DAY, -START_NS]),
    duration=st.sampled_from([0, 1, MS, DAY, 400 * DAY]),
    attrs=attribute_maps,
    error=st.none() | st.text(max_size=50),
    events=st.lists(st.builds(exception, st.text(max_size=20), st.text(max_size=50), st.text(max_size=50)), max_size=2),
    links=st.lists(st.tuples(ids | st.binary(max_size=17), ids | st.binary(max_size=9)), max_size=2),
)


@given(attribute_maps, st.lists(any_span, max_size=8), st.lists(any_span, max_size=2))
@settings(max_examples=200)
def test_any_valid_message_gives_rows_that_can_be_stored(
    described: dict[str, Value], spans: list[Span], more: list[Span]
) -> None:
    """Whatever OTLP allows: nothing is raised, all is counted, the same comes out again, and every value fits its
    column."""
    body = export(resource_spans(described, more), resource=described, spans=spans)
    found = traces(body)
    again = traces(body)
    assert found == again
    assert found.rejected + found.facts.export.items == len(spans) + len(more)
    assert len(list(read_spans(found.facts.export.body))) == found.facts.export.items
    assert_all_fit(found.facts)


SMALL = {"memory_mb", "max_memory_mb", "timeout_ms", "calls", "call_errors", "result", "side"}


def assert_all_fit(facts: Facts) -> None:
    """Every value of every row is one that its column takes."""
    for table in rows(facts):
        assert isinstance(table, list)
        for row in table:
            for name, value in zip(row._fields, row, strict=True):
                assert_fits(name, value)


def assert_fits(name: str, value: object) -> None:
    """What PostgreSQL's column for it takes."""
    if isinstance(value, str):
        assert "\x00" not in value
        assert len(value) <= 2_048
        value.encode()
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
        assert name not in SMALL or 0 <= value < 2**31
    else:
        assert value is None or isinstance(value, bytes)


@given(
    st.lists(
        st.builds(log, SCALARS.filter(lambda value: not isinstance(value, int)), trace=ids | st.binary(max_size=17))
    )
)
def test_any_valid_logs_are_read(records: list[object]) -> None:
    """Nothing is raised and every record is counted."""
    found = logs(export_logs(*records))  # type: ignore[arg-type]  # hypothesis types what it builds as object
    assert found.rejected + found.unplaced + found.facts.export.items == len(records)
    assert len(ExportLogsServiceRequest.FromString(found.facts.export.body).resource_logs) == 1


def test_links_beyond_the_bound_are_left_out_and_counted() -> None:
    """One request cannot keep all others waiting with its links; it is told how many did not count."""
    keys = [f"sqs:{number}" for number in range(MAX_LINKS // 2 + 5)]
    found = read_traces(
        export(
            spans=[
                invocation(id=1, attrs={"clew.link.keys": keys}),
                call("SQS.SendMessageBatch", parent=1, attrs={"clew.link.keys": keys}),
            ]
        ),
        received_ms=RECEIVED_MS,
    )

    assert len(found.facts.link_keys) + len(found.facts.links) == MAX_LINKS
    assert found.facts.dropped_links == 11  # the request id is a link key too
    assert (found.rejected, "11 link(s)" in found.reason) == (0, True)
