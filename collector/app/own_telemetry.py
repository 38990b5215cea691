"""Our measures by OTLP, to whoever `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` names.

Only that variable asks for it. `OTEL_EXPORTER_OTLP_ENDPOINT` is what functions and programs beside us are told, and
would most often be ourselves. OpenTelemetry's SDK is imported only then; the extra `otlp` of clew-server installs it.
"""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collector.domain.measures import Histogram, Measure

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

VARIABLE = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
PREFIX = "clew."
STOP_MS = 2_000

_logger = logging.getLogger(__name__)


def start_metrics(
    measures: Sequence[Measure | Histogram], *, version: str, ports: Iterable[int | None]
) -> Callable[[], None]:
    """Sends them as the standard variables say, if they say where. Returns what stops it.

    `ports` are ours: to them nothing is sent.
    """
    endpoint = os.environ.get(VARIABLE, "").strip()
    if not endpoint or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return _nothing
    if _is_own(endpoint, ports):
        _logger.warning("%s names this collector itself: its own metrics are not sent.", VARIABLE)
        return _nothing
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    except ImportError:
        _logger.warning("%s is set, but the exporter is missing: pip install 'clew-server[otlp]'.", VARIABLE)
        return _nothing
    resource = Resource.create({"service.name": "clew", "service.version": version})
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("clew", version)
    for measure in measures:
        name = PREFIX + measure.name
        if isinstance(measure, Histogram):
            # Instruments that are read cannot be histograms: their sum and count.
            meter.create_observable_counter(f"{name}.sum", [_sum(measure)], unit="s", description=measure.text)
            meter.create_observable_counter(f"{name}.count", [_count(measure)], description=measure.text)
        elif measure.kind == "counter":
            meter.create_observable_counter(name, [_values(measure)], description=measure.text)
        else:
            meter.create_observable_gauge(name, [_values(measure)], description=measure.text)

    def stop() -> None:
        provider.shutdown(timeout_millis=STOP_MS)

    return stop


def _nothing() -> None:
    pass


def _is_own(endpoint: str, ports: Iterable[int | None]) -> bool:
    url = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    try:
        port = url.port
    except ValueError:
        return False
    if port not in {port for port in ports if port is not None}:
        return False
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _values(measure: Measure) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation  # noqa: PLC0415  # see above

        return [Observation(value, dict(labels)) for labels, value in measure.read().items()]

    return read


def _sum(histogram: Histogram) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation  # noqa: PLC0415  # see above

        return [Observation(histogram.read().sum)]

    return read


def _count(histogram: Histogram) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation  # noqa: PLC0415  # see above

        return [Observation(histogram.read().counts[-1])]

    return read
