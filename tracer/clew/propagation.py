"""Trace context that came with an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context

from clew.events import at, detail_fields, items, mapping, plain, text
from clew.guard import warn_once
from clew.records import records_of, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Link

    from clew.carriers import Carriers

_MAX_LINKS = 128
# Records of one batch that are looked at for context: 0.5 µs each.
_MAX_READ = 1_000
_FIELDS = frozenset({"traceparent", "tracestate", "baggage"})
# Those of the propagators that OpenTelemetry has packages for.
_ALL_FIELDS = _FIELDS | {
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "uber-trace-id",
    "x-amzn-trace-id",
    "ot-tracer-traceid",
    "ot-tracer-spanid",
    "ot-tracer-sampled",
}


# Triggers whose records carry a context of their own.
_SENDERS = frozenset({"sqs", "sns", "kafka", "mq"})


class Propagation:
    """Extracts by the propagators that OTEL_PROPAGATORS names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        # OpenTelemetry's own look-up of propagators goes through package metadata (10 ms): only for others than W3C's.
        self._global = bool(set(names) - {"tracecontext", "baggage", "none"})

    def parent(self, event: object, context: object) -> Context | None:
        """The context to start the invocation in; None if no single parent came along."""
        event = plain(event)
        carrier = _of_call(context) or _of_event(event)
        found = self._extract(carrier) if carrier else None
        if found is None:
            records = records_of(event)
            if len(records) == 1:
                carrier = self._carriers().of_record(records[0])
                found = self._extract(carrier) if carrier else None
        return found

    def links(self, event: object) -> list[Link]:
        """Links to the senders of a batch's records: several parents are none."""
        event = plain(event)
        records = records_of(event)
        if not records or _sender(event, records) not in _SENDERS:
            return []
        if len(records) < 2:
            return _xray_links(records)
        found: dict[tuple[int, int], Link] = {}
        seen = set()
        beside = self._carriers()
        for record in records[:_MAX_READ]:
            carrier = beside.of_record(record)
            # Messages that one call sent have the same: extracting takes 6 µs.
            same = carrier.get("traceparent")
            if not carrier or (same and same in seen):
                continue
            seen.add(same)
            context = self._extract(carrier)
            if context is not None:
                sender = trace.get_current_span(context).get_span_context()
                found[sender.trace_id, sender.span_id] = trace.Link(sender)
                if len(found) == _MAX_LINKS:
                    break
        return [*found.values(), *_xray_links(records)][:_MAX_LINKS]

    def _carriers(self) -> Carriers:
        from clew.carriers import Carriers  # noqa: PLC0415  # 0.1 ms of INIT, for records

        if self._global:
            return Carriers(_ALL_FIELDS, "MessageAttributes")
        return Carriers(_FIELDS, "traceparent")

    def _extract(self, carrier: Mapping[str, str]) -> Context | None:
        found: Context | None = None
        if self._global:
            found = self._extract_globally(carrier)
        elif "tracecontext" in self._names and "traceparent" in carrier:
            found = _usual_context(carrier)
            if found is None:
                # 0.8 ms of INIT, for what is rarely sent.
                from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

                found = tracecontext.TraceContextTextMapPropagator().extract(carrier)
        if "baggage" in self._names and "baggage" in carrier and not self._global:
            from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415  # rarely sent

            found = W3CBaggagePropagator().extract(carrier, found)
        if found is None or not trace.get_current_span(found).get_span_context().is_valid:
            return None
        return found

    def _extract_globally(self, carrier: Mapping[str, str]) -> Context | None:
        try:
            from opentelemetry import propagate  # noqa: PLC0415  # its import fails if a propagator is missing
        except Exception:
            warn_once(f"OTEL_PROPAGATORS={','.join(self._names)} cannot be loaded; using tracecontext,baggage")
            self._names, self._global = ("tracecontext", "baggage"), False
            return None
        return propagate.extract(dict(carrier))


def _usual_context(carrier: Mapping[str, str]) -> Context | None:
    """The context of a `traceparent` as nearly all are: of W3C's first version, without a `tracestate`. None for all
    others, which OpenTelemetry's own propagator reads: that took 50 µs of a handler in an environment that was frozen.
    """
    header = carrier["traceparent"]
    if len(header) != 55 or "tracestate" in carrier:
        return None
    version, trace_id, span_id, flags = header[:3], header[3:35], header[36:52], header[53:]
    if version != "00-" or header[35] + header[52] != "--" or f"{trace_id}{span_id}{flags}".strip("0123456789abcdef"):
        return None
    sender = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(trace.NonRecordingSpan(sender), Context()) if sender.is_valid else None


def _sender(event: object, records: list[Any]) -> str:
    """The type of the trigger that a batch is of."""
    known = (record for record in records[:10] if isinstance(record, dict))
    if isinstance(event, list):  # its first record says what it is
        return type_of(next(known, {}))
    return type_of(mapping(event)) or next((type for record in known if (type := type_of(record))), "")


def _of_call(context: object) -> dict[str, str]:
    """The client context of a direct invocation.

    Lambda's newest runtimes take W3C's fields out of it, `context.w3c()`. Callers that know nothing of these put them
    under `custom`, the one part of it that is the caller's.
    """
    w3c = getattr(context, "w3c", None)
    found = _strings(w3c()) if callable(w3c) else {}
    if not found:
        custom = getattr(getattr(context, "client_context", None), "custom", None)
        found = _strings(custom) if custom else {}
    return found


def _of_event(event: Any) -> dict[str, str]:
    """The fields that belong to the event as a whole: a request's headers, or EventBridge's detail.

    AppSync asks for many fields of one request at once by a list.
    """
    if isinstance(event, list):
        first = event[0] if event else None
        return _headers(first) if isinstance(first, dict) and "request" in first else {}
    if not isinstance(event, dict) or not event:
        return {}
    return _headers(event) or detail_fields(event)


# Where a request's headers may be.
_WITH_HEADERS = frozenset({"headers", "multiValueHeaders", "requestHeaders", "request"})


def _headers(event: dict[str, Any]) -> dict[str, str]:
    if _WITH_HEADERS.isdisjoint(event) and at(next(iter(items(event.get("Records"))), None), "cf") is None:
        return {}
    from clew.http_triggers import headers_of  # noqa: PLC0415  # 0.1 ms of INIT, for requests

    return headers_of(event)


def _strings(fields: object) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in mapping(fields).items()
        if isinstance(name, str) and isinstance(value, str)
    }


def _xray_links(records: list[Any]) -> list[Link]:
    """Links from SQS' own AWSTraceHeader.

    Only links: where X-Ray made the header its parent is a segment that no collector of ours has, and a parent that
    never comes would tear the invocation from its trace.
    """
    links = {}
    for record in records[:_MAX_LINKS]:
        header = text(at(record, "attributes", "AWSTraceHeader"))
        if not header:
            continue
        fields = dict(part.strip().partition("=")[::2] for part in header.split(";"))
        root = fields.get("Root", "").split("-")
        try:
            trace_id = int(root[1] + root[2], 16)
            span_id = int(fields.get("Parent", ""), 16)
        except (ValueError, IndexError):
            continue
        found = trace.SpanContext(trace_id, span_id, is_remote=True)
        if found.is_valid:
            links[trace_id, span_id] = trace.Link(found)
    return list(links.values())
