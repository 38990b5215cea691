"""One OTLP request in, all that it says out.

This is the hot path of the collector: a request is parsed once, only the attributes that the tables need are touched
(touching all of them costs nine times the parsing), and everything else stays bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from collector.domain import reports
from collector.domain.annotations import TAG_PREFIX
from collector.domain.errors import MalformedExport
from collector.domain.facts import MAX_LINKS, Export, Facts, Report, Signal
from collector.domain.functions import RESOURCE_ATTRIBUTES
from collector.domain.ids import export_id, span_number
from collector.domain.invocations import SPAN_ATTRIBUTES, read_process
from collector.domain.prices import PriceTable, default_prices
from collector.domain.span_facts import SpanFacts
from collector.domain.spans import CLIENT, STATUS_ERROR, Value, pick_attributes, read_value
from collector.domain.values import flag, text, whole

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

M = TypeVar("M", bound=Message)

EARLIEST_NS = 1_420_070_400_000_000_000  # 2015-01-01: Lambda went on sale, nothing older can be an invocation
FUTURE_NS = 86_400_000_000_000  # a sender's clock may be a day ahead, no more
# Longer durations count as this long, the last bucket of the histograms. An invocation ends after 15 minutes; without
# a bound 25,000 spans that claim to have begun in 2015 would overflow a sum of microseconds.
MAX_DURATION_NS = 86_400_000_000_000
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_REPORT_ATTRIBUTES = frozenset({"faas.invocation_id", "clew.invocation.start"})
_NO_LINE = "each needs a trace id of 16 bytes and a time since 2015"
_NO_REPORT = "a platform's report needs a type, a record, the id of its request or its span, and a time since 2015"


@dataclass(frozen=True, slots=True)
class Intake:
    """What a request holds, and how much of it was refused and why (for OTLP's partial success).

    A request without anything in it, or with everything refused, has `facts.export.items` 0: there is nothing to store.
    """

    facts: Facts
    rejected: int
    reason: str
    unplaced: int = 0  # log records of no trace: taken without a word, and not kept


def read_traces(body: bytes, *, received_ms: int, prices: PriceTable | None = None) -> Intake:
    """Reads an ExportTraceServiceRequest.

    Spans with ids of the wrong length or times before 2015 or after tomorrow are refused, the others taken.
    Raises MalformedExport for bytes that are no such message.
    """
    request = ExportTraceServiceRequest()
    _parse(request, body)
    latest = received_ms * 1_000_000 + FUTURE_NS
    facts = Facts(Export(b"", Signal.TRACES, 0, received_ms, b""))
    rejected, reason, taken, earliest = 0, "", 0, latest
    for resource, scopes in _processes(request):
        spans: list[SpanFacts] = []
        for scope_spans in scopes:
            refused = []
            for index, span in enumerate(scope_spans.spans):
                read = _read_span(span, latest)
                if isinstance(read, SpanFacts):
                    spans.append(read)
                    earliest = min(earliest, read.started_ns)
                else:
                    refused.append(index)
                    reason = reason or read
            if refused:
                rejected += len(refused)
                _remove(scope_spans.spans, refused)
        if spans:
            taken += len(spans)
            read_process(facts, _read_resource(resource), spans, prices or default_prices())
    if rejected:
        body = request.SerializeToString()
    facts.export = Export(export_id(earliest if taken else 0, body), Signal.TRACES, taken, received_ms, body)
    reasons = [f"{rejected} span(s) refused: {reason}"] if rejected else []
    if facts.dropped_links:
        reasons.append(f"{facts.dropped_links} link(s) beyond {MAX_LINKS} of one request were left out")
    return Intake(facts, rejected, "; ".join(reasons))


def read_logs(body: bytes, *, received_ms: int) -> Intake:
    """Reads an ExportLogsServiceRequest.

    Records without a trace id are not kept, as no page could show them; nor are they refused, because every program
    logs outside of spans and its exporter would warn of it again and again. Those of the scope `clew.telemetry` are no
    lines but what the platform says of invocations; they need the id of a request or a span.
    Raises MalformedExport for bytes that are no such message.
    """
    request = ExportLogsServiceRequest()
    _parse(request, body)
    facts = Facts(Export(b"", Signal.LOGS, 0, received_ms, b""))
    latest = received_ms * 1_000_000 + FUTURE_NS
    rejected, unplaced, taken, earliest, reason = 0, 0, 0, latest, ""
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            reporting = scope_logs.scope.name == reports.SCOPE
            refused = []
            left_out = 0
            for index, record in enumerate(scope_logs.log_records):
                time, trace_id = record.time_unix_nano or record.observed_time_unix_nano, record.trace_id
                report = _read_report(record, resource_logs.resource, time) if reporting else None
                if report is not None:
                    time = report.time_ns
                named = report is not None if reporting else len(trace_id) == 16 and trace_id != _NO_TRACE
                if not named or not EARLIEST_NS <= time <= latest:
                    refused.append(index)
                    if not reporting and not trace_id.strip(b"\0"):
                        left_out += 1
                        continue
                    reason = reason or (_NO_REPORT if reporting else _NO_LINE)
                    continue
                taken += 1
                earliest = min(earliest, time)
                if report is not None:
                    facts.reports.append(report)
                else:
                    facts.traces.add(trace_id)
            if refused:
                rejected += len(refused) - left_out
                unplaced += left_out
                _remove(scope_logs.log_records, refused)
    if rejected or unplaced:
        body = request.SerializeToString()
    facts.export = Export(export_id(earliest if taken else 0, body), Signal.LOGS, taken, received_ms, body)
    return Intake(facts, rejected, f"{rejected} log record(s) refused: {reason}" if rejected else "", unplaced)


def _read_report(record: LogRecord, sender: Resource, time_ns: int) -> Report | None:
    """What a record of the Telemetry API's scope says; None where it is no report or names no invocation."""
    event = reports.read_body(read_value(record.body))
    if event is None:
        return None
    attributes = pick_attributes(record.attributes, _REPORT_ATTRIBUTES)
    described = _read_resource(sender)
    known = len(record.trace_id) == 16 and len(record.span_id) == 8 and any(record.trace_id) and any(record.span_id)
    return reports.read_report(
        event,
        time_ns=time_ns,
        function=text(described.get("faas.name")),
        region=text(described.get("cloud.region"), 64),
        request_id=text(attributes.get("faas.invocation_id"), 128),
        trace_id=record.trace_id if known else None,
        span_id=span_number(record.span_id) if known else None,
        started_ns=whole(attributes.get("clew.invocation.start")) if known else None,
    )


def _parse(request: ExportTraceServiceRequest | ExportLogsServiceRequest, body: bytes) -> None:
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedExport(f"the body is no {request.DESCRIPTOR.name} in protobuf") from error


def _processes(request: ExportTraceServiceRequest) -> Iterator[tuple[Resource, list[trace_pb2.ScopeSpans]]]:
    """The spans of each resource. Some senders repeat the resource for each scope or span; what it sent is one."""
    if len(request.resource_spans) == 1:
        yield request.resource_spans[0].resource, list(request.resource_spans[0].scope_spans)
        return
    same: dict[bytes, tuple[Resource, list[trace_pb2.ScopeSpans]]] = {}
    for resource_spans in request.resource_spans:
        key = resource_spans.resource.SerializeToString()
        same.setdefault(key, (resource_spans.resource, []))[1].extend(resource_spans.scope_spans)
    yield from same.values()


def _read_resource(resource: Resource) -> Mapping[str, Value]:
    return pick_attributes(resource.attributes, RESOURCE_ATTRIBUTES)


def _read_span(span: trace_pb2.Span, latest_ns: int) -> SpanFacts | str:
    """The span, or what is wrong with it."""
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return "a trace id must be 16 bytes, not all zero"
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return "a span id must be 8 bytes, not all zero"
    started_ns, ended_ns = span.start_time_unix_nano, span.end_time_unix_nano
    if not EARLIEST_NS <= started_ns <= latest_ns or ended_ns > latest_ns:
        return "a span's times must lie between 2015 and tomorrow"
    parent_id = span.parent_span_id
    kind = span.kind
    # Only invocations have tags, and calls are most of the spans.
    attributes = pick_attributes(span.attributes, SPAN_ATTRIBUTES, TAG_PREFIX if kind != CLIENT else None)
    # By position, which takes half the time that names take.
    return SpanFacts(
        span,
        trace_id,
        span_id,
        span_number(span_id),
        b"" if parent_id == _NO_SPAN else parent_id,
        kind,
        text(span.name),
        started_ns,
        min(max(0, ended_ns - started_ns), MAX_DURATION_NS),
        span.status.code == STATUS_ERROR,
        "clew.unfinished" not in attributes or not flag(attributes["clew.unfinished"]),
        attributes,
    )


def _remove(messages: RepeatedCompositeFieldContainer[M], indices: list[int]) -> None:
    """Removes in one go: one deletion moves all that follow, and a hostile export has a million to delete."""
    refused = set(indices)
    kept = [message for index, message in enumerate(messages) if index not in refused]
    del messages[:]
    messages.extend(kept)
