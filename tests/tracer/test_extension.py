"""With the internal extension, exports are made after the response, and Lambda waits for them."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from clew import extension
from clew.settings import read
from collector.local_lambda import Response, Status
from tests.tracer.local import LocalFunctions
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path

TRACED = """
import clew

@clew.trace
def handler(event, context):
    print("line")
    if event.get("fail"):
        raise ValueError("no")
    return {"n": event.get("n")}
"""


def test_the_response_does_not_wait_for_the_collector(tmp_path: Path, sink: Sink) -> None:
    """It is there while the collector still holds the export back; the environment is frozen only after that."""
    sink.behaviour = "hold"
    with LocalFunctions(tmp_path, sink, TRACED, CLEW_EXPORT_TIMEOUT="20000", timeout=60) as functions:
        outcome = functions.invoke({"n": 1}, on_response=lambda _: sink.released.set())

    assert outcome.status is Status.SUCCESS
    assert outcome.value() == {"n": 1}
    assert [attributes(span)["clew.return_value"] for span in sink.spans()] == ['{"n":1}']
    assert "clew:" not in functions.log


def test_every_invocation_is_exported_before_the_freeze(tmp_path: Path, sink: Sink) -> None:
    """Its spans and lines are there when Lambda says that it is over, whether it failed or not."""
    with LocalFunctions(tmp_path, sink, TRACED) as functions:
        for number in range(8):
            functions.invoke({"n": number, "fail": number % 2})
            assert len(sink.spans()) == len([line for line in sink.lines() if line == "line"]) == number + 1

    assert [span.status.code for span in sink.spans()] == [0, 2] * 4
    assert sink.connections == 1
    assert "State: Ready\tEvents: [INVOKE]" in functions.log
    assert "clew:" not in functions.log


def test_the_span_ends_with_the_handler(tmp_path: Path, sink: Sink) -> None:
    """Not when the response was posted or the export began: Lambda's runtime encodes the result for half a second."""
    source = """
    import time
    import clew

    class Slow(dict):
        def items(self):
            time.sleep(0.5)
            return super().items()

    @clew.trace
    def handler(event, context):
        return Slow(n=1)
    """
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcome = functions.invoke()

    (span,) = sink.spans()
    assert outcome.value() == {"n": 1}
    assert (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6 <= outcome.duration - 500


@pytest.mark.parametrize("how", ["exit", "interrupt"])
def test_a_handler_that_leaves_the_process_is_exported_at_once(tmp_path: Path, sink: Sink, how: str) -> None:
    """There is no response to wait for."""
    source = """
    import sys
    import clew

    @clew.trace
    def handler(event, context):
        if event["how"] == "exit":
            sys.exit(3)
        raise KeyboardInterrupt
    """
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcome = functions.invoke({"how": how})
        assert outcome.status is Status.EXIT
        (span,) = sink.spans()

    assert attributes(span)["error.type"] == {"exit": "Runtime.ExitError", "interrupt": "KeyboardInterrupt"}[how]


@pytest.mark.parametrize("behaviour", ["hang", "trickle", "drop", "error"])
def test_a_collector_in_trouble_makes_no_timeout(tmp_path: Path, sink: Sink, behaviour: str) -> None:
    """The time after the response counts to the function's: the export ends before that is up, and is not repeated."""
    sink.behaviour = behaviour
    with LocalFunctions(tmp_path, sink, TRACED, CLEW_EXPORT_TIMEOUT="60000", timeout=3) as functions:
        outcomes = [functions.invoke({"n": number}) for number in range(3)]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 3
    assert [outcome.value() for outcome in outcomes] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len({received.connection for received in sink.received}) == 1
    assert functions.log.count("clew: export failed") == 1


def test_no_collector_at_all(tmp_path: Path, sink: Sink) -> None:
    """A refused connection is said once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with LocalFunctions(tmp_path, sink, TRACED, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as functions:
            outcomes = [functions.invoke({"n": number}) for number in range(3)]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 3
    assert functions.log.count("clew: export failed") == 1


def test_an_invocation_that_times_out_is_there_before_the_response(tmp_path: Path, sink: Sink) -> None:
    """The extension does not keep the environment from being reset, and the next environment has one again."""
    source = """
    import time
    import clew

    @clew.trace
    def handler(event, context):
        time.sleep(event.get("seconds", 0))
    """
    with LocalFunctions(tmp_path, sink, source, timeout=2) as functions:
        outcomes = [functions.invoke({"seconds": seconds}) for seconds in (0, 30, 0)]

    assert [outcome.status for outcome in outcomes] == [Status.SUCCESS, Status.TIMEOUT, Status.SUCCESS]
    assert [attributes(span).get("error.type") for span in sink.spans()] == [None, "Sandbox.Timedout", None]


def test_an_event_that_never_gets_to_the_handler_is_no_reason_to_wait(tmp_path: Path, sink: Sink) -> None:
    """The runtime refuses it, and asks for the next one."""
    with LocalFunctions(tmp_path, sink, TRACED) as functions:
        outcomes = [functions.invoke(event) for event in (b"{no json", {"n": 1})]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 2
    assert outcomes[0].error is not None
    assert outcomes[1].value() == {"n": 1}
    assert len(sink.spans()) == 1


def test_registering_too_late_leaves_the_export_before_the_response(tmp_path: Path, sink: Sink) -> None:
    """A handler that is first traced when INIT is over: said once, and nothing is lost."""
    source = """
    import clew

    def work(event, context):
        return "done"

    def handler(event, context):
        return clew.trace(work)(event, context)
    """
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcomes = [functions.invoke() for _ in range(3)]

    assert [outcome.value() for outcome in outcomes] == ["done"] * 3
    assert len(sink.spans()) == 3
    assert functions.log.count("clew: exports are made before the response: RefusedError: registering: HTTP 403") == 1


@pytest.mark.parametrize(
    ("environ", "joins"),
    [
        ({"CLEW_EXTENSION": "true"}, True),
        ({"CLEW_EXTENSION": "auto", "CLEW_LAYER": "true"}, True),
        ({"CLEW_EXTENSION": "auto"}, False),
        ({"CLEW_EXTENSION": "false", "CLEW_LAYER": "true"}, False),
    ],
)
def test_it_is_the_layers_or_asked_for(tmp_path: Path, sink: Sink, environ: dict[str, str], joins: bool) -> None:
    """By default a function that only has the decorator gets no extension."""
    with LocalFunctions(tmp_path, sink, TRACED, environ=environ) as functions:
        functions.invoke()

    assert ("EXTENSION" in functions.log) is joins
    assert len(sink.spans()) == 1


@pytest.mark.parametrize("environ", [{}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_LAMBDA_MAX_CONCURRENCY": "8"}])
def test_nothing_is_registered_where_environments_are_shared(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    """On Managed Instances no extension hears of invocations; and outside Lambda there is nothing to register at."""
    monkeypatch.setattr(extension, "Extension", None)  # making one would raise
    engine: Any = None

    assert extension.join(engine, read({"CLEW_EXTENSION": "true"}), environ) is None


def test_threads_that_are_none_are_noticed(tmp_path: Path, sink: Sink) -> None:
    """A library that puts its own in their place would have Lambda wait for one that never runs."""
    source = "import threading\nthreading.get_native_id = lambda: 1\n" + TRACED
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcomes = [functions.invoke({"n": 1}) for _ in range(2)]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 2
    assert len(sink.spans()) == 2
    assert "exports are made before the response: RuntimeError: threads are none of the system's" in functions.log


TAKES = (
    TRACED
    + """
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient as Client
inner = handler
owner = next(one for one in Client.__mro__ if "wait_next_invocation" in vars(one))
ours = owner.wait_next_invocation.__wrapped__
def handler(event, context):
    if event["n"] in event["when"]:
        owner.wait_next_invocation = lambda self: ours(self)
    return inner(event, context)
"""
)


@pytest.mark.parametrize("when", [[0], [2], [0, 1, 2, 3, 4, 5, 6, 7, 8]])
def test_something_that_takes_our_place_in_the_runtime(tmp_path: Path, sink: Sink, when: list[int]) -> None:
    """It is watched anew; if that goes on, exports are made before the response, and Lambda does not wait in vain."""
    with LocalFunctions(tmp_path, sink, TAKES) as functions:
        outcomes = [functions.invoke({"n": number, "when": when}) for number in range(9)]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 9
    assert [outcome.value() for outcome in outcomes] == [{"n": number} for number in range(9)]
    assert len(sink.spans()) == 9


@pytest.mark.parametrize("error", ["RuntimeError('bug')", "SystemExit(1)", "MemoryError()"])
def test_a_failure_of_the_extension_itself_holds_nothing_up(tmp_path: Path, sink: Sink, error: str) -> None:
    """It asks again, and what was to be exported is."""
    source = (
        """
from clew import extension
hear = extension.Extension._hear
left = [2]
def fails(self):
    if left[0]:
        left[0] -= 1
        raise """
        + error
        + """
    return hear(self)
extension.Extension._hear = fails
"""
        + TRACED
    )
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcomes = [functions.invoke({"n": number}) for number in range(6)]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 6
    assert len(sink.spans()) == 6
    assert functions.log.count("clew: the extension failed") == 1


def test_a_child_of_the_function_exports_for_itself(tmp_path: Path, sink: Sink) -> None:
    """A forked child has no extension; the parent's goes on."""
    source = (
        TRACED
        + """
import os
inner = handler
def handler(event, context):
    child = os.fork()
    if child == 0:
        try:
            inner({"n": "child"}, context)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return inner(event, context)
"""
    )
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcomes = [functions.invoke({"n": number}) for number in range(3)]

    assert [outcome.platform.status for outcome in outcomes] == ["success"] * 3
    assert len(sink.spans()) == 6


def test_what_was_submitted_is_exported_if_the_process_ends_in_order(tmp_path: Path, sink: Sink) -> None:
    """The runtime failed to post the response, and ends the process."""
    source = (
        TRACED
        + """
import awslambdaric.lambda_runtime_client as module
class Broken:
    def __getattr__(self, name):
        return getattr(native, name)
    def post_invocation_result(self, *args):
        raise RuntimeError("cannot post")
native, module.runtime_client = module.runtime_client, Broken()
"""
    )
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcome = functions.invoke({"n": 1})

    assert outcome.status is Status.EXIT
    assert len(sink.spans()) == 1


def test_concurrent_environments_have_one_each(tmp_path: Path, sink: Sink) -> None:
    """Every process registers for itself."""
    answers: list[Response] = []
    with LocalFunctions(tmp_path, sink, TRACED) as functions:
        object.__setattr__(functions.function, "concurrency", 3)
        threads = [
            threading.Thread(target=functions.invoke, args=({"n": number}, answers.append)) for number in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(answers) == 3
    assert len(sink.spans()) == 3
    assert functions.log.count("State: Ready") >= 1
