"""One function with one tracer, run in that tracer's own environment; imports nothing of this project but `clew`.

    python function.py VARIANT CALLS INVOCATIONS

Environment: BENCH_SINK, BENCH_SINK_TLS (ports of the collector), BENCH_AWS, BENCH_DAEMON. Prints one line of JSON:
`init_ms`, `memory_kb` (resident after the last invocation), `first_ms`, `wall_us` (of each invocation after the
warm-up) and `cpu_us` (their mean, all threads).
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
from importlib import import_module
from pathlib import Path
from typing import Any

WARM_UP = 30
NAME = "bench"


class Context:
    """What Lambda's runtime passes, with three seconds left."""

    aws_request_id = "6bc28136-xmpl-4365-b021-0ce6b2e64ab0"
    function_name = NAME
    function_version = "$LATEST"
    invoked_function_arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{NAME}"
    memory_limit_in_mb = "512"
    log_group_name = f"/aws/lambda/{NAME}"
    log_stream_name = "2026/11/21/[$LATEST]0123456789abcdef"
    client_context = None
    identity = None
    tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 3000


def clew(handler: Any) -> Any:
    return import_module("clew").trace(handler)


def opentelemetry(handler: Any) -> Any:
    """As the layer's wrapper sets it up: instrumentations around a handler that is found by its name."""
    trace = import_module("opentelemetry.trace")
    sdk = import_module("opentelemetry.sdk.trace")
    export = import_module("opentelemetry.sdk.trace.export")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resources = import_module("opentelemetry.sdk.resources")
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": NAME}))
    exporter = otlp.OTLPSpanExporter(f"http://127.0.0.1:{os.environ['BENCH_SINK']}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    module = types.ModuleType("traced_function")
    vars(module)["handler"] = handler
    sys.modules["traced_function"] = module
    import_module("opentelemetry.instrumentation.aws_lambda").AwsLambdaInstrumentor().instrument()
    import_module("opentelemetry.instrumentation.botocore").BotocoreInstrumentor().instrument()
    return vars(module)["handler"]


def lumigo(handler: Any) -> Any:
    # By this, not as part of the host: it takes a host with a port for another one than it is connected to.
    import_module("http.client").HTTPSConnection.default_port = int(os.environ["BENCH_SINK_TLS"])
    tracer = import_module("lumigo_tracer").lumigo_tracer
    return tracer(token="t_0123456789abcdef", edge_host="localhost", should_report=True)(handler)


def powertools(handler: Any) -> Any:
    tracer = import_module("aws_lambda_powertools").Tracer(service=NAME)
    return tracer.capture_lambda_handler(handler)


def epsagon(handler: Any) -> Any:
    module = import_module("epsagon")
    sink = f"http://127.0.0.1:{os.environ['BENCH_SINK']}/"
    module.init(token="token-0123456789", app_name=NAME, metadata_only=False, collector_url=sink)
    return module.lambda_wrapper(handler)


def datadog(handler: Any) -> Any:
    """As with its extension, whose presence a file tells: spans go to the agent after each invocation."""
    exists = os.path.exists
    os.path.exists = lambda path: path == "/opt/extensions/datadog-agent" or exists(path)
    return import_module("datadog_lambda.wrapper").datadog_lambda_wrapper(handler)


WRAPPERS = {
    "none": lambda handler: handler,
    "clew": clew,
    "opentelemetry": opentelemetry,
    "lumigo": lumigo,
    "powertools": powertools,
    "epsagon": epsagon,
    "datadog": datadog,
}


def resident_kb() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


def main() -> None:
    variant, calls, invocations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import boto3  # noqa: PLC0415  # before the clock starts: the function has it anyway
    from botocore.config import Config  # noqa: PLC0415

    began = time.perf_counter()
    wrap = WRAPPERS[variant]
    holder: dict[str, Any] = {}

    def handler(event: Any, context: Any) -> Any:  # noqa: ARG001  # what Lambda passes
        for _ in range(calls):
            holder["client"].put_item(TableName="orders", Item={"id": {"S": "7"}, "name": {"S": "Ada"}})
        return {"ok": True}

    traced = wrap(handler)
    init_ms = (time.perf_counter() - began) * 1000
    holder["client"] = boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{os.environ['BENCH_AWS']}",
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )
    times = []
    cpu = 0.0
    for number in range(-min(WARM_UP, invocations - 1), invocations):
        if number == 0:
            cpu = time.process_time()
        event: dict[str, Any] = {}
        start = time.perf_counter()
        traced(event, Context())
        times.append((time.perf_counter() - start) * 1e6)
    cpu = (time.process_time() - cpu) * 1e6 / invocations
    out = {
        "init_ms": init_ms,
        "memory_kb": resident_kb(),
        "first_ms": times[0] / 1000,
        "wall_us": times[-invocations:],
        "cpu_us": cpu,
    }
    os.write(3, json.dumps(out).encode())  # stdout is the tracers'


if __name__ == "__main__":
    main()
