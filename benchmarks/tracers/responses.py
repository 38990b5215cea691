"""When the response of a function leaves, on the local Lambda: AWS's own runtime client, frozen between invocations or
not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.machine import percentile
from benchmarks.tracers.environments import ROOT, make_environment
from collector.app.layer import build
from collector.local_lambda import LocalFunction, LocalLambda

VARIANTS = ("without a tracer", "decorated", "with the layer")
_PLAIN = "import boto3\n\n\ndef handler(event, context):\n    return {'ok': True}\n"
_DECORATED = _PLAIN.replace("import boto3\n", "import boto3\nimport clew\n").replace("def ", "@clew.trace\ndef ")
_INVOCATIONS = 200
REQUEST = {
    "version": "2.0",
    "routeKey": "POST /orders",
    "rawPath": "/orders",
    "rawQueryString": "dry=1",
    "headers": {
        "accept": "*/*",
        "content-length": "47",
        "content-type": "application/json",
        "host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "user-agent": "curl/8.5.0",
        "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    },
    "queryStringParameters": {"dry": "1"},
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
        "domainPrefix": "a1b2c3d4e5",
        "http": {
            "method": "POST",
            "path": "/orders",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "curl/8.5.0",
        },
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "POST /orders",
        "stage": "$default",
        "time": "10/Mar/2020:05:16:23 +0000",
        "timeEpoch": 1583817383220,
    },
    "body": '{"id": 17, "items": [{"sku": "a", "count": 2}]}',
    "isBase64Encoded": False,
}
"""What an HTTP API hands over, from a caller that is traced."""
_WARM_UP = 10


def prepare(directory: Path) -> dict[str, LocalFunction]:
    """A function of each kind, without the collector's address."""
    python = make_environment("clew")
    layer = directory / "layer.zip"
    build("3.11", layer)
    functions = {}
    for variant, source in zip(VARIANTS, (_PLAIN, _DECORATED, _PLAIN), strict=True):
        code = directory / variant.replace(" ", "-")
        code.mkdir()
        (code / "app.py").write_text(source)
        layered = variant == "with the layer"
        functions[variant] = LocalFunction(
            name=variant.split()[-1],
            handler="app.handler",
            code=code,
            memory=512,
            environment={
                **({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/clew-exec"} if layered else {}),
                **({"PYTHONPATH": str(ROOT / "tracer")} if variant == "decorated" else {}),
            },
            layers=(layer,) if layered else (),
            python=python,
        )
    return functions


def measure(function: LocalFunction, sink: int, event: object, *, freeze: bool) -> tuple[float, float, float]:
    """INIT and then the fastest tenth until the response and until the end, in milliseconds."""
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink}"}
    function = replace(function, environment={**function.environment, **address})
    with LocalLambda(freeze=freeze) as aws:
        outcomes = [aws.invoke(function, event) for _ in range(_INVOCATIONS + _WARM_UP)]
    failed = [one for one in outcomes if one.error is not None]
    if failed:
        raise RuntimeError(f"{function.name}: {failed[0].error} {failed[0].log}")
    later = outcomes[_WARM_UP:]
    responses = [one.response_time for one in later if one.response_time is not None]
    return (
        outcomes[0].init_duration or 0.0,
        percentile(responses, 0.1),
        percentile([one.duration for one in later], 0.1),
    )
