"""What can be decorated, and what a decorated handler takes."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import clew
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path


def test_a_coroutine_function_stays_one(sink: Sink, trace: Any) -> None:
    """An async handler is awaited as before, and its span lasts until it ends."""

    async def handler(event: Any, context: Any) -> Any:
        await asyncio.sleep(0.01)
        return event

    traced = trace(handler)

    assert inspect.iscoroutinefunction(traced)
    assert asyncio.run(traced({"n": 1}, None)) == {"n": 1}
    (span,) = sink.spans()
    assert span.end_time_unix_nano - span.start_time_unix_nano >= 10_000_000


def test_an_error_of_a_coroutine_is_its_own(sink: Sink, trace: Any) -> None:
    """It is raised to the awaiting caller and told by the span."""

    async def handler(event: Any, context: Any) -> Any:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        asyncio.run(trace(handler)({}, None))
    assert attributes(sink.spans()[0])["error.type"] == "KeyError"


def test_coroutines_that_run_at_once_are_separate(sink: Sink, trace: Any) -> None:
    """Each has its own trace, lines and result."""

    async def handler(event: Any, context: Any) -> Any:
        await asyncio.sleep(0.01)
        print("line", event)
        return event

    traced = trace(handler)

    async def both() -> list[int]:
        return list(await asyncio.gather(traced(1, None), traced(2, None)))

    assert asyncio.run(both()) == [1, 2]
    lines = {record.body.string_value: record.trace_id for record in sink.records()}
    values = {attributes(span)["clew.return_value"]: span.trace_id for span in sink.spans()}
    assert lines == {"line 1": values["1"], "line 2": values["2"]}


def test_functions_methods_classes_and_partials(sink: Sink, trace: Any) -> None:
    """Whatever can be a handler can be decorated, and looks the same from outside."""

    def plain(event: Any, context: Any) -> Any:
        """Says hello."""
        return event

    class Handler:
        def method(self, event: Any, context: Any) -> Any:
            return [self, event]

        def __call__(self, event: Any, context: Any) -> Any:
            return event

    instance = Handler()
    traced = trace(plain)
    assert (traced.__name__, traced.__doc__) == ("plain", "Says hello.")
    assert inspect.signature(traced) == inspect.signature(plain)
    assert traced(event=1, context=None) == 1
    assert trace(instance.method)(2, None) == [instance, 2]
    assert trace(instance)(3, None) == 3
    assert trace(functools.partial(plain, context=None))(4) == 4
    assert trace(Handler)()(5, None) == 5

    class Decorated:
        @clew.trace
        def method(self, event: Any, context: Any) -> Any:
            return event

        @clew.trace()
        @staticmethod
        def static(event: Any, context: Any) -> Any:
            return event

    assert Decorated().method(6, None) == 6
    assert Decorated.static(7, None) == 7
    assert [attributes(span)["clew.event"] for span in sink.spans()] == list("1234567")


def test_decorated_twice_is_traced_once(sink: Sink, trace: Any) -> None:
    """Also with a decorator between, and when a handler calls itself."""

    def handler(event: Any, context: Any) -> Any:
        return again(event - 1, context) if event else "end"

    again = trace(handler)

    @functools.wraps(again)
    def between(event: Any, context: Any) -> Any:
        return again(event, context)

    assert clew.trace(again) is again
    del between.__clew_traced__  # type: ignore[attr-defined]  # what another's decorator would not copy
    assert clew.trace(between)(2, None) == "end"
    assert len(sink.spans()) == 1


@pytest.mark.parametrize(
    "context",
    [
        None,
        object(),
        {},
        type("C", (), {"aws_request_id": 5, "invoked_function_arn": None, "get_remaining_time_in_millis": 3}),
        type("C", (), {"get_remaining_time_in_millis": lambda self: "soon"})(),
        type("C", (), {"get_remaining_time_in_millis": lambda self: -5})(),
        type("C", (), {"get_remaining_time_in_millis": lambda self: 1 / 0})(),
        type("C", (), {"w3c": lambda self: {"traceparent": 5}})(),
        pytest.param(type("C", (), {"__getattribute__": lambda self, name: 1 / 0}), id="hostile"),
    ],
)
def test_odd_contexts_do_no_harm(sink: Sink, trace: Any, context: Any) -> None:
    """A handler that is tried out with any context works, and is traced."""
    if context.__class__ is type:
        context = context()
    assert trace(lambda event, context: context)({}, context) is context
    assert len(sink.spans()) == 1


def test_the_result_is_the_same_object(trace: Any) -> None:
    """Not a copy, and not changed."""
    result = {"a": [1]}
    event = {"password": "x"}

    assert trace(lambda event, context: event)(event, None) is event
    assert trace(lambda event, context: result)({}, None) is result
    assert (event, result) == ({"password": "x"}, {"a": [1]})


def test_a_seeded_random_is_the_functions_own(sink: Sink, trace: Any) -> None:
    """The tracer draws no numbers from `random`, and its ids differ though the seed is the same."""

    def handler(event: Any, context: Any) -> list[float]:
        random.seed(7)
        return [random.random() for _ in range(3)]

    expected = handler({}, None)
    traced = trace(handler)

    assert traced({}, None) == traced({}, None) == expected
    assert len({span.trace_id for span in sink.spans()}) == len({span.span_id for span in sink.spans()}) == 2


def test_a_failing_tracer_is_not_noticed(trace: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """Whatever breaks inside, the handler runs once and its result comes back."""
    from clew import invocation

    calls = []

    def handler(event: Any, context: Any) -> str:
        calls.append(event)
        return "result"

    traced = trace(handler)

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("bug")

    for name in ("__init__", "succeed", "close"):
        with monkeypatch.context() as patch:
            patch.setattr(invocation.Invocation, name, broken)
            assert traced({}, None) == "result"
    assert len(calls) == 3
    assert "failed: RuntimeError: bug" in capfd.readouterr().err


def test_trace_context_of_the_caller_is_continued(sink: Sink, trace: Any) -> None:
    """A traceparent among the HTTP headers is the parent; one per message of a batch is a link."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traced = trace(lambda event, context: {"statusCode": 503})
    traced({"requestContext": {"apiId": "a", "http": {}}, "headers": {"TraceParent": traceparent}}, None)
    record = {
        "eventSource": "aws:sqs",
        "messageAttributes": {"traceparent": {"stringValue": traceparent}},
        "attributes": {"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"},
    }
    traced({"Records": [record]}, None)
    traced({"Records": [record, record]}, None)
    http, one, batch = sink.spans()

    assert http.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert http.parent_span_id.hex() == one.parent_span_id.hex() == "b7ad6b7169203331"
    assert attributes(http)["http.response.status_code"] == 503
    assert http.status.code == 2
    assert batch.parent_span_id == b""
    assert {link.span_id.hex() for link in batch.links} == {"b7ad6b7169203331", "53995c3f42cd8ad8"}


