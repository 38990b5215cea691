"""A Lambda on this machine: real functions in real processes, run by AWS's own runtime client.

    with LocalLambda(freeze=True) as aws:
        function = LocalFunction(
            name="resize", handler="app.handler", code=Path("functions/resize"), timeout=3, memory=512,
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, layers=(Path("layer.zip"),),
        )
        outcome = aws.invoke(function, {"key": "a.png"})
        outcome.status, outcome.value(), outcome.log, outcome.response_time, outcome.duration, outcome.report_line()

It has Lambda's Runtime API, its Extensions API for extensions inside the function's process and beside it, its
Telemetry API, layers, exec wrappers, SnapStart, provisioned concurrency, timeouts, crashes, running out of memory and
the freeze between invocations. The function's Python needs the package `awslambdaric`; nothing else is needed, and
nothing but Python's standard library (3.10 or later) is imported here.
"""

from collector.local_lambda.function import InitializationType, LocalFunction
from collector.local_lambda.outcome import FunctionError, InvocationOutcome, PlatformStatus, Response, Status
from collector.local_lambda.service import FunctionNotFoundError, LocalLambda, TooManyRequestsError

__all__ = [
    "FunctionError",
    "FunctionNotFoundError",
    "InitializationType",
    "InvocationOutcome",
    "LocalFunction",
    "LocalLambda",
    "PlatformStatus",
    "Response",
    "Status",
    "TooManyRequestsError",
]
