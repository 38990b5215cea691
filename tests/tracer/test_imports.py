"""What INIT loads: each module costs 0.1 ms or more, so that a new one is told here and not by a bill.

Compared with what a function has anyway (boto3, Lambda's runtime client) and what OpenTelemetry's SDK itself loads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tracer.sink import Sink

LOADED = """
import json, sys
import awslambdaric.bootstrap
{anyway}
before = set(sys.modules)
{steps}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
IMPORTED = frozenset({
    "clew", "clew.annotations", "clew.api", "clew.decorator", "clew.encoder", "clew.guard", "clew.init_errors",
    "clew.init_lines", "clew.logs", "clew.protobuf", "clew.secrets", "clew.settings", "clew.spans", "clew.streams",
    "clew.version",
})  # fmt: skip
DECORATED = IMPORTED | {
    "clew.bootstrap", "clew.connection", "clew.consumed_keys", "clew.contexts", "clew.deadline", "clew.description",
    "clew.engine", "clew.environment", "clew.events", "clew.exporting", "clew.failures", "clew.harmless",
    "clew.imports", "clew.invocation", "clew.json_text", "clew.lean_span", "clew.measures", "clew.neighbours",
    "clew.payload", "clew.propagation", "clew.provider", "clew.records", "clew.sender", "clew.thread_errors",
    "clew.triggers", "clew.unfinished", "clew.walk",
}  # fmt: skip
CALLING = {"clew.aws_calls", "clew.call_plans", "clew.produced_keys", "clew.resources"}
OFF = {
    "clew", "clew.api", "clew.decorator", "clew.guard", "clew.init_errors", "clew.init_lines", "clew.settings",
    "clew.spans", "clew.version",
}  # fmt: skip
TRACE = "import clew\ntraced = clew.trace(lambda event, context: event)"


def loaded(folder: Path, steps: str, anyway: str = "import boto3", **environ: str) -> set[str]:
    """The modules that `steps` load in a function, beyond those that it has `anyway`."""
    variables = {"AWS_LAMBDA_FUNCTION_NAME": "f", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **environ}
    done = python(folder, LOADED.format(anyway=anyway, steps=steps), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return set(json.loads(done.stdout))


def test_a_decorated_handler(tmp_path: Path) -> None:
    """Nothing of Python's library or OpenTelemetry's that the SDK itself would not load."""
    sdk = loaded(tmp_path, "import opentelemetry.sdk.trace")

    found = loaded(tmp_path, TRACE)

    assert {name for name in found if name.partition(".")[0] == "clew"} == DECORATED | CALLING
    assert {name for name in found if name.partition(".")[0] != "clew"} - sdk == set()


def test_the_first_invocation(tmp_path: Path, sink: Sink) -> None:
    """What every event needs is there after INIT, the connection's modules included."""
    found = loaded(tmp_path, "traced({}, None)", f"import boto3\n{TRACE}", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert found == set()
    assert len(sink.spans()) == 1


def test_without_botocore(tmp_path: Path) -> None:
    """What traces calls is not loaded where there can be none, and is there as soon as there can be."""
    assert not CALLING & loaded(tmp_path, TRACE, anyway="")
    assert loaded(tmp_path, f"{TRACE}\nimport boto3", anyway="") >= CALLING


def test_before_a_handler_is_decorated(tmp_path: Path) -> None:
    """`import clew` is for modules that only tag as well: nothing of OpenTelemetry, and nothing that boto3 has not."""
    assert loaded(tmp_path, "import clew") == IMPORTED


def test_a_function_whose_tracing_is_off(tmp_path: Path) -> None:
    """It pays for finding that out."""
    assert loaded(tmp_path, TRACE, CLEW_DISABLED="true") == OFF
