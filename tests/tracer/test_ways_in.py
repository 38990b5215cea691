"""The decorator, the layer, and both: the same function to Lambda, and one trace of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clew
from collector.local_lambda import InvocationOutcome, LocalFunction, LocalLambda, Status
from tests.tracer.companions import companions
from tests.tracer.runtime_api import ROOT, Lambda
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_differential import EVENTS, HANDLERS, comparable

WRAPPER = Path(clew.__file__).parent / "layer" / "clew-exec"
WAYS = ["decorated", "layer", "both"]

HANDLER = """
import os
def handler(event, context):
    print("in the handler", os.environ["_HANDLER"])
    if event == "raise":
        raise LookupError("no such order")
    if event == "hang":
        import time
        time.sleep(30)
    return {"got": event}
"""


@pytest.fixture(name="lambdas")
def _lambdas(tmp_path: Path) -> Iterator[LocalLambda]:
    with LocalLambda(tmp_path / "logs", freeze=True) as lambdas:
        yield lambdas


@pytest.fixture(name="layer")
def _layer(tmp_path: Path) -> Path:
    """As `clew layer build` lays it out; OpenTelemetry is this environment's."""
    layer = tmp_path / "opt"
    (layer / "python").mkdir(parents=True)
    shutil.copytree(WRAPPER.parents[1], layer / "python" / "clew", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(WRAPPER, layer / "clew-exec")
    return layer


def deploy(
    folder: Path, layer: Path, way: str, sink: Sink, code: str = HANDLER, *, packages: Path | None = None, **more: Any
) -> LocalFunction:
    """The function with its packages in its own folder, as its zip file has them."""
    own = folder / way
    own.mkdir()
    if way in {"decorated", "both"}:
        code = code.replace("def handler", "import clew\n@clew.trace\ndef handler")
    (own / "app.py").write_text(code)
    for package in sorted(packages.iterdir()) if packages is not None else ():
        (own / package.name).symlink_to(package)
    if way == "decorated":
        (own / "clew").symlink_to(WRAPPER.parents[1])
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    if way in {"layer", "both"}:
        environment["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/clew-exec"
    environment |= more.pop("environment", {})
    layers = (layer,) if way in {"layer", "both"} else ()
    return LocalFunction(
        name=way,
        handler=more.pop("handler", "app.handler"),
        code=own,
        environment=environment,
        layers=layers,
        memory=512,
        **more,
    )


def told(outcome: InvocationOutcome) -> tuple[object, ...]:
    """What Lambda says of an invocation, without what differs in every run."""
    log = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", outcome.log)
    log = re.sub(r"(Duration|Memory Used): [\d.]+", r"\1: N", log)
    log = re.sub(r"\nEXTENSION.*|\nTELEMETRY.*", "", log)
    log = re.sub(r"/(plain|decorated|layer|both)/", "/", log)
    error = outcome.error
    stack = re.sub(r"/(plain|decorated|layer|both)/", "/", comparable(str(error.stack if error is not None else "")))
    kind = (error.type, re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", error.message)) if error is not None else None
    return outcome.status, outcome.payload if error is None else b"", kind, stack, comparable(log)


@pytest.mark.parametrize("way", WAYS)
def test_lambda_sees_the_same_function(tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink, way: str) -> None:
    """Results, errors with their stacks, timeouts and the log are those of the function alone; each is one span."""
    plain = deploy(tmp_path, layer, "plain", sink, timeout=1.0)
    traced = deploy(tmp_path, layer, way, sink, timeout=1.0)
    events: list[Any] = [{"n": 1}, "raise", [1], "hang"]
    expected = [told(lambdas.invoke(plain, event)) for event in events]
    assert not sink.received
    outcomes = [lambdas.invoke(traced, event) for event in events]

    assert [one[0] for one in expected] == [Status.SUCCESS, Status.ERROR, Status.SUCCESS, Status.TIMEOUT]
    for wanted, outcome in zip(expected, outcomes, strict=True):
        assert told(outcome) == wanted
    lambdas.close()
    spans = {attributes(span)["faas.invocation_id"]: attributes(span) for span in sink.spans()}
    assert list(spans) == [outcome.request_id for outcome in outcomes]
    kinds = [attributes_.get("error.type") for attributes_ in spans.values()]
    assert kinds == [None, "LookupError", None, "Sandbox.Timedout"]
    unfinished = [span for span in sink.spans() if attributes(span).get("clew.unfinished")]
    assert len(sink.spans()) - len(unfinished) == 3, "each invocation is traced once"


@pytest.mark.parametrize("way", WAYS)
def test_an_initialization_that_fails(tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink, way: str) -> None:
    """Lambda tells the same of it, and runs it again within the invocation: each is exported once."""
    code = "def fails():\n    raise ValueError('password=hunter2')\n" + HANDLER + "fails()\n"
    expected = told(lambdas.invoke(deploy(tmp_path, layer, "plain", sink, code), {}))
    outcome = lambdas.invoke(deploy(tmp_path, layer, way, sink, code), {})

    assert expected[0] is Status.ERROR
    assert told(outcome) == expected
    assert {attributes(span).get("clew.lambda.phase") for span in sink.spans()} == {"init"}
    assert {attributes(span)["error.type"] for span in sink.spans()} == {"ValueError"}
    assert len(sink.spans()) == outcome.log.count("[ERROR] ValueError")
    assert not any(b"hunter2" in one.body for one in sink.received)


@pytest.mark.parametrize(
    "setting",
    ["CLEW_DISABLED=true", "CLEW_DISABLED=True", "CLEW_DISABLED=1", "CLEW_DISABLED= yes ", "OTEL_SDK_DISABLED=ON"],
)
def test_the_layer_switched_off(tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink, setting: str) -> None:
    """Nothing of OpenTelemetry is loaded; with a plain value nothing of ours either."""
    code = """
import os, sys
def handler(event, context):
    names = {name.split(".")[0] for name in sys.modules}
    return ["opentelemetry" in names, "clew" in names, os.environ["_HANDLER"]]
"""
    variable, _, value = setting.partition("=")
    function = deploy(tmp_path, layer, "layer", sink, code, environment={variable: value})

    assert lambdas.invoke(function, {}).value() == [False, value != value.strip(), "app.handler"]
    assert not sink.received


def test_a_path_of_the_functions_own_keeps_the_layer(
    tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink
) -> None:
    """Lambda does not look into layers where PYTHONPATH is set; the wrapper adds ours, last."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "shared.py").write_text("VALUE = 7")
    code = "import shared\ndef handler(event, context):\n    return shared.VALUE\n"
    function = deploy(tmp_path, layer, "layer", sink, code, environment={"PYTHONPATH": str(tmp_path / "lib")})

    assert lambdas.invoke(function, {}).value() == 7
    lambdas.close()
    assert len(sink.spans()) == 1


@pytest.mark.parametrize("files", [{"clew.py": "MINE = 1"}, {"clew/__init__.py": "MINE = 1"}])
def test_a_module_of_the_functions_own_that_has_our_name(
    tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink, files: dict[str, str]
) -> None:
    """It is found first. The function runs, untraced, with a line that says why."""
    code = "import clew\ndef handler(event, context):\n    return clew.MINE\n"
    function = deploy(tmp_path, layer, "layer", sink, code)
    for name, text in files.items():
        (function.code / name).parent.mkdir(exist_ok=True)
        (function.code / name).write_text(text)
    outcome = lambdas.invoke(function, {})

    assert outcome.value() == 1
    assert outcome.log.count("clew: the function has a module 'clew' without clew.handler; not tracing\n") == 1
    assert not sink.received


def test_an_opentelemetry_of_the_functions_own_is_used(
    tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink
) -> None:
    """What the function brings comes first on the path, of another version too: its spans nest."""
    code = """
from opentelemetry import trace
def handler(event, context):
    with trace.get_tracer("own").start_as_current_span("step"):
        return [trace.__file__.startswith(event), getattr(trace.get_tracer_provider(), "__module__", "")]
"""
    function = deploy(tmp_path, layer, "layer", sink, code, packages=companions())

    assert lambdas.invoke(function, str(function.code)).value() == [True, "clew.provider"]
    lambdas.close()
    spans = {span.name: span for span in sink.spans()}
    assert spans["step"].parent_span_id == spans["layer"].span_id


OLD = {
    "opentelemetry/trace/__init__.py": "class Span: pass\ndef get_current_span(): return None\n",
    "opentelemetry/context/__init__.py": "def get_current(): return {}\n",
}


@pytest.mark.parametrize("way", ["decorated", "layer"])
def test_an_opentelemetry_that_is_too_old_switches_us_off(
    tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink, way: str
) -> None:
    """One that lacks what the tracer needs: the function runs, with one line that says why it is not traced."""
    code = "from opentelemetry.trace import Span\ndef handler(event, context):\n    return Span.__name__\n"
    function = deploy(tmp_path, layer, way, sink, code)
    for name, text in OLD.items():
        (function.code / name).parent.mkdir(parents=True, exist_ok=True)
        (function.code / name).write_text(text)
    outcomes = [lambdas.invoke(function, {}) for _ in range(2)]

    assert [outcome.value() for outcome in outcomes] == ["Span", "Span"]
    assert "".join(outcome.log for outcome in outcomes).count("clew: starting failed: ") == 1
    assert not sink.received


POWERTOOLS = """
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
logger, metrics, app = Logger(service="shop"), Metrics(namespace="shop", service="shop"), APIGatewayHttpResolver()
@app.get("/orders/<order>")
def order(order):
    logger.info("found", extra={"order": order})
    return {"order": order}
@lambda_handler_decorator
def audited(handler, event, context):
    return handler(event, context)
DECORATION
@logger.inject_lambda_context(log_event=True)
@metrics.log_metrics(capture_cold_start_metric=True)
@audited
def handler(event, context):
    logger.append_keys(path=event["rawPath"])
    if event["rawPath"] == "/broken":
        raise KeyError("broken")
    return app.resolve(event, context)
"""


def test_powertools(tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink) -> None:
    """A handler under its decorators: the same result, log and errors, however it is traced."""

    def event(path: str) -> dict[str, Any]:
        http = {"method": "GET", "path": path}
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "requestContext": {"http": http, "stage": "$default", "apiId": "a", "accountId": "1", "requestId": "r"},
        }

    results = {}
    for way in ("plain", *WAYS):
        code = POWERTOOLS.replace("DECORATION", "import clew\n@clew.trace" if way in {"decorated", "both"} else "")
        function = deploy(tmp_path, layer, way, sink, code, packages=companions(), timeout=10.0)
        (function.code / "app.py").write_text(code)  # which is decorated where it should be
        outcomes = [lambdas.invoke(function, event(path)) for path in ("/orders/7", "/broken")]
        results[way] = [told(outcome) for outcome in outcomes]
        if way == "plain":
            assert [outcome.status for outcome in outcomes] == [Status.SUCCESS, Status.ERROR]
            assert outcomes[0].value()["body"] == '{"order":"7"}'
            assert not sink.received

    def steady(outcome: tuple[object, ...]) -> list[str]:
        text = re.sub(r'"(timestamp|xray_trace_id|function_name|function_arn)":"[^"]*"', "", str(outcome))
        text = re.sub(r'"Timestamp":\d+|"function_name":"\w+"|"(location|function)":"[^"]*"', "", text)
        return re.split(r"\\n|\\r", re.sub(r"\b(plain|decorated|layer|both)\b|line \d+|ID", "", text))

    lambdas.close()
    for way in WAYS:
        assert [steady(one) for one in results[way]] == [steady(one) for one in results["plain"]], way
    roots = [attributes(span) for span in sink.spans() if not span.parent_span_id]
    assert [root.get("error.type") for root in roots] == [None, "KeyError"] * 3
    assert all(root["clew.trigger.type"] == "apigateway" for root in roots)


SHAPES = """
import asyncio, functools
class Callable:
    def __call__(self, event, context):
        return ["instance", event]
class Nested:
    class Inner:
        @staticmethod
        def run(event, context):
            return ["static", event]
        @classmethod
        def of_class(cls, event, context):
            return [cls.__name__, event]
class Made(dict):
    def __init__(self, event, context):
        super().__init__(made=event)
def plain(event, context):
    return ["plain", event]
def wraps(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
async def coroutine(event, context):
    await asyncio.sleep(0)
    return ["coroutine", event]
instance = Callable()
static = Nested.Inner.run
of_class = Nested.Inner.of_class
partial = functools.partial(plain)
wrapped = wraps(wraps(plain))
runs = lambda event, context: asyncio.run(coroutine(event, context))
def generator(event, context):
    yield event
async def stream(event, context):
    yield event
nothing = 3
made = Made
"""


@pytest.mark.parametrize(
    "name",
    ["instance", "static", "of_class", "partial", "wrapped", "runs", "made", "generator", "coroutine", "stream",
     "nothing"],
)  # fmt: skip
def test_whatever_a_handler_is(tmp_path: Path, lambdas: LocalLambda, layer: Path, sink: Sink, name: str) -> None:
    """The runtime's word on each is the same with the layer, of those too that it cannot run."""
    expected = lambdas.invoke(deploy(tmp_path, layer, "plain", sink, SHAPES, handler=f"app.{name}"), {"n": 1})
    outcome = lambdas.invoke(deploy(tmp_path, layer, "layer", sink, SHAPES, handler=f"app.{name}"), {"n": 1})

    def steady(outcome: InvocationOutcome) -> object:
        *rest, log = told(outcome)
        # Where Python says that nobody awaited a coroutine is where it was let go.
        log = re.sub(r"\S+:\d+: RuntimeWarning: (coroutine .*)\n.*", r"\1", str(log))
        return *rest, log.replace("clew: int cannot be called: nothing to trace\n", "")

    assert steady(outcome) == steady(expected)
    lambdas.close()
    spans = sink.spans()
    if name == "nothing":
        assert not spans
        return
    (span,) = spans
    failed = expected.error is not None
    assert attributes(span).get("error.type") == ("Runtime.MarshalError" if failed else None)


def test_the_layer_on_the_corpus_of_handlers(tmp_path: Path, sink: Sink) -> None:
    """Every result, error and byte of output that the decorator keeps, the layer keeps too."""
    code = HANDLERS.format(decoration="", decorator="")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    runs = []
    for wrapper in (None, WRAPPER):
        folder = tmp_path / ("layer" if wrapper else "plain")
        with Lambda(folder, code, environ, wrapper=wrapper) as function:
            answers = [function.invoke(event, f"request-{number}") for number, event in enumerate(EVENTS)]
            output = [comparable(text) for text in (function.stdout, function.stderr)]
        runs.append(([(answer.result, comparable(str(answer.error))) for answer in answers], output))

    plain, layered = runs
    for event, expected, actual in zip(EVENTS, plain[0], layered[0], strict=True):
        assert actual == expected, event
    assert layered[1] == plain[1]
    assert len({attributes(span)["faas.invocation_id"] for span in sink.spans()}) == len(EVENTS)


EXEC = "import json, os, sys; print(json.dumps([sys.argv[1:], {n: os.environ.get(n) for n in NAMES}]))"
NAMES = ["_HANDLER", "CLEW_ORIGINAL_HANDLER", "CLEW_LAYER", "PYTHONPATH"]


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        # The managed runtime, which puts layers on the path itself.
        (["bootstrap.py"], {"_HANDLER": "a.b"}, ([], "clew.handler.handler", "a.b", None)),
        (["bootstrap.py"], {"_HANDLER": "a.b", "PYTHONPATH": "/x"}, ([], "clew.handler.handler", "a.b", "/x:LAYER")),
        (["bootstrap.py"], {"_HANDLER": "a.b", "PYTHONPATH": ""}, ([], "clew.handler.handler", "a.b", "LAYER")),
        (
            ["bootstrap.py"],
            {"_HANDLER": "clew.handler.handler", "CLEW_ORIGINAL_HANDLER": "a.b"},
            ([], "clew.handler.handler", "a.b", None),
        ),
        # A container image that starts the runtime with the handler as an argument.
        (["-", "a.b"], {}, (["-", "clew.handler.handler"], "clew.handler.handler", "a.b", "LAYER")),
        (["a b", "x y.z"], {"_HANDLER": "x y.z"}, (["a b", "clew.handler.handler"], "clew.handler.handler", "x y.z",
                                                   "LAYER")),
    ],
)  # fmt: skip
def test_what_the_wrapper_hands_on(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], expected: tuple[Any, ...]
) -> None:
    """The runtime's command line with what it is to run, and the function's own handler beside it."""
    code = EXEC.replace("NAMES", repr(NAMES))
    (tmp_path / "bootstrap.py").write_text(code)
    command = [sys.executable, "bootstrap.py"] if arguments == ["bootstrap.py"] else [sys.executable, "-c", code]
    rest = [] if arguments == ["bootstrap.py"] else arguments
    layer = tmp_path / "my layer"
    layer.mkdir()
    shutil.copy(WRAPPER, layer / "clew-exec")
    done = subprocess.run(
        [layer / "clew-exec", *([sys.executable, tmp_path / "bootstrap.py"] if not rest else [*command, *rest])],
        env={"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    given, found = json.loads(done.stdout)
    path = found["PYTHONPATH"]
    place = None if path is None else path.replace(f"{layer}/python", "LAYER")
    assert (given, found["_HANDLER"], found["CLEW_ORIGINAL_HANDLER"], place) == expected
    assert found["CLEW_LAYER"] == "true"
    assert done.stderr == ""


def test_the_wrapper_stands_a_missing_name(tmp_path: Path) -> None:
    """A handler that nobody named is said to be one, by the runtime, as ever."""
    with Lambda(tmp_path, HANDLER, {"PYTHONPATH": str(ROOT / "tracer")}, handler="", wrapper=WRAPPER) as function:
        answer = function.answers.get(timeout=30)

    assert answer.error is not None
    assert answer.error["errorType"] == "Runtime.MalformedHandlerName"
