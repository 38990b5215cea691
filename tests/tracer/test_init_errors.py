"""What fails before any handler ran: told by Lambda as without us, and exported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.init_span import account_of
from tests.tracer.runtime_api import Answer, Lambda
from tests.tracer.sink import Sink, attributes

WRAPPER = Path(clew.__file__).parent / "layer" / "clew-exec"
HANDLER = "def handler(event, context):\n    return event\n"

# What is wrong with the function: its code, the handler's name, and Lambda's own type of the failure.
FAILURES = {
    "raises": ("def fails():\n    raise ValueError('password=hunter2')\nfails()\n", "app.handler", "ValueError"),
    "chained": (
        "try:\n    {}['x']\nexcept KeyError as error:\n    raise LookupError('outer') from error\n",
        "app.handler",
        "LookupError",
    ),
    "attribute": ("None.upper()\n" + HANDLER, "app.handler", "AttributeError"),
    "group": ("raise type('Odd', (Exception,), {'__module__': 'x'})(1, 2)\n", "app.handler", "Odd"),
    "import": ("import no_such_module\n" + HANDLER, "app.handler", "Runtime.ImportModuleError"),
    "import name": ("from json import no_such_name\n" + HANDLER, "app.handler", "Runtime.ImportModuleError"),
    "syntax": ("def handler(:\n", "app.handler", "Runtime.UserCodeSyntaxError"),
    "no module": (HANDLER, "nothing.handler", "Runtime.ImportModuleError"),
    "no package": (HANDLER, "some/where.handler", "Runtime.ImportModuleError"),
    "no handler": (HANDLER, "app.missing", "Runtime.HandlerNotFound"),
    "bad name": (HANDLER, "app", "Runtime.MalformedHandlerName"),
    "built in": (HANDLER, "sys.exit", "Runtime.BuiltInModuleConflict"),
}
# Before these, `import clew` has run; the others fail before any line of the function's does.
DECORATED = ["raises", "chained", "attribute", "group", "import", "import name", "no handler"]


def start(folder: Path, sink: Sink, name: str, way: str, **environ: str) -> tuple[Answer, str, str, int]:
    code, handler, _ = FAILURES[name]
    if way == "decorated":
        code = (
            "import clew; " + code if code.startswith(("import", "from", "None", "raise")) else "import clew\n" + code
        )
    defaults = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    wrapper = WRAPPER if way == "layer" else None
    with Lambda(folder, code, {**defaults, **environ}, handler=handler, wrapper=wrapper) as function:
        answer = function.answers.get(timeout=30)
        status = function.process.wait(timeout=30)
        return answer, function.stdout, function.stderr, status


def comparable(value: object) -> str:
    """Without what differs in every run: times, folders, and the line that `import clew` moved."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME", str(value))
    text = re.sub(r"/[^ \"']*/(plain|layer|decorated)/", "/", text)
    text = re.sub(r"import clew(; |\\\\n|\n)", "", text)
    return re.sub(r"(app\.py\\*\"), line \d+", r"\1, line N", text)


@pytest.mark.parametrize("name", FAILURES)
def test_with_the_layer_lambda_tells_a_failure_as_without(tmp_path: Path, sink: Sink, name: str) -> None:
    """Type, message, stack, exit status and output are the same; and the failure is one exported span."""
    plain = start(tmp_path / "plain", sink, name, "plain")
    assert not sink.received
    layered = start(tmp_path / "layer", sink, name, "layer")

    assert plain[0].error is not None
    assert plain[0].error["errorType"] == FAILURES[name][2]
    assert comparable(plain[0].error) == comparable(layered[0].error)
    assert [comparable(one) for one in plain[1:]] == [comparable(one) for one in layered[1:]]
    check(sink, plain[0].error)


@pytest.mark.parametrize("name", DECORATED)
def test_what_fails_after_the_import_of_clew_is_exported(tmp_path: Path, sink: Sink, name: str) -> None:
    """Without the layer, from the line that imports us on."""
    plain = start(tmp_path / "plain", sink, name, "plain")
    decorated = start(tmp_path / "decorated", sink, name, "decorated")

    assert plain[0].error is not None
    assert comparable(plain[0].error) == comparable(decorated[0].error)
    assert [comparable(one) for one in plain[1:]] == [comparable(one) for one in decorated[1:]]
    check(sink, plain[0].error)


