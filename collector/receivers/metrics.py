"""OTLP metrics: taken, counted, and not kept.

What a metric would say of a function is known of each of its invocations: duration, memory, cold start, errors and
time-outs come with spans and with Lambda's own reports, by request and exactly, where metrics are sums over a minute
that name no request. So points are counted and refused by partial success, which tells the sender how to save itself
the trouble.

They are counted on the wire. Making messages of them would take a hundred times their size for nothing.
"""

from __future__ import annotations

import json
from typing import Any

from collector.receivers.crowding import Wire, malformed
from collector.receivers.refusal import Refusal

NOT_KEPT = "metrics are not kept; OTEL_METRICS_EXPORTER=none saves sending them"
# Field numbers down to the points: resource_metrics = 1, scope_metrics = 2, metrics = 2; then the kind: gauge = 5,
# sum = 7, histogram = 9, exponential_histogram = 10, summary = 11; then data_points = 1 in each.
_PATH = (frozenset({1}), frozenset({2}), frozenset({2}), frozenset({5, 7, 9, 10, 11}), frozenset({1}))
_KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_LEEWAY = 1_000
_BYTES_PER_FIELD = 4  # on the way down: a message with anything in it takes as much. Each takes 1 µs to count


def count_points(body: bytes) -> int:
    """Data points of an ExportMetricsServiceRequest in protobuf. Raises Refusal: no such message, or of empty ones."""
    wire = Wire(body)
    left = _LEEWAY + len(body) // _BYTES_PER_FIELD
    points = 0
    below = [(0, len(body), 0)]  # start, end, depth
    while below:
        position, end, depth = below.pop()
        while position < end:
            number, start, position = wire.field(position, end)
            left -= 1
            if left < 0:
                raise Refusal(
                    413, "crowded", f"The body of {len(body)} bytes holds too many items: send fewer at once."
                )
            if number not in _PATH[depth] or start < 0:
                continue
            if depth + 1 == len(_PATH):
                points += 1
            else:
                below.append((start, position, depth + 1))
    return points


def count_points_of_json(body: bytes) -> int:
    """The same of OTLP's JSON. Raises Refusal."""
    try:
        export = json.loads(body)
    except (ValueError, RecursionError):
        raise malformed("The body is not JSON.") from None
    if not isinstance(export, dict):
        raise malformed("The body is no JSON object.")
    points = 0
    for resource in _objects(export, "resourceMetrics"):
        for scope in _objects(resource, "scopeMetrics"):
            for metric in _objects(scope, "metrics"):
                for kind in _KINDS:
                    data = metric.get(kind)
                    if isinstance(data, dict):
                        points += len(_objects(data, "dataPoints"))
    return points


def _objects(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = parent.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise malformed(f"The body is no ExportMetricsServiceRequest in JSON: {name} is no list of objects.")
    return found
