"""`clew-run`: programs that are no functions. They do what they do without it, and what they do is exported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import distributions, entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.tracer.companions import companions
from tests.tracer.runtime_api import ROOT
from tests.tracer.sink import Sink, attributes

PROGRAM = """
import logging, sys
from opentelemetry import trace
print("outside")
with trace.get_tracer("own").start_as_current_span("step"):
    print("inside")
    logging.getLogger("shop").warning("logged")
    with trace.get_tracer("own").start_as_current_span("child"):
        pass
print("error", file=sys.stderr)
"""


def environment(folder: Path, sink: Sink | None, **environ: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "OTEL_", "AWS_"))}
    if sink is not None:
        kept["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.url
    paths = [str(folder), str(ROOT / "tracer")]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "OTEL_SERVICE_NAME": "shop", **environ}


def without_stock_exporters(folder: Path) -> None:
    """As where `clew[otlp]` is not installed: OpenTelemetry's exporters try again and say so by themselves."""
    (folder / "sitecustomize.py").write_text(
        "import sys\nsys.modules['opentelemetry.exporter.otlp.proto.http'] = None\n"
    )


def run(
    folder: Path, sink: Sink | None, *command: str, code: str = PROGRAM, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`sink` None: without clew-run."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(code)
    start = [sys.executable, "-m", "clew.run"] if sink is not None else []
    return subprocess.run(
        [*start, *(command or (sys.executable, "app.py"))],
        env=environment(folder, sink, **environ),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def shape(sink: Sink) -> dict[str, str]:
    """Each span's parent, by name."""
    names = {span.span_id: span.name for span in sink.spans()}
    return {span.name: names.get(span.parent_span_id, "") for span in sink.spans()}


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "app.py"],
        [sys.executable, "-m", "app"],
        ["-m", "app"],
        ["-c", "import app"],
        ["sh", "-c", f"true; {sys.executable} app.py"],
        ["env", "-u", "NOTHING", sys.executable, "app.py"],
    ],
    ids=["script", "module", "own module", "own code", "shell", "program"],
)
def test_a_program_is_traced(tmp_path: Path, sink: Sink, command: list[str]) -> None:
    """However its Python is started: spans, and lines with the span that they were written in."""
    done = run(tmp_path, sink, *command)

    assert (done.returncode, done.stdout, done.stderr) == (0, "outside\ninside\n", "logged\nerror\n")
    assert shape(sink) == {"step": "", "child": "step"}
    (step,) = [span for span in sink.spans() if span.name == "step"]
    lines = {record.body.string_value: record.span_id for record in sink.records()}
    assert lines == {"outside": b"", "inside": step.span_id, "logged": step.span_id, "error": b""}
    resource = attributes(sink.traces()[0].resource_spans[0].resource)
    assert resource["service.name"] == "shop"
    assert "faas.name" not in resource
    assert "cloud.platform" not in resource


