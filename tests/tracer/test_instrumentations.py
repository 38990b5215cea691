"""Installed OpenTelemetry instrumentations, as a function's package brings them along: on by themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import clew
from tests.tracer.companions import companions
from tests.tracer.runtime_api import ROOT, Lambda
from tests.tracer.sink import Sink, attributes

WRAPPER = Path(clew.__file__).parent / "layer" / "clew-exec"
TOP = "import requests, sqlite3, urllib3\n"
HANDLER = """
def handler(event, context):
    import requests, sqlite3, urllib3
    requests.post(event + "/requests", data=b"x")
    urllib3.PoolManager().request("POST", event + "/urllib3", body=b"x")
    sqlite3.connect(":memory:").cursor().execute("select 1")
    return "done"
"""


@pytest.fixture(name="other")
def _other() -> Any:
    """A server that the handler calls."""
    other = Sink()
    yield other
    other.close()


def function(folder: Path, sink: Sink, code: str, *, layer: bool = False, **environ: str) -> Lambda:
    """With the packages where a function's own are: before ours on the path."""
    own = environ.pop("OWN", "")
    paths = [str(folder), *([own] if own else []), str(companions()), str(ROOT / "tracer")]
    if not layer:
        code = code.replace("def handler", "import clew\n@clew.trace\ndef handler")
    defaults = {
        "PYTHONPATH": os.pathsep.join(paths),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "CLEW_EXPORT_TIMEOUT": "5000",
    }
    return Lambda(folder, code, {**defaults, **environ}, wrapper=WRAPPER if layer else None)


def children(sink: Sink) -> dict[str, str]:
    """What the spans under the invocation are called, by the library that made them."""
    spans = sink.spans()
    (root,) = [span for span in spans if not span.parent_span_id]
    assert "faas.invocation_id" in attributes(root)
    assert all(span.parent_span_id == root.span_id for span in spans if span is not root)
    names = {
        scope.scope.name.rpartition(".")[2]: span.name
        for request in sink.traces()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if span.span_id != root.span_id
    }
    assert len(names) == len(spans) - 1
    return names


@pytest.mark.parametrize("layer", [False, True], ids=["decorated", "layer"])
@pytest.mark.parametrize("top", ["", TOP], ids=["imported late", "imported first"])
def test_spans_of_instrumented_libraries_nest(tmp_path: Path, sink: Sink, other: Sink, layer: bool, top: str) -> None:
    """Whether the libraries are imported before the tracer starts or when the handler runs; each call is one span."""
    with function(tmp_path, sink, top + HANDLER, layer=layer) as running:
        assert running.invoke(other.url).result == b'"done"'
        assert (running.stdout, running.stderr) == ("", "")

    assert children(sink) == {"requests": "POST", "urllib3": "POST", "sqlite3": "select"}
    assert {one.path for one in other.received} == {"/requests", "/urllib3"}


def test_calls_of_boto3_stay_one_span(tmp_path: Path, sink: Sink, aws: str) -> None:
    """botocore sends with urllib3, whose instrumentation would tell the same call again."""
    code = f"""
import boto3, urllib3
s3 = boto3.client("s3", endpoint_url="{aws}")
def handler(event, context):
    s3.list_buckets()
    return bool(urllib3.connectionpool.HTTPConnectionPool.urlopen.__wrapped__)
"""
    with function(tmp_path, sink, code) as running:
        assert running.invoke({}).result == b"true"

    assert children(sink) == {"clew": "S3.ListBuckets"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CLEW_INSTRUMENTATIONS": "false"}, set()),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, set()),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests, SQLite3"}, {"urllib3"}),
    ],
)
def test_switched_off(tmp_path: Path, sink: Sink, other: Sink, environ: dict[str, str], expected: set[str]) -> None:
    """All, or by name. A call of requests is then one of urllib3, which is below it."""
    with function(tmp_path, sink, HANDLER.replace("urllib3.Pool", "# "), layer=True, **environ) as running:
        assert running.invoke(other.url).result == b'"done"'

    assert set(children(sink)) == expected


def test_the_functions_own_options_win(tmp_path: Path, sink: Sink, other: Sink) -> None:
    """A function that switches one on by itself gets what it asked for, and not a word about ours."""
    code = """
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor
def handler(event, context):
    requests.post(event)
    return len(called)
called = []
RequestsInstrumentor().instrument(request_hook=lambda span, request: called.append(1))
"""
    for layer in (False, True):
        with function(tmp_path / str(layer), sink, code, layer=layer) as running:
            assert running.invoke(other.url).result == b"1"
            assert (running.stdout, running.stderr) == ("", "")
        assert children(sink) == {"requests": "POST"}
        sink.received.clear()


def test_a_function_that_has_set_up_opentelemetry_is_left_alone(tmp_path: Path, sink: Sink, other: Sink) -> None:
    """Its provider would get spans that it did not ask for."""
    code = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
import requests
def handler(event, context):
    return hasattr(requests.Session.send, "__wrapped__")
"""
    with function(tmp_path, sink, code, layer=True) as running:
        assert running.invoke(other.url).result == b"false"


INSTRUMENTOR = """
class Instrumentor:
    is_instrumented_by_opentelemetry = False
    def _check_dependency_conflicts(self): return {conflict}
    def instrument(self, **options): raise ValueError(list(options))
"""
PLANTED = {
    "raises": ("raise RuntimeError('no good')", "RuntimeError: no good"),
    "not there": ("import no_such_library", None),
    "instrument": (INSTRUMENTOR.format(conflict="None"), "ValueError: ['skip_dep_check']"),
    "old": (INSTRUMENTOR.format(conflict="type('C', (), {'found': 'lib 0.1'})"), "lib 0.1; not switched on"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_one_that_fails_costs_a_warning(tmp_path: Path, sink: Sink, other: Sink, name: str) -> None:
    """The others are switched on; one of a library that is not there costs nothing."""
    code, said = PLANTED[name]
    own = tmp_path / "own"
    (own / "opentelemetry" / "instrumentation").mkdir(parents=True)
    (own / "broken.py").write_text(code)
    metadata = own / "opentelemetry_instrumentation_broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(
        "[console_scripts]\nx = y:z\n\n[opentelemetry_instrumentor]\nof_no_library = broken:Instrumentor [extra]\n"
    )
    with function(tmp_path / "function", sink, HANDLER, OWN=str(own)) as running:
        assert running.invoke(other.url).result == b'"done"'
        assert running.invoke(other.url).result == b'"done"'
        lines = running.stderr.splitlines()

    assert len(lines) == (said is not None)
    assert all(line.startswith("clew: instrumentation of-no-library ") and line.endswith(str(said)) for line in lines)
    assert len(sink.spans()) == 8


def test_where_none_is_installed_nothing_is_loaded(tmp_path: Path, sink: Sink) -> None:
    """Not even package metadata."""
    code = """
import json, sys
import clew
before = set(sys.modules)
@clew.trace
def handler(event, context):
    names = ("importlib.metadata", "importlib_metadata", "opentelemetry.instrumentation")
    return [name for name in names if name in sys.modules and name not in before]
"""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, code, environ) as running:
        assert json.loads(running.invoke({}).result or b"") == []
