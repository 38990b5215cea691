"""What is told of an exception: its chain, its group, and the local variables of its frames."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

import clew
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from pathlib import Path


def event_of(sink: Sink) -> dict[str, Any]:
    (span,) = sink.spans()
    (event,) = span.events
    return attributes(event)


def frames_of(sink: Sink) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(event_of(sink)["clew.exception.frames"])
    return found


def inner(order: int, password: str) -> None:
    items = [order, {"token": password, "size": 2}]
    for number in items:
        del number
    raise ValueError("inner")


def failing(event: Any, context: Any) -> None:
    nothing = None
    try:
        inner(17, event["secret"])
    except ValueError as error:
        raise LookupError("outer") from error
    del nothing


def test_a_chain_is_told_with_its_stacks(sink: Sink, trace: Any) -> None:
    """Both exceptions and what joins them; no local variables unless they are asked for."""
    with pytest.raises(LookupError):
        trace(failing)({"secret": "hunter2"}, None)

    told = event_of(sink)
    assert (told["exception.type"], told["exception.message"]) == ("LookupError", "outer")
    stack = told["exception.stacktrace"]
    assert stack.index("ValueError: inner") < stack.index("direct cause") < stack.index("LookupError: outer")
    assert "in inner" in stack
    assert "clew.exception.frames" not in told
    assert "hunter2" not in str(told)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups came with Python 3.11")
def test_a_group_is_told_with_its_members(sink: Sink, trace: Any) -> None:
    """Each with its stack, and without frames of ours."""

    @clew.span("step")
    def step(name: str) -> None:
        raise ValueError(name)

    def handler(event: Any, context: Any) -> None:
        errors = []
        for name in ("first", "second"):
            try:
                step(name)
            except ValueError as error:
                errors.append(error)
        raise ExceptionGroup("both", errors)

    with pytest.raises(Exception, match="both"):
        trace(handler, CLEW_CAPTURE_LOCALS="true")({}, None)

    told = attributes(sink.spans()[-1].events[0])
    assert told["exception.type"] == "ExceptionGroup"
    assert "ValueError: first" in told["exception.stacktrace"]
    assert "ValueError: second" in told["exception.stacktrace"]
    assert "/tracer/clew/" not in told["exception.stacktrace"]
    frames = json.loads(told["clew.exception.frames"])
    assert [frame["function"] for frame in frames if frame.get("exception") == "ValueError"].count("step") == 2


def test_a_secret_at_the_cut_of_a_long_stack_is_masked(sink: Sink, trace: Any) -> None:
    """Where a stack is cut, what is shown of a secret's value is masked with its name, wherever the cut falls."""

    def handler(event: Any, context: Any) -> None:
        raise ValueError(event["message"])

    traced = trace(handler)
    for tail in range(8_100, 8_200, 7):
        secret = "Hq7" * 40
        with pytest.raises(ValueError, match="password"):
            traced({"message": "x" * 40_000 + f" password={secret} " + "y" * tail}, None)
        assert all(b"Hq7Hq7" not in one.body for one in sink.received)


def test_local_variables_are_masked(sink: Sink, trace: Any) -> None:
    """By their names, and what is in them by its keys; those of the cause come first."""
    with pytest.raises(LookupError):
        trace(failing, CLEW_CAPTURE_LOCALS="true")({"secret": "hunter2", "n": 1}, None)

    frames = frames_of(sink)
    assert [(frame["function"], frame.get("exception")) for frame in frames] == [
        ("failing", "ValueError"),
        ("inner", "ValueError"),
        ("failing", None),
    ]
    assert frames[1]["file"] == __file__
    assert frames[1]["line"] == inner.__code__.co_firstlineno + 4
    assert frames[1]["locals"] == {
        "order": "17",
        "password": "****",
        "items": '[17,{"token":"****","size":2}]',
    }
    assert frames[2]["locals"]["event"] == '{"secret":"****","n":1}'
    assert frames[2]["locals"]["nothing"] == "null"
    assert not any(b"hunter2" in one.body for one in sink.received)


