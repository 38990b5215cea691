"""What a function calls: the transaction's address, and what nothing does outside of invocations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import clew
from tests.tracer.sink import Sink
from tests.tracer.test_handlers import python

pytestmark = pytest.mark.usefixtures("warnings_anew")


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({}, "{sink}"),
        ({"CLEW_DASHBOARD_URL": "https://clew.example.com/shop/"}, "https://clew.example.com/shop"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://user:hunter2@[::1]:4318/in?x"}, "https://[::1]:4318"),
    ],
)
def test_the_transactions_address(sink: Sink, trace: Any, environ: dict[str, str], base: str) -> None:
    """The dashboard's, by the invocation's trace; without a name and password."""
    traced = trace(
        lambda event, context: (clew.transaction_url(), current_trace_id()), OTEL_TRACES_EXPORTER="none", **environ
    )

    url, trace_id = traced({}, None)
    assert url == f"{base.format(sink=sink.url)}/traces/{trace_id}"


def current_trace_id() -> str:
    from opentelemetry import trace as api

    return f"{api.get_current_span().get_span_context().trace_id:032x}"


def test_an_invocation_that_is_not_sampled_has_no_transaction(sink: Sink, trace: Any) -> None:
    """Nor spans, tags or issues; the function runs as it would."""

    def handler(event: Any, context: Any) -> list[Any]:
        with clew.span("step") as span:
            span.set_attribute("a", 1)
            return [clew.transaction_url(), clew.tag("a", "b"), clew.issue("T", "m")]

    assert trace(handler, OTEL_TRACES_SAMPLER="always_off")({}, None) == [None, False, False]
    assert sink.received == []


def test_outside_of_invocations_nothing_is_done(sink: Sink, trace: Any, capfd: Any) -> None:
    """At import, between invocations, and in a task that outlives its own."""
    left: list[Any] = []

    def handler(event: Any, context: Any) -> None:
        import contextvars

        left.append(contextvars.copy_context())

    def use() -> list[Any]:
        with clew.span("step") as span:
            span.set_attribute("a", 1)
        return [clew.tag("a", "b"), clew.issue("T", "m"), clew.transaction_url()]

    assert use() == [False, False, None]
    traced = trace(handler)
    assert use() == [False, False, None]
    traced({}, None)
    assert left[0].run(use)[:2] == [False, False]
    assert capfd.readouterr().err.count("while no invocation ran") == 2  # once for each of the two


SWITCHED_OFF = """
import sys
import clew

@clew.span("step", a=1)
def step():
    return clew.tag("a", "b"), clew.issue("T", "m"), clew.transaction_url()

@clew.trace
def handler(event, context):
    with clew.span("x") as span:
        span.set_attribute("a", 1)
        return step()

assert handler({}, None) == (False, False, None)
loaded = sorted(name for name in sys.modules if name.startswith("opentelemetry"))
assert not loaded, loaded
"""


def test_switched_off_it_does_nothing(tmp_path: Path, sink: Sink) -> None:
    """Without a warning, and without loading OpenTelemetry."""
    done = python(tmp_path, SWITCHED_OFF, CLEW_DISABLED="true", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert sink.received == []


def test_importing_does_not_load_opentelemetry(tmp_path: Path) -> None:
    """Nor does decorating with a span: INIT pays only for a handler that is traced."""
    code = """
import sys
import clew
@clew.span("step")
def step(): return 1
assert step() == 1
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    done = python(tmp_path, code, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stderr, done.returncode) == ("", 0)


def test_a_span_of_the_functions_own_provider(tmp_path: Path) -> None:
    """Where no invocation runs, and the function has set up OpenTelemetry, it is a plain span of that."""
    code = """
import clew
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
try:
    with clew.span("job", n=1) as span:
        with clew.span("step"):
            raise ValueError("wrong")
except ValueError:
    pass
step, job = exporter.get_finished_spans()
assert (job.name, dict(job.attributes), step.parent.span_id) == ("job", {"n": 1}, job.context.span_id)
assert step.events[0].name == "exception" and not step.status.is_ok
"""
    done = python(tmp_path, code)

    assert (done.stderr, done.returncode) == ("", 0)


USER = """
import clew

@clew.span("a", n=1)
def add(a: int, b: int) -> int:
    return a + b

@clew.span
async def later(a: str) -> str:
    return a

reveal_type(add)
reveal_type(later)
reveal_type(clew.tag("a", 1))
reveal_type(clew.transaction_url())
with clew.span("x") as span:
    span.set_attribute("a", 1)
clew.issue("T", "m", order=1)
clew.tag("a", None)
"""


def test_it_is_typed_for_its_users(tmp_path: Path) -> None:
    """Decorated functions keep their types, and a value that no tag can have is an error."""
    pytest.importorskip("mypy")  # not where only the tracer's own needs are installed
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "user.py"],
        env={"MYPYPATH": clew.__path__[0].removesuffix("/clew"), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    revealed = [line.partition("Revealed type is ")[2] for line in done.stdout.splitlines() if "Revealed" in line]
    assert [text.replace("builtins.", "") for text in revealed] == [
        '"def (a: int, b: int) -> int"',
        '"def (a: str) -> typing.Coroutine[Any, Any, str]"',
        '"bool"',
        '"str | None"',
    ]
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1
    assert "tag" in errors[0]
    assert (Path(clew.__path__[0]) / "py.typed").exists()
