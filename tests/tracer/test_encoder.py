"""What the hand-written encoder writes is what opentelemetry.proto reads."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from clew.encoder import LogRecord, encode_logs, encode_resource, encode_spans
from clew.protobuf import any_value
from tests.tracer.sink import attributes, plain

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SCALARS = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4))
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=6)
TIMES = st.integers(0, 2**63)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.integers(0, 3).map(TraceFlags),
    st.sampled_from([TraceState(), TraceState([("a", "b"), ("c", "d")])]),
)


@given(st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)), max_leaves=8))
def test_any_value_survives(value: Any) -> None:
    """Every type that OTLP has comes back as it was."""
    assert plain(AnyValue.FromString(any_value(value))) == value


@given(
    name=TEXT,
    context=CONTEXTS,
    parent=st.one_of(st.none(), CONTEXTS),
    given_attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, TEXT, ATTRIBUTES, TIMES), max_size=3),
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=3),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "it failed ä")]),
    times=st.tuples(TIMES, TIMES),
    resource=ATTRIBUTES,
)
def test_a_span_survives(
    *,
    name: str,
    context: SpanContext,
    parent: SpanContext | None,
    given_attributes: dict[str, Any],
    events: list[Event],
    links: list[Link],
    kind: SpanKind,
    status: Status,
    times: tuple[int, int],
    resource: dict[str, Any],
) -> None:
    """Every field of a span is read back by protobuf's own parser."""
    scope = InstrumentationScope("clew", "1.2", "https://schema.example", {"a": 1})
    span = ReadableSpan(
        name, context, parent, Resource.get_empty(), given_attributes, events, links, kind,
        status=status, start_time=times[0], end_time=times[1], instrumentation_scope=scope,
    )  # fmt: skip

    request = ExportTraceServiceRequest.FromString(encode_spans(encode_resource(resource), [span, span]))

    (resource_spans,) = request.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    read, again = scope_spans.spans
    assert read == again
    assert attributes(resource_spans.resource) == resource
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("clew", "1.2")
    assert scope_spans.schema_url == "https://schema.example"
    assert (read.name, read.kind) == (name, kind.value + 1)
    assert int.from_bytes(read.trace_id, "big") == context.trace_id
    assert int.from_bytes(read.span_id, "big") == context.span_id
    assert read.parent_span_id == (parent.span_id.to_bytes(8, "big") if parent else b"")
    assert read.trace_state == context.trace_state.to_header()
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == times
    assert attributes(read) == given_attributes
    assert [(event.name, event.time_unix_nano) for event in read.events] == [
        (one.name, one.timestamp) for one in events
    ]
    assert [attributes(event) for event in read.events] == [dict(one.attributes or {}) for one in events]
    assert [int.from_bytes(link.span_id, "big") for link in read.links] == [link.context.span_id for link in links]
    assert (read.status.code, read.status.message) == (status.status_code.value, status.description or "")
    assert read.flags & 0xFF == context.trace_flags
    assert bool(read.flags & 0x200) is (parent is not None and parent.is_remote)
    known = read.ByteSize()
    read.DiscardUnknownFields()
    assert read.ByteSize() == known


@given(
    st.lists(
        st.builds(
            LogRecord, TIMES, st.integers(0, 24), TEXT, TEXT, st.sampled_from(["", "app", "ä"]), ATTRIBUTES,
            st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 3),
        ),
        max_size=5,
    )
)  # fmt: skip
def test_log_records_survive(records: list[LogRecord]) -> None:
    """Every field of a record is read back, under its logger's name."""
    request = ExportLogsServiceRequest.FromString(encode_logs(encode_resource({}), records))

    read = [
        LogRecord(
            one.time_unix_nano, one.severity_number, one.severity_text, one.body.string_value, scope.scope.name,
            attributes(one), int.from_bytes(one.trace_id, "big"), int.from_bytes(one.span_id, "big"), one.flags,
        )
        for scope in request.resource_logs[0].scope_logs
        for one in scope.log_records
    ]  # fmt: skip
    assert sorted(map(fields, read)) == sorted(map(fields, records))


def fields(record: LogRecord) -> str:
    return repr([(name, getattr(record, name)) for name in LogRecord.__slots__])


def test_a_span_of_an_older_sdk() -> None:
    """It fails to count what was dropped of a copy, and its scopes have no attributes."""

    class OldScope:
        name, version, schema_url = "own", "1", ""

    class OldSpan(ReadableSpan):
        @property
        def dropped_events(self) -> int:
            raise AttributeError

        dropped_links = dropped_attributes = dropped_events

    scope: Any = OldScope()
    span = OldSpan("step", SpanContext(1, 2, is_remote=False), instrumentation_scope=scope)
    request = ExportTraceServiceRequest.FromString(encode_spans(encode_resource({}), [span]))

    (scoped,) = request.resource_spans[0].scope_spans
    assert (scoped.scope.name, scoped.spans[0].name) == ("own", "step")
