"""One OTLP request in, all that it says out.

This is the hot path of the collector: a request is parsed once, only the attributes that the tables need are touched
(touching all of them costs nine times the parsing), and everything else stays bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from collector.domain.errors import MalformedExport
from collector.domain.facts import Export, Facts, Signal
from collector.domain.functions import RESOURCE_ATTRIBUTES
from collector.domain.ids import export_id
from collector.domain.invocations import SPAN_ATTRIBUTES, SpanFacts, read_process
from collector.domain.prices import PriceTable, default_prices
from collector.domain.spans import STATUS_ERROR, pick_attributes

EARLIEST_NS = 1_420_070_400_000_000_000  # 2015-01-01: Lambda went on sale, nothing older can be an invocation
FUTURE_NS = 86_400_000_000_000  # a sender's clock may be a day ahead, no more
_NO_ID = (b"", bytes(8), bytes(16))


@dataclass(frozen=True, slots=True)
class Intake:
    """What a request holds, and how much of it was refused and why (for OTLP's partial success)."""

    facts: Facts
    rejected: int
    reason: str


def read_traces(body: bytes, *, received_ms: int, prices: PriceTable | None = None) -> Intake:
    """Reads an ExportTraceServiceRequest.

    Spans with ids of the wrong length or times before 2015 or after tomorrow are refused, the others taken.
    Raises MalformedExport for bytes that are no such message.
    """
    request = ExportTraceServiceRequest()
    _parse(request, body)
    prices = prices or default_prices()
    facts = Facts(Export(b"", Signal.TRACES, 0, received_ms, b""))
    rejected, reason, taken, earliest = 0, "", 0, 0
    for resource_spans in request.resource_spans:
        spans: list[SpanFacts] = []
        for scope_spans in resource_spans.scope_spans:
            refused = []
            for index, span in enumerate(scope_spans.spans):
                if fault := _fault(span, received_ms):
                    refused.append(index)
                    reason = reason or fault
                    continue
                spans.append(
                    SpanFacts(
                        span=span,
                        span_id=span.span_id,
                        attributes=pick_attributes(span.attributes, SPAN_ATTRIBUTES),
                        failed=span.status.code == STATUS_ERROR,
                    )
                )
            for index in reversed(refused):
                del scope_spans.spans[index]
            rejected += len(refused)
        if spans:
            taken += len(spans)
            start = min(item.span.start_time_unix_nano for item in spans)
            earliest = min(earliest, start) if earliest else start
            resource = pick_attributes(resource_spans.resource.attributes, RESOURCE_ATTRIBUTES)
            read_process(facts, resource, spans, prices)
    if rejected:
        body = request.SerializeToString()
    facts.export = Export(export_id(earliest, body), Signal.TRACES, taken, received_ms, body)
    return Intake(facts, rejected, f"{rejected} span(s) refused: {reason}" if rejected else "")


def read_logs(body: bytes, *, received_ms: int) -> Intake:
    """Reads an ExportLogsServiceRequest. Records without a trace id are refused: no page could show them.

    Raises MalformedExport for bytes that are no such message.
    """
    request = ExportLogsServiceRequest()
    _parse(request, body)
    facts = Facts(Export(b"", Signal.LOGS, 0, received_ms, b""))
    rejected, taken, earliest = 0, 0, 0
    latest = received_ms * 1_000_000 + FUTURE_NS
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            refused = []
            for index, record in enumerate(scope_logs.log_records):
                time = record.time_unix_nano or record.observed_time_unix_nano
                if len(record.trace_id) != 16 or record.trace_id in _NO_ID or not EARLIEST_NS <= time <= latest:
                    refused.append(index)
                    continue
                taken += 1
                earliest = min(earliest, time) if earliest else time
                facts.traces.add(record.trace_id)
            for index in reversed(refused):
                del scope_logs.log_records[index]
            rejected += len(refused)
    if rejected:
        body = request.SerializeToString()
    facts.export = Export(export_id(earliest, body), Signal.LOGS, taken, received_ms, body)
    reason = f"{rejected} log record(s) refused: each needs a trace id of 16 bytes and a time since 2015"
    return Intake(facts, rejected, reason if rejected else "")


def _parse(request: ExportTraceServiceRequest | ExportLogsServiceRequest, body: bytes) -> None:
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedExport(f"the body is no {request.DESCRIPTOR.name} in protobuf") from error


def _fault(span: trace_pb2.Span, received_ms: int) -> str:
    """What is wrong with the span; "" if nothing."""
    if len(span.trace_id) != 16 or span.trace_id in _NO_ID:
        return "a trace id must be 16 bytes, not all zero"
    if len(span.span_id) != 8 or span.span_id in _NO_ID:
        return "a span id must be 8 bytes, not all zero"
    latest = received_ms * 1_000_000 + FUTURE_NS
    if not EARLIEST_NS <= span.start_time_unix_nano <= latest or span.end_time_unix_nano > latest:
        return "a span's times must lie between 2015 and tomorrow"
    return ""