def check(sink: Sink, error: dict[str, Any]) -> None:
    (span,) = sink.spans()
    values = attributes(span)
    assert (span.name, span.kind, span.status.code) == ("transcribe", 2, 2)
    assert values["clew.lambda.phase"] == "init"
    assert values["clew.lambda.initialization_type"] == "on-demand"
    assert values["error.type"] == error["errorType"]
    assert "faas.invocation_id" not in values
    assert span.status.message == error["errorMessage"].replace("hunter2", "****")
    assert 0 < span.start_time_unix_nano < span.end_time_unix_nano < time.time_ns()
    assert span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    (event,) = span.events
    told = attributes(event)
    assert event.name == "exception"
    assert not re.search(r"clew/(handler|init_errors|bootstrap)\.py", told["exception.stacktrace"])
    assert not any(b"hunter2" in one.body for one in sink.received)


def test_the_exception_behind_lambdas_own_is_told(tmp_path: Path, sink: Sink) -> None:
    """Lambda says of a failed import only that it failed; the span holds where."""
    start(tmp_path, sink, "import", "decorated")

    told = attributes(sink.spans()[0].events[0])
    assert told["exception.type"] == "ModuleNotFoundError"
    assert 'app.py", line 1, in <module>' in told["exception.stacktrace"]


@pytest.mark.parametrize(
    ("key_id", "account"),
    [("ASIAY34FZKBOKMUTVV7A", "609629065308"), ("ASIAQNZGKIQY56JQ7WML", "029608264753"), ("testing", None)],
)
def test_the_function_is_the_one_whose_invocations_follow(
    tmp_path: Path, sink: Sink, key_id: str, account: str | None
) -> None:
    """Its account is known by the function's credentials: no invocation told the ARN yet."""
    start(tmp_path, sink, "raises", "layer", AWS_ACCESS_KEY_ID=key_id)

    (span,) = sink.spans()
    assert attributes(span).get("cloud.account.id") == account


@pytest.mark.parametrize("key_id", ["", "ASIA", "AKIAY34FZKBOKMUTVV7A", "ASIA0000000000000000", "ASIAAAAAAAAAAAAAAAAA"])
def test_credentials_of_another_form_tell_no_account(key_id: str) -> None:
    """Those of a user, of an emulator, or of nobody."""
    assert account_of(key_id) == ""


@pytest.mark.parametrize("way", ["layer", "decorated"])
def test_what_was_printed_before_comes_with_it(tmp_path: Path, sink: Sink, way: str) -> None:
    """The lines of INIT, on the failure's span."""
    code = "import clew, logging\nprint('first')\nlogging.warning('second')\nraise ValueError('x')\n"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, code, environ, wrapper=WRAPPER if way == "layer" else None) as function:
        function.answers.get(timeout=30)
        function.process.wait(timeout=30)

    assert {"first", "second"} <= set(sink.lines())
    assert {record.span_id for record in sink.records()} == {sink.spans()[0].span_id}
    assert attributes(sink.records()[0])["clew.lambda.phase"] == "init"


@pytest.mark.parametrize("way", ["layer", "decorated"])
@pytest.mark.parametrize(("statement", "status"), [("sys.exit(3)", 3), ("sys.exit('bye')", 1)])
def test_leaving_the_process_during_init(tmp_path: Path, sink: Sink, way: str, statement: str, status: int) -> None:
    """`sys.exit` goes through with its status, and is exported as what Lambda calls it."""
    code = f"import sys, clew\n{statement}\n"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, code, environ, wrapper=WRAPPER if way == "layer" else None) as function:
        assert function.process.wait(timeout=30) == status
        assert function.stderr == ("bye\n" if status == 1 else "")

    (span,) = sink.spans()
    assert attributes(span)["error.type"] == "Runtime.ExitError"
    assert attributes(span)["clew.lambda.phase"] == "init"


@pytest.mark.parametrize("way", ["layer", "decorated"])
def test_a_function_that_starts_is_left_alone(tmp_path: Path, sink: Sink, way: str) -> None:
    """Once the runtime waits for events its functions are AWS's own again, and no failure is told at the end."""
    code = """
import sys
def ours(): return [f"{owner.__name__}.{name}" for owner, name in (
    (bootstrap, "make_error"), (client, "post_init_error"), (client, "wait_next_invocation"))
    if "clew" in getattr(owner, name).__module__]
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient as client
import clew
during = ours()
@clew.trace
def handler(event, context):
    if event == "leave":
        sys.exit(3)
    return [during, ours()]
"""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, code, environ, wrapper=WRAPPER if way == "layer" else None) as function:
        during, after = json.loads(function.invoke({}).result or b"")
        function.invoke_without_answer("leave")
        assert function.process.wait(timeout=30) == 3

    assert len(during) == 3
    assert after == []
    assert [attributes(span).get("clew.lambda.phase") for span in sink.spans()] == [None, None]