def test_cold_starts(sink: Sink, trace: Any) -> None:
    """The first invocation is one, unless its environment was provisioned."""
    for environ in ({}, {"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}):
        traced = trace(lambda event, context: None, **environ)
        traced({}, None)
        traced({}, None)

    assert [attributes(span)["faas.coldstart"] for span in sink.spans()] == [True, False, False, False]


SPANS_OF_THE_API = """
import clew
from opentelemetry import trace
tracer = trace.get_tracer("shop")

@clew.trace
def handler(event, context):
    with tracer.start_as_current_span("step") as span:
        span.set_attribute("order", 7)
    return "ok"

assert handler({}, None) == "ok"
"""


def python(folder: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(code)
    path = os.pathsep.join([str(folder), clew.__path__[0].removesuffix("/clew")])
    return subprocess.run(
        [sys.executable, str(folder / "script.py")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "CLEW_EXPORT_TIMEOUT": "10000", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("function", ["transcribe", ""])
def test_spans_of_the_opentelemetry_api_nest(tmp_path: Path, sink: Sink, function: str) -> None:
    """In Lambda by our exporter, elsewhere by OpenTelemetry's, a span of the handler's is the invocation's child."""
    done = python(tmp_path, SPANS_OF_THE_API, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME=function)

    assert (done.stdout, done.stderr) == ("", "")
    step, invocation = sorted(sink.spans(), key=lambda span: span.name == (function or "handler"))
    assert step.name == "step"
    assert step.parent_span_id == invocation.span_id
    assert attributes(step) == {"order": 7}
    agent = sink.received[0].headers["user-agent"]
    assert agent.startswith("clew/" if function else "OTel-OTLP-Exporter-Python")


PRINTS_AND_LOGS = """
import logging, clew
@clew.trace
def handler(event, context):
    print("printed")
    logging.getLogger("app").error("logged")
handler({}, None)
"""


def test_the_stock_exporter_sends_lines_too(tmp_path: Path, sink: Sink) -> None:
    """Outside Lambda, records have the same body, severity and ids."""
    done = python(tmp_path, PRINTS_AND_LOGS, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert (done.stdout, done.stderr) == ("printed\n", "logged\n")
    printed, logged = sorted(sink.records(), key=lambda record: record.severity_number)
    assert (printed.body.string_value, logged.body.string_value) == ("printed", "logged")
    assert logged.severity_number == 17
    assert {printed.trace_id, logged.trace_id} == {span.trace_id for span in sink.spans()}


def test_a_provider_of_the_functions_own_is_left_alone(tmp_path: Path, sink: Sink) -> None:
    """A function that sets up OpenTelemetry keeps its provider, without a warning."""
    code = """
import clew
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
@clew.trace
def handler(event, context):
    return None
own = TracerProvider()
trace.set_tracer_provider(own)
handler({}, None)
assert trace.get_tracer_provider() is own
"""
    done = python(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stderr, done.returncode) == ("", 0)
    assert len(sink.spans()) == 1


def test_botocore_imported_later_is_traced(tmp_path: Path, sink: Sink) -> None:
    """A handler that imports boto3 only when it needs it has its calls traced, and botocore is not imported for it."""
    code = """
import sys, clew
@clew.trace
def handler(event, context):
    assert "botocore" not in sys.modules
    import boto3
    try:
        boto3.client("sqs", region_name="eu-west-1", endpoint_url="http://127.0.0.1:1",
                     aws_access_key_id="a", aws_secret_access_key="b").list_queues()
    except Exception as error:
        return type(error).__name__
assert handler({}, None) == "EndpointConnectionError"
"""
    done = python(
        tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f", AWS_MAX_ATTEMPTS="1"
    )

    assert done.stderr == ""
    assert [span.name for span in sink.spans()] == ["SQS.ListQueues", "f"]


@pytest.mark.parametrize(
    ("environ", "spans", "warning"),
    [
        ({"CLEW_DISABLED": "true"}, 0, ""),
        ({"OTEL_SDK_DISABLED": "true"}, 0, ""),
        ({"OTEL_TRACES_EXPORTER": "none"}, 0, ""),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0, ""),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0, ""),
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, 1, "OTEL_TRACES_SAMPLER is none of"),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}, 1, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT is not a whole number"),
        ({"CLEW_EXPORT_TIMEOUT": "soon"}, 1, "CLEW_EXPORT_TIMEOUT is not a number"),
        ({"CLEW_MASK_KEYS": "("}, 1, "taking its words as they are"),
        ({"OTEL_PROPAGATORS": "nonsense"}, 1, ""),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, 1, "http/json has no exporter"),
    ],
)
def test_the_environment_decides(tmp_path: Path, sink: Sink, environ: dict[str, str], spans: int, warning: str) -> None:
    """Switches and samplers mean what they say; what cannot be read is one warning and the default."""
    code = "import clew\n@clew.trace\ndef handler(event, context):\n    return 1\nassert handler({}, None) == 1\n"
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "AWS_LAMBDA_FUNCTION_NAME": "f", **environ}
    done = python(tmp_path, code, **variables)

    assert done.returncode == 0
    assert done.stdout == ""
    assert warning in done.stderr
    assert done.stderr.count("\n") == bool(warning)
    if "EXPORT_TIMEOUT" not in str(environ):
        assert len(sink.spans()) == spans


