"""Trace context that came with an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from clew.events import at, items, mapping, text
from clew.guard import warn_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Link

_MAX_LINKS = 128
_FIELDS = ("traceparent", "tracestate", "baggage")


class Propagation:
    """Extracts by the propagators that OTEL_PROPAGATORS names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        # OpenTelemetry's own look-up of propagators goes through package metadata (10 ms): only for others than W3C's.
        self._global = bool(set(names) - {"tracecontext", "baggage", "none"})

    def parent(self, event: object, context: object) -> Context | None:
        """The context to start the invocation in; None if no single parent came along."""
        carrier = _client_context(context) or _headers(event)
        if not carrier:
            records = items(mapping(event).get("Records"))
            if len(records) == 1:
                carrier = _message_attributes(records[0])
        return self._extract(carrier) if carrier else None

    def links(self, event: object) -> list[Link]:
        """Links to the senders of a batch's messages: several parents are none."""
        links = []
        records = items(mapping(event).get("Records"))
        for record in records if len(records) > 1 else ():
            carrier = _message_attributes(record)
            found = self._extract(carrier) if carrier else None
            if found is not None:
                links.append(trace.Link(trace.get_current_span(found).get_span_context()))
            if len(links) == _MAX_LINKS:
                break
        return [*links, *_xray_links(records)][:_MAX_LINKS]

    def _extract(self, carrier: Mapping[str, str]) -> Context | None:
        found: Context | None = None
        if self._global:
            found = self._extract_globally(carrier)
        elif "tracecontext" in self._names and "traceparent" in carrier:
            found = TraceContextTextMapPropagator().extract(carrier)
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


def _client_context(context: object) -> dict[str, str]:
    """What Lambda's newest runtimes take out of the client context of a direct invocation."""
    w3c = getattr(context, "w3c", None)
    fields = w3c() if callable(w3c) else None
    return {name: value for name, value in mapping(fields).items() if isinstance(name, str) and isinstance(value, str)}


def _headers(event: object) -> dict[str, str]:
    """The HTTP headers of an HTTP trigger, in lower case. Of a repeated one, the last counts."""
    fields = mapping(event)
    if "requestContext" not in fields:
        return {}
    found = {}
    for name, values in mapping(fields.get("multiValueHeaders")).items():
        if values and isinstance(name, str) and isinstance(values, list) and isinstance(values[-1], str):
            found[name.lower()] = values[-1]
    for name, value in mapping(fields.get("headers")).items():
        if isinstance(name, str) and isinstance(value, str):
            found[name.lower()] = value
    return found


def _message_attributes(record: Any) -> dict[str, str]:
    """The fields that a sender put into the attributes of an SQS or SNS message."""
    attributes = mapping(at(record, "messageAttributes") or at(record, "Sns", "MessageAttributes"))
    found = {}
    for name in _FIELDS:
        entry = mapping(attributes.get(name))
        value = text(entry.get("stringValue")) or text(entry.get("Value"))
        if value:
            found[name] = value
    return found


def _xray_links(records: list[Any]) -> list[Link]:
    """Links from SQS' own AWSTraceHeader.

    Only links: where X-Ray made the header its parent is a segment that no collector of ours has, and a parent that
    never comes would tear the invocation from its trace.
    """
    links = {}
    for record in records[:_MAX_LINKS]:
        header = text(at(record, "attributes", "AWSTraceHeader"))
        fields = dict(part.strip().partition("=")[::2] for part in header.split(";")) if header else {}
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