def test_a_process_that_is_no_runtime_may_end(tmp_path: Path, sink: Sink) -> None:
    """One that has imported the runtime client, but runs no function by it, such as a test."""
    code = "import awslambdaric.bootstrap, awslambdaric.lambda_runtime_client, clew, sys\nsys.exit(3)\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(WRAPPER.parents[2]), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert not sink.received


@pytest.mark.parametrize("behaviour", ["hang", "error", "drop"])
def test_a_collector_in_trouble_changes_nothing(tmp_path: Path, sink: Sink, behaviour: str) -> None:
    """The failure is posted all the same, and the export ends by its bound."""
    sink.behaviour = behaviour
    plain = start(tmp_path / "plain", sink, "raises", "plain")
    layered = start(tmp_path / "layer", sink, "raises", "layer", CLEW_EXPORT_TIMEOUT="200")

    assert comparable(plain[0].error) == comparable(layered[0].error)
    assert layered[3] == 1


def test_switched_off_nothing_is_loaded_or_sent(tmp_path: Path, sink: Sink) -> None:
    """With CLEW_DISABLED a failure is Lambda's alone."""
    code = "import clew, sys\nraise ValueError([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_DISABLED": "true"}
    with Lambda(tmp_path, code, environ) as function:
        answer = function.answers.get(timeout=30)
        function.process.wait(timeout=30)

    assert answer.error is not None
    assert answer.error["errorMessage"] == "[]"
    assert not sink.received


RUNTIME_OF_ONE_FILE = """
import importlib, json, os, sys, traceback
{getter}
def main():
    module, name = os.environ["_HANDLER"].rsplit(".", 1)
    try:
        handler = {get}
        print(json.dumps(handler({{"a": 1}}, None)))
    except Exception as error:
        print(json.dumps([getattr(error, "exception_type", type(error).__name__), str(error)]))
if __name__ == "__main__":
    main()
"""
GETTER = """
class FaultException(Exception):
    def __init__(self, exception_type, msg, trace=None):
        super().__init__(msg)
        self.msg, self.exception_type, self.trace = msg, exception_type, trace
def make_fault_handler(fault):
    def result(*args):
        raise fault
    return result
def _get_handler(handler):
    module, name = handler.rsplit(".", 1)
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        return make_fault_handler(
            FaultException("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"))
    except AttributeError:
        return make_fault_handler(
            FaultException("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'"))
"""


@pytest.mark.parametrize("getter", ["own", "none"])
@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("app.handler", {"a": 1}),
        ("app.missing", ["Runtime.HandlerNotFound", "Handler 'missing' missing on module 'app'"]),
        ("nothing.handler", ["Runtime.ImportModuleError",
                             "Unable to import module 'nothing': No module named 'nothing'"]),
    ],
)  # fmt: skip
def test_runtimes_of_another_layout(tmp_path: Path, sink: Sink, getter: str, handler: str, expected: Any) -> None:
    """A runtime that is one file has its own importer, or none that we know: the same words, and exported."""
    get = (
        "_get_handler(os.environ['_HANDLER'])" if getter == "own" else "getattr(importlib.import_module(module), name)"
    )
    (tmp_path / "bootstrap.py").write_text(
        RUNTIME_OF_ONE_FILE.format(getter=GETTER if getter == "own" else "", get=get)
    )
    (tmp_path / "app.py").write_text(HANDLER)
    done = subprocess.run(
        [WRAPPER, sys.executable, tmp_path / "bootstrap.py"],
        env={
            "PYTHONPATH": str(WRAPPER.parents[2]),
            "_HANDLER": handler,
            "AWS_LAMBDA_FUNCTION_NAME": "transcribe",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            "CLEW_EXPORT_TIMEOUT": "5000",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.stderr, json.loads(done.stdout)) == ("", expected)
    (span,) = sink.spans()
    assert attributes(span).get("error.type") == (expected[0] if isinstance(expected, list) else None)
    assert attributes(span).get("clew.lambda.phase") == ("init" if isinstance(expected, list) else None)