def test_the_console_exporter_prints(tmp_path: Path, sink: Sink) -> None:
    """OTEL_TRACES_EXPORTER=console writes spans to stdout, and they are no lines of the function's."""
    done = python(
        tmp_path, PRINTS_AND_LOGS, OTEL_TRACES_EXPORTER="console", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        AWS_LAMBDA_FUNCTION_NAME="f",
    )  # fmt: skip

    assert '"name": "f"' in done.stdout
    assert sorted(sink.lines()) == ["logged", "printed"]


def test_attribute_limits_hold(sink: Sink, trace: Any) -> None:
    """A value is no longer than OpenTelemetry's limit, and a cut payload still says how long it was."""
    trace(lambda event, context: None, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="100")({"a": "x" * 500}, None)

    event = attributes(sink.spans()[0])["clew.event"]
    assert len(event) <= 100
    assert "…[cut: 50" in event


@pytest.mark.parametrize("leaves", ["sys.exit(0)", "raise ValueError", "return"])
def test_a_forked_child_that_leaves_by_the_handler(tmp_path: Path, sink: Sink, leaves: str) -> None:
    """The invocation is its parent's, who exports it once and as it ended there."""
    code = f"""
import os, sys, clew
@clew.trace
def handler(event, context):
    print("before", flush=True)
    with clew.span("step"):
        pass
    child = os.fork()
    if child == 0:
        with clew.span("of the child"):
            print("child", flush=True)
        {leaves}
    os.waitpid(child, 0)
parent = os.getpid()
try:
    handler({{}}, None)
finally:
    if os.getpid() != parent:
        os._exit(0)
handler({{}}, None) if {leaves!r} == "return" else None
"""
    done = python(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert done.stdout.startswith("before\nchild\n")
    times = 2 if leaves == "return" else 1
    assert sorted(span.name for span in sink.spans()) == sorted(["step", "f"] * times)
    assert not any(span.status.code for span in sink.spans())
    assert sink.lines() == ["before"] * times


def test_a_forked_child_lives(tmp_path: Path, sink: Sink) -> None:
    """A process that a handler forks ends as it would, also after the handler's first use of a pool of threads."""
    code = """
import multiprocessing, clew
@clew.trace
def handler(event, context):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(str, [1, 2]))
    process = multiprocessing.get_context("fork").Process(target=print, args=("child",))
    process.start()
    process.join(20)
    alive = process.is_alive()
    process.kill()
    return alive, process.exitcode
assert handler({}, None) == (False, 0)
"""
    done = python(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stdout, done.stderr) == ("child\n", "")
    assert len(sink.spans()) == 1
