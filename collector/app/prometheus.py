"""Our measures as Prometheus reads them, by its client library: 80 ms and 4 MB, when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from collector.domain.measures import Histogram, Measure

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

PREFIX = "clew_"


def exposition(measures: Sequence[Measure | Histogram]) -> Callable[[], bytes]:
    """What `/metrics` answers, in text format 0.0.4: the measures, and what the process takes of the machine."""
    lock = threading.Lock()
    registry: CollectorRegistry | None = None

    def render() -> bytes:
        nonlocal registry
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415  # see above

        with lock:
            if registry is None:
                registry = CollectorRegistry()
                registry.register(_Collector(measures))
                ProcessCollector(registry=registry)
        return generate_latest(registry)

    return render


class _Collector:
    def __init__(self, measures: Sequence[Measure | Histogram]) -> None:
        self._measures = measures

    def describe(self) -> list[Metric]:
        return []  # so that registering reads nothing

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415  # see above
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for measure in self._measures:
            name = PREFIX + measure.name
            if isinstance(measure, Histogram):
                found = measure.read()
                limits = (*(f"{bound:g}" for bound in found.bounds), "+Inf")
                histogram = HistogramMetricFamily(name, measure.text)
                histogram.add_metric([], list(zip(limits, found.counts, strict=True)), found.sum)
                yield histogram
                continue
            values = measure.read()
            labels = [label for label, _ in next(iter(values))] if values else []
            shape = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
            family = shape(name, measure.text, labels=labels)
            for key, value in sorted(values.items()):
                family.add_metric([text for _, text in key], value)
            yield family
