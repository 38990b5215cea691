"""Functions that do what few do: what they do works as without the tracer, and their invocations are not lost."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import dataclasses
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from pathlib import Path

RETURNS = """
import clew
@clew.trace
def handler(event, context):
    return 1
assert handler({}, None) == 1
"""


def test_a_file_named_like_a_module_of_the_library_is_not_imported(tmp_path: Path, sink: Sink) -> None:
    """A function may have a `resource.py`, which Python finds before its own."""
    (tmp_path / "resource.py").write_text("print('imported')")
    (tmp_path / "psutil.py").write_text("raise ImportError")  # which OpenTelemetry would use, and which uses `resource`
    done = python(tmp_path, RETURNS, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stdout, done.stderr) == ("", "")
    assert attributes(sink.spans()[0])["clew.lambda.max_memory_used"] > 5_000_000


@pytest.mark.parametrize("broken", ["clew.invocation.max_memory_used", "clew.logs.Lines.take"])
def test_what_cannot_be_told_leaves_the_rest(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """An invocation whose memory or lines cannot be had is exported without them."""

    def fails(*_: Any) -> Any:
        raise RuntimeError("bug")

    monkeypatch.setattr(broken, fails)

    assert trace(lambda event, context: "result")({}, None) == "result"
    assert attributes(sink.spans()[0])["clew.return_value"] == '"result"'


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Overridden(Exception):
    def with_traceback(self, stack: Any) -> Any:
        raise RuntimeError("not this way")


@pytest.mark.parametrize("error", [Frozen(3), Overridden("x")])
def test_errors_that_do_not_let_themselves_be_changed(sink: Sink, trace: Any, error: Exception) -> None:
    """One that is frozen, or has a method of its own in the way, is raised as it is and told as a failure."""

    def handler(event: Any, context: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as raised:
        trace(handler)({}, None)

    assert raised.value is error
    (span,) = sink.spans()
    assert span.status.code == 2
    assert attributes(span)["error.type"] == type(error).__name__


@pytest.mark.parametrize(
    "place",
    ["logs.Lines.printed", "invocation.Invocation.watch", "payload.json.loads", "connection.Connection._send",
     "environment.os.open"],
)  # fmt: skip
@pytest.mark.parametrize("error", [TimeoutError("the function's own deadline"), ValueError("odd")])
def test_a_signal_handler_raises_through_the_tracer(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    """Wherever in the tracer a deadline of the function's own comes, it ends the handler; the next one is traced."""

    def alarm(*_: Any) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        raise error

    def handler(event: Any, context: Any) -> Any:
        print("line")
        return event

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 30_000

    traced = trace(handler)
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(f"clew.{place}", lambda *_: signal.raise_signal(signal.SIGUSR1))
            signal.signal(signal.SIGUSR1, alarm)
            with pytest.raises(type(error)) as raised:
                traced({"json": "[1, 2]"}, Context())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert raised.value is error
    assert traced("next", None) == "next"
    assert attributes(sink.spans()[-1])["clew.return_value"] == '"next"'
