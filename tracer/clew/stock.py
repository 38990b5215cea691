"""OpenTelemetry's own exporters (`pip install clew[otlp]`): outside Lambda, and for what only they do."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context as otel_context
from opentelemetry import trace

from clew.exporting import Exporter, LeanExporter
from clew.guard import describe, muted, warn_once
from clew.lean_span import LeanSpan
from clew.sender import Outcome
from clew.settings import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from clew.encoder import LogRecord
    from clew.settings import Destination, Settings

_STOCK = {"http/protobuf": "opentelemetry.exporter.otlp.proto.http", "grpc": "opentelemetry.exporter.otlp.proto.grpc"}


def choose_exporter(settings: Settings, resource: Resource) -> Exporter:
    """The exporter that the settings ask for: for each signal a stock one, ours, or none."""
    spans = _span_exporter(settings.traces, settings)
    logs = _log_exporter(settings.logs, settings)
    lean = None
    if spans is _OURS or logs is _OURS:
        lean = LeanExporter(
            replace(
                settings,
                traces=settings.traces if spans is _OURS else replace(settings.traces, exporter="none"),
                logs=settings.logs if logs is _OURS else replace(settings.logs, exporter="none"),
            ),
            dict(resource.attributes),
        )
        if spans is _OURS and logs is _OURS:
            return lean
    return _Mixed(None if spans is _OURS else spans, None if logs is _OURS else logs, lean, resource)


_OURS: Any = object()


def _span_exporter(destination: Destination, settings: Settings) -> Any:
    if destination.exporter == "console":
        return import_module("opentelemetry.sdk.trace.export").ConsoleSpanExporter()
    return _otlp(destination, settings, "trace_exporter", "OTLPSpanExporter")


def _log_exporter(destination: Destination, settings: Settings) -> Any:
    if destination.exporter == "console":
        return import_module("opentelemetry.sdk._logs.export").ConsoleLogRecordExporter()
    return _otlp(destination, settings, "_log_exporter", "OTLPLogExporter")


def _otlp(destination: Destination, settings: Settings, module: str, name: str) -> Any:
    """A stock exporter, `_OURS`, or None for no export."""
    if destination.exporter == "none":
        return None
    protocol = destination.protocol
    if protocol == "http/json":
        warn_once("OTEL_EXPORTER_OTLP_PROTOCOL=http/json has no exporter; using http/protobuf")
        protocol = "http/protobuf"
    if protocol == "http/protobuf" and settings.in_lambda:
        return _OURS
    try:
        exporter = getattr(import_module(f"{_STOCK[protocol]}.{module}"), name)
        return exporter(timeout=settings.export_timeout)
    except ImportError as error:
        if protocol == "http/protobuf":
            return _OURS
        warn_once(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} needs clew[otlp]; not exporting ({describe(error)})")
        return None


class _Mixed:
    """Exporters of the SDK's interfaces, with ours beside them for a signal that it serves."""

    def __init__(self, spans: Any, logs: Any, lean: LeanExporter | None, resource: Resource) -> None:
        self._spans = spans
        self._logs = logs
        self._lean = lean
        self._resource = resource

    def export(self, spans: Sequence[ReadableSpan], logs: Sequence[LogRecord], deadline: float) -> Outcome:
        plain = [one.readable() if type(one) is LeanSpan else one for one in cast("Sequence[Any]", spans)]
        before = getattr(muted, "on", False)
        muted.on = True  # what they log or print is not the function's
        # Nor is what they send: an instrumentation of requests would make spans of exports, and exports of these.
        key = getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
        token = otel_context.attach(otel_context.set_value(key, True))
        try:
            failed = [
                exporter
                for exporter, items in ((self._spans, plain), (self._logs, [self._sdk_record(one) for one in logs]))
                if exporter is not None and items and exporter.export(items).name != "SUCCESS"
            ]
        finally:
            otel_context.detach(token)
            muted.on = before
        if failed:
            return Outcome(f"{type(failed[0]).__name__} failed", pause=True)
        return self._lean.export(spans, logs, deadline) if self._lean is not None else Outcome()

    def _sdk_record(self, record: LogRecord) -> Any:
        if self._logs is None:
            return None
        from opentelemetry._logs import LogRecord as SdkRecord  # noqa: PLC0415  # only outside Lambda
        from opentelemetry._logs import SeverityNumber  # noqa: PLC0415
        from opentelemetry.sdk._logs import ReadableLogRecord  # noqa: PLC0415
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

        flags = trace.TraceFlags(record.trace_flags)
        span = trace.NonRecordingSpan(trace.SpanContext(record.trace_id, record.span_id, False, flags))
        return ReadableLogRecord(
            SdkRecord(
                timestamp=record.time_ns,
                observed_timestamp=record.time_ns,
                context=trace.set_span_in_context(span),
                severity_text=record.severity_text or None,
                severity_number=SeverityNumber(record.severity),
                body=record.body,
                attributes=dict(record.attributes),  # type: ignore[arg-type]  # ours hold strings only
            ),
            self._resource,
            InstrumentationScope(record.scope),
        )

    def prepare(self) -> None:
        if self._lean is not None:
            self._lean.prepare()

    def close(self) -> None:
        if self._lean is not None:
            self._lean.close()

    def after_fork(self) -> None:
        if self._lean is not None:
            self._lean.after_fork()