ENDINGS = {
    "exit": "import sys\nsys.exit(3)",
    "exit with text": "import sys\nsys.exit('bye')",
    "error": "def fails():\n    raise ValueError('x')\nfails()",
    "syntax": "def (",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "arguments": "import sys\nprint(sys.argv, __name__, sys.path[0], 'clew' in sys.path[0], sys.flags)",
    "recursion": "import sys\ndef deep(n):\n    return deep(n - 1) if n else print('deep')\ndeep(800)",
    "closed stdout": "import os\nos.close(1)\nos.close(2)",
    "warns": "import warnings\nwarnings.warn('careful')",
    "fork": "import os, sys\nif os.fork():\n    os.wait()\nelse:\n    print('child')\n    sys.exit(0)",
    "thread": "import threading\nt = threading.Thread(target=lambda: print('late'))\nt.start()",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_program_is_the_same(tmp_path: Path, sink: Sink, name: str) -> None:
    """Exit status, output and errors, byte for byte."""
    plain = run(tmp_path, None, code=ENDINGS[name])
    traced = run(tmp_path, sink, code=ENDINGS[name])

    assert (plain.returncode, plain.stdout, plain.stderr) == (traced.returncode, traced.stdout, traced.stderr)


def test_calls_of_boto3(tmp_path: Path, sink: Sink, aws: str) -> None:
    """A call outside of any span is a trace of its own; within one it is its child."""
    code = f"""
import boto3
from opentelemetry import trace
s3 = boto3.client("s3", endpoint_url="{aws}", region_name="eu-west-1",
                  aws_access_key_id="testing", aws_secret_access_key="testing")
s3.create_bucket(Bucket="run", CreateBucketConfiguration={{"LocationConstraint": "eu-west-1"}})
with trace.get_tracer("own").start_as_current_span("step"):
    s3.put_object(Bucket="run", Key="a", Body=b"x", Metadata={{"password": "hunter2"}})
try:
    s3.get_object(Bucket="run", Key="missing")
except s3.exceptions.NoSuchKey:
    print("missing")
"""
    done = run(tmp_path, sink, code=code)

    assert (done.returncode, done.stdout, done.stderr) == (0, "missing\n", "")
    assert shape(sink) == {"S3.CreateBucket": "", "S3.PutObject": "step", "step": "", "S3.GetObject": ""}
    assert len({span.trace_id for span in sink.spans()}) == 3
    by_name = {span.name: attributes(span) for span in sink.spans()}
    assert by_name["S3.GetObject"]["error.type"] == "NoSuchKey"
    assert by_name["S3.PutObject"]["clew.resource.name"] == "run"
    assert by_name["S3.PutObject"]["clew.link.keys"]
    assert "****" in by_name["S3.PutObject"]["clew.request"]
    assert not any(b"hunter2" in one.body for one in sink.received)


def test_processes_that_fork(tmp_path: Path, sink: Sink) -> None:
    """Each exports its own, once: children of `os.fork`, of multiprocessing, and their parent."""
    code = """
import multiprocessing, os, sys
from opentelemetry import trace
def work(name):
    with trace.get_tracer("own").start_as_current_span(name):
        print(name)
if __name__ == "__main__":
    work("before")
    if os.fork() == 0:
        work("forked")
        sys.exit(0)
    os.wait()
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=work, args=(method,))
        process.start()
        process.join()
    work("after")
"""
    done = run(tmp_path, sink, code=code)

    assert (done.returncode, done.stderr) == (0, "")
    names = ["before", "forked", "fork", "spawn", "after"]
    assert sorted(span.name for span in sink.spans()) == sorted(names)
    assert sorted(sink.lines()) == sorted(names)
    spans = {span.name: span.span_id for span in sink.spans()}
    assert {record.body.string_value: record.span_id for record in sink.records()} == spans


def test_what_was_before_a_fork_is_not_forgotten(tmp_path: Path, sink: Sink) -> None:
    """Even if nothing follows in the parent."""
    code = PROGRAM + "import os\nif os.fork():\n    os.wait()\n"
    done = run(tmp_path, sink, code=code)

    assert (done.returncode, done.stderr) == (0, "logged\nerror\n")
    assert shape(sink) == {"step": "", "child": "step"}
    assert len(sink.spans()) == 2
    assert sorted(sink.lines()) == ["error", "inside", "logged", "outside"]


def test_a_service_exports_while_it_runs(tmp_path: Path, sink: Sink) -> None:
    """At OpenTelemetry's interval; what the last one did not take comes with the end."""
    code = PROGRAM + "sys.stdout.flush(); sys.stdin.read(); print('end')\n"
    (tmp_path / "app.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-m", "clew.run", sys.executable, "app.py"],
        env=environment(tmp_path, sink, OTEL_BSP_SCHEDULE_DELAY="50"),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        sink.wait_for_spans(2)
        assert process.poll() is None
        assert process.communicate("", timeout=30)[0] == "outside\ninside\nend\n"
    finally:
        process.kill()
        process.wait()

    assert len(sink.spans()) == 2
    assert sorted(sink.lines()) == ["end", "error", "inside", "logged", "outside"]


def test_a_collector_that_comes_back_gets_what_waited(tmp_path: Path, sink: Sink) -> None:
    """Spans and lines are kept while the collector is in trouble, which is said once."""
    sink.behaviour = "error"
    without_stock_exporters(tmp_path)
    code = (
        "import clew.exporting\nclew.exporting._FIRST_PAUSE = clew.exporting._LONGEST_PAUSE = 0.05\n"
        + PROGRAM
        + "sys.stdout.flush(); sys.stdin.read(1)\n"
    )
    (tmp_path / "app.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-m", "clew.run", sys.executable, "app.py"],
        env=environment(tmp_path, sink, OTEL_BSP_SCHEDULE_DELAY="50"),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        sink.wait_for_spans(2)
        sink.received.clear()
        sink.behaviour = "ok"
        sink.wait_for_spans(2)
        _, error = process.communicate("x", timeout=30)
    finally:
        process.kill()
        process.wait()

    assert {span.name for span in sink.spans()} == {"step", "child"}
    assert {"outside", "inside", "logged", "error"} <= set(sink.lines())
    assert error.splitlines()[:2] == ["logged", "error"]
    assert all(line.startswith("clew: export failed") for line in error.splitlines()[2:])


def test_many_spans_are_exported_at_once(tmp_path: Path, sink: Sink) -> None:
    """More than the buffer holds, in less than the interval: none is lost."""
    code = """
import time
from opentelemetry import trace
with trace.get_tracer("own").start_as_current_span("all"):
    for number in range(4000):
        with trace.get_tracer("own").start_as_current_span(str(number)):
            pass
        if number % 100 == 0:
            time.sleep(0.01)
"""
    without_stock_exporters(tmp_path)
    done = run(tmp_path, sink, code=code, OTEL_BSP_SCHEDULE_DELAY="60000")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(sink.spans()) == 4001


def test_a_collector_in_trouble_does_not_fill_the_memory(tmp_path: Path, sink: Sink) -> None:
    """A bounded number of spans waits for it, the last ones."""
    sink.behaviour = "error"
    code = """
import time
from opentelemetry import trace
for number in range(3000):
    with trace.get_tracer("own").start_as_current_span(str(number)):
        pass
    if number % 100 == 0:
        time.sleep(0.02)
time.sleep(0.3)
import clew.service
print(len(clew.service.scope._engine.provider.buffer.ended))
"""
    without_stock_exporters(tmp_path)
    done = run(tmp_path, sink, code=code, OTEL_BSP_SCHEDULE_DELAY="50", CLEW_MAX_SPANS="100")

    assert 0 < int(done.stdout) <= 100
    assert "clew: spans are dropped until the collector takes some again\n" in done.stderr


def test_no_collector(tmp_path: Path) -> None:
    """The program is as it is without us, but for one line."""
    sink = Sink()
    sink.close()
    without_stock_exporters(tmp_path)
    done = run(tmp_path, sink)

    assert (done.returncode, done.stdout) == (0, "outside\ninside\n")
    lines = done.stderr.splitlines()
    assert lines[:2] == ["logged", "error"]
    assert [line.partition(":")[0] for line in lines[2:]] == ["clew"]


@pytest.mark.parametrize("stock", [False, True])
def test_a_collector_that_hangs(tmp_path: Path, sink: Sink, stock: bool) -> None:
    """The program ends all the same, with whatever exporter."""
    sink.behaviour = "hang"
    if not stock:
        without_stock_exporters(tmp_path)
    done = run(tmp_path, sink)

    assert (done.returncode, done.stdout) == (0, "outside\ninside\n")


def test_a_customization_of_the_programs_own(tmp_path: Path, sink: Sink) -> None:
    """Another `sitecustomize` on the path is run as ever, and the same module afterwards."""
    (tmp_path / "sitecustomize.py").write_text("print('customized', __file__)\nVALUE = 1\n")
    code = "import sitecustomize, sys\nprint(sitecustomize.VALUE, [path for path in sys.path if 'autostart' in path])\n"
    plain = run(tmp_path, None, code=code)
    traced = run(tmp_path, sink, code=code)

    # Before the program: `clew-run` is itself a Python that has a sitecustomize.
    assert traced.stdout == f"customized {tmp_path / 'sitecustomize.py'}\n" + plain.stdout
    assert plain.stdout.endswith("\n1 []\n")
    assert traced.stderr == ""


def test_a_provider_of_the_programs_own_wins(tmp_path: Path, sink: Sink) -> None:
    """A program that sets up OpenTelemetry gets its spans, without a word of a second provider."""
    code = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
with trace.get_tracer("own").start_as_current_span("step"):
    pass
print(trace.get_tracer_provider() is provider, [span.name for span in exporter.get_finished_spans()])
"""
    done = run(tmp_path, sink, code=code)

    assert (done.stdout, done.stderr) == ("True ['step']\n", "")
    assert not sink.spans()


def test_a_handler_in_a_program(tmp_path: Path, sink: Sink) -> None:
    """A decorated function is an invocation as ever, with what it does under it."""
    code = """
import clew
from opentelemetry import trace
@clew.trace
def handler(event, context):
    with clew.span("own"):
        print("inside")
with clew.span("around", password="hunter2"):
    handler({}, None)
print("outside")
"""
    done = run(tmp_path, sink, code=code)

    assert (done.returncode, done.stderr) == (0, "")
    assert shape(sink) == {"around": "", "handler": "around", "own": "handler"}
    spans = {span.name: span.span_id for span in sink.spans()}
    lines = {record.body.string_value: record.span_id for record in sink.records()}
    assert lines == {"inside": spans["handler"], "outside": b""}
    assert not any(b"hunter2" in one.body for one in sink.received)


def test_instrumentations_are_switched_on(tmp_path: Path, sink: Sink) -> None:
    """Outside of a function as inside: calls of other libraries are traces of their own, exports are not."""
    other = Sink()
    code = f"import requests\nprint(requests.post('{other.url}/orders', data=b'x').status_code)\n"
    path = os.pathsep.join([str(companions()), str(ROOT / "tracer")])
    done = run(tmp_path, sink, code=code, PYTHONPATH=path)
    other.close()

    assert (done.stdout, done.stderr) == ("200\n", "")
    assert shape(sink) == {"POST": ""}
    assert "traceparent" in other.received[0].headers


@pytest.mark.parametrize("variable", ["CLEW_DISABLED", "OTEL_SDK_DISABLED"])
def test_switched_off_nothing_is_loaded(tmp_path: Path, sink: Sink, variable: str) -> None:
    """The program does not even find a sitecustomize."""
    code = "import os, sys\nprint(sorted(n for n in sys.modules if n.startswith(('clew', 'opentel', 'sitecus'))))\n"
    plain = run(tmp_path, None, code=code)
    done = run(tmp_path, sink, code=code, **{variable: "true"})

    assert (done.stdout, done.stderr) == (plain.stdout, plain.stderr)
    assert not sink.received


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, ""),
        (["no-such-command"], 127, "clew-run: there is no command 'no-such-command'\n"),
        (["/"], 126, "clew-run: cannot run '/': Permission denied\n"),
    ],
)
def test_what_cannot_be_run(tmp_path: Path, arguments: list[str], status: int, said: str) -> None:
    """Exit statuses are a shell's."""
    done = subprocess.run(
        [sys.executable, "-m", "clew.run", *arguments],
        env=environment(tmp_path, None),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (status, said)
    assert done.stdout.startswith("Usage: clew-run ") is (not arguments)


def test_the_command_is_installed() -> None:
    """As `clew-run`."""
    scripts = entry_points(group="console_scripts", name="clew-run")
    if not scripts and not list(distributions(name="clew")):
        pytest.skip("the tracer is on the path, but not installed")
    (script,) = scripts
    assert script.value == "clew.run:main"
    done: Any = subprocess.run(
        [Path(sysconfig.get_path("scripts"), "clew-run"), "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: clew-run COMMAND")


def test_signals_reach_the_program(tmp_path: Path, sink: Sink) -> None:
    """There is one process: what ends `clew-run` ends the program, in the program's own way."""
    code = """
import pathlib, signal, sys, time
def left(*_):
    print("left")
    sys.exit(5)
signal.signal(signal.SIGTERM, left)
print("ready")
pathlib.Path("waits").touch()
while True:
    time.sleep(0.01)
"""
    (tmp_path / "app.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-m", "clew.run", sys.executable, "app.py"],
        env=environment(tmp_path, sink),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        while not (tmp_path / "waits").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == "ready\nleft\n"
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 5
    assert sink.lines() == ["ready", "left"]