def test_nothing_of_an_object_is_called(sink: Sink, trace: Any) -> None:
    """It is told by its class: what it does when it is asked may take long, have effects, or show a secret."""
    called: list[str] = []

    class Watching:
        @property  # type: ignore[misc]  # as lazy proxies have it
        def __class__(self) -> Any:
            called.append("__class__")
            return dict

        def __repr__(self) -> str:
            called.append("__repr__")
            return "hunter2"

        __str__ = __repr__

        def __getattr__(self, name: str) -> Any:
            called.append(name)
            raise RuntimeError(name)

    class Mapping(dict):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            called.append("__iter__")
            return iter(())

        items = keys = values = __iter__

    def handler(event: Any, context: Any) -> None:
        watching, mapping, module = Watching(), Mapping(a=1), json
        raise LookupError(str(len([watching, mapping, module])))

    with pytest.raises(LookupError):
        trace(handler, CLEW_CAPTURE_LOCALS="true")({}, None)

    (frame,) = frames_of(sink)
    assert called == []
    assert frame["locals"]["watching"] == "[Watching]"
    assert frame["locals"]["mapping"] == '{"a":1}'
    assert frame["locals"]["module"] == "[module]"


def test_local_variables_are_bounded(sink: Sink, trace: Any) -> None:
    """1,024 bytes each and 32 kB in all: the function's own code and the innermost frames come first."""

    def recurse(depth: int) -> None:
        text = "ä" * 5000
        more = {f"key{number}": "x" * 1000 for number in range(100)}
        if depth:
            recurse(depth - 1)
        else:
            json.loads("{", object_hook=dict)
        assert len(text) > len(more)

    with pytest.raises(ValueError, match="Expecting"):
        trace(lambda event, context: recurse(60), CLEW_CAPTURE_LOCALS="true", CLEW_PAYLOAD_LIMIT="100000")({}, None)

    frames = frames_of(sink)
    text = event_of(sink)["clew.exception.frames"]
    assert len(text.encode()) < 32_768 + 1100 + 200 * len(frames)
    own = [frame for frame in frames if frame["function"] == "recurse"]
    assert len(own) == 61
    assert {"text", "more", "depth"} <= own[-1]["locals"].keys()
    assert own[0]["locals"] == {}
    assert all(len(value.encode()) <= 1024 + 40 for frame in frames for value in frame["locals"].values())
    assert "…[cut: " in own[-1]["locals"]["text"]
    assert [frame for frame in frames if "json" in frame["file"] and frame["locals"]] == []


def test_deep_recursions_are_bounded(sink: Sink, trace: Any) -> None:
    """A hundred frames, the innermost ones."""

    def recurse(depth: int) -> None:
        if not depth:
            raise RecursionError("deep enough")
        recurse(depth - 1)

    with pytest.raises(RecursionError):
        trace(lambda event, context: recurse(300), CLEW_CAPTURE_LOCALS="true")({}, None)

    frames = frames_of(sink)
    assert len(frames) == 100
    assert frames[-1]["locals"]["depth"] == "0"


def test_spans_and_logged_exceptions(sink: Sink, trace: Any) -> None:
    """A span that fails tells local variables, too."""

    def handler(event: Any, context: Any) -> None:
        with clew.span("step"):
            inner(3, "x")

    with pytest.raises(ValueError, match="inner"):
        trace(handler, CLEW_CAPTURE_LOCALS="true")({}, None)

    step, _ = sink.spans()
    frames = json.loads(attributes(step.events[0])["clew.exception.frames"])
    assert [frame["function"] for frame in frames] == ["handler", "inner"]
    assert frames[1]["locals"]["order"] == "3"


def test_a_modules_variables_are_not_local(tmp_path: Path, sink: Sink) -> None:
    """Those of a class' body neither: they are what the file says."""
    (tmp_path / "fails.py").write_text(
        "import os\nSETTING = 'visible in the file'\nclass Shop:\n    name = 'x'\n    raise OSError('no')\n"
    )
    code = """
import clew
@clew.trace
def handler(event, context):
    import fails
try:
    handler({}, None)
except OSError:
    pass
"""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "AWS_LAMBDA_FUNCTION_NAME": "f", "CLEW_CAPTURE_LOCALS": "1"}
    done = python(tmp_path, code, **environ)

    assert done.stderr == ""
    frames = {frame["function"]: frame["locals"] for frame in frames_of(sink)}
    assert frames["<module>"] == frames["Shop"] == {}
    assert "event" in frames["handler"]
