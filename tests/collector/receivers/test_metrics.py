"""OTLP metrics: counted, not kept, and answered as OTLP asks."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader

from collector.receivers.metrics import count_points, count_points_of_json
from collector.receivers.refusal import Refusal
from tests.collector.receivers.conftest import Receiving
from tests.collector.receivers.test_otlp_grpc import Receiving as GrpcReceiving

JSON = "application/json"


def metrics(points: int = 2) -> ExportMetricsServiceRequest:
    """As many points in a metric of each kind."""
    request = ExportMetricsServiceRequest()
    for _ in range(2):
        scope = request.resource_metrics.add().scope_metrics.add()
        for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
            data = getattr(scope.metrics.add(name=f"faas.{kind}", unit="s"), kind)
            for _ in range(points):
                data.data_points.add(time_unix_nano=1_767_225_600_000_000_000)
    return request


def test_points_are_counted_and_the_sender_told(receiving: Receiving) -> None:
    """Partial success says how many points were not kept, and how to stop sending them; nothing is stored."""
    body = metrics(points=3).SerializeToString()
    answer = receiving.send(gzip.compress(body), path="/v1/metrics", headers={"content-encoding": "gzip"})

    partial = ExportMetricsServiceResponse.FromString(answer.body).partial_success
    assert (200, 30) == (answer.status, partial.rejected_data_points)
    assert "OTEL_METRICS_EXPORTER=none" in partial.error_message
    assert [] == receiving.store.facts
    assert {"metrics": 30} == receiving.counters.rejected_items
    assert {("metrics", 200): 1} == receiving.counters.requests


def test_in_json(receiving: Receiving) -> None:
    """JSON is answered in JSON."""
    body = json_format.MessageToJson(metrics(points=1)).encode()
    answer = receiving.send(body, path="/v1/metrics", content_type=JSON)

    partial = json.loads(answer.body)["partialSuccess"]
    assert (200, "10") == (answer.status, partial["rejectedDataPoints"])
    assert "not kept" in partial["errorMessage"]


@pytest.mark.parametrize(("content_type", "empty"), [(JSON, b"{}"), ("application/x-protobuf", b"")])
def test_an_empty_export_is_a_success(receiving: Receiving, content_type: str, empty: bytes) -> None:
    """Nothing in it, nothing refused."""
    headers = {"content-length": str(len(empty))}
    answer = receiving.send(empty, path="/v1/metrics", content_type=content_type, headers=headers)

    assert (200, empty) == (answer.status, answer.body)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-protobuf", metrics().SerializeToString()[:-3]),
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b'{"resourceMetrics": {}}'),
        (JSON, b'{"resourceMetrics": [{"scopeMetrics": [[]]}]}'),
    ],
)
def test_damaged_bodies(receiving: Receiving, content_type: str, body: bytes) -> None:
    """What is no export of metrics is refused for good."""
    assert 400 == receiving.send(body, path="/v1/metrics", content_type=content_type).status


def test_points_of_nothing_by_the_million() -> None:
    """A small body that would become a large one in memory is refused before anything is made of it."""
    request = ExportMetricsServiceRequest()
    data = request.resource_metrics.add().scope_metrics.add().metrics.add().gauge
    for _ in range(200_000):
        data.data_points.add()
    with pytest.raises(Refusal) as refusal:
        count_points(request.SerializeToString())

    assert (413, "crowded") == (refusal.value.status, refusal.value.reason)


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_or_refused(noise: bytes) -> None:
    """Whatever bytes come, they are counted or refused; what is counted by framing alone, protobuf frames too."""
    for body in (noise, metrics(1).SerializeToString() + noise):
        with suppress(Refusal):
            assert count_points(body) >= 0
    with suppress(Refusal):
        assert count_points_of_json(noise) >= 0


@given(st.binary(max_size=300))
def test_points_are_those_that_protobuf_finds(noise: bytes) -> None:
    """Where protobuf can read a body, the count is the same."""
    body = metrics(1).SerializeToString() + noise
    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        return
    if any(byte & 7 in (3, 4) for byte in noise):  # groups, which OTLP has none of
        return
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    found = sum(
        len(getattr(metric, kind).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for kind in kinds
    )
    assert found == count_points(body)


def export(exporter: MetricExporter) -> None:
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)])
    provider.get_meter("test").create_counter("faas.invocations").add(1)
    provider.shutdown()


def test_the_stock_exporters(receiving: Receiving) -> None:
    """OpenTelemetry's own exporters are answered over HTTP and gRPC in a way that they take for success."""
    export(HttpExporter(endpoint=f"http://127.0.0.1:{receiving.port}/v1/metrics"))
    assert {("metrics", 200): 1} == receiving.counters.requests
    assert {"metrics": 1} == receiving.counters.rejected_items

    by_grpc = GrpcReceiving()
    try:
        export(GrpcExporter(endpoint=f"127.0.0.1:{by_grpc.server.port}", insecure=True))
    finally:
        by_grpc.close()
    assert {("metrics", 200): 1} == by_grpc.counters.requests
    assert {"metrics": 1} == by_grpc.counters.rejected_items
