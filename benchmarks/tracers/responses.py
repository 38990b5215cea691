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


def measure(function: LocalFunction, sink: int, *, freeze: bool) -> tuple[float, float, float]:
    """INIT and then the fastest tenth until the response and until the end, in milliseconds."""
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink}"}
    function = replace(function, environment={**function.environment, **address})
    with LocalLambda(freeze=freeze) as aws:
        outcomes = [aws.invoke(function, {}) for _ in range(_INVOCATIONS + _WARM_UP)]
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
