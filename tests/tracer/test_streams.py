"""Streams: what is printed and written raw is taken, and the function's own output stays as it is."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import io
import os
import pickle
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("nothing_outside")


def test_streams_stay_themselves(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """sys.stdout is the object that it was, and one that the function puts in its place is written to as well."""
    own = io.StringIO()

    def handler(event: Any, context: Any) -> Any:
        monkeypatch.setattr(sys, "stdout", own)
        print("own")
        return sys.stdout

    before = sys.stdout
    traced = trace(handler)
    assert sys.stdout is before
    assert traced({}, None) is own
    assert own.getvalue() == "own\n"


def test_a_stream_is_wrapped_once(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the function wraps in turn stays wrapped, and what it puts back is captured again."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    original = file.write

    def handler(event: Any, context: Any) -> None:
        print(event)

    traced = trace(handler)
    traced("one", None)
    ours = file.write
    traced("two", None)
    assert file.write is ours

    monkeypatch.setattr(file, "write", lambda text: ours(text.upper()))
    traced("three", None)
    traced("four", None)
    monkeypatch.setattr(file, "write", original)
    traced("five", None)

    assert file.getvalue() == "one\ntwo\nTHREE\nFOUR\nfive\n"
    assert sink.lines() == ["one", "two", "THREE", "FOUR", "five"]


def test_a_stream_that_was_replaced_is_let_go(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours is on it, so that it ends, and a file is flushed, when the function lets go of it."""

    class File(io.StringIO):
        pass

    file, other, wrapped = File(), File(), File()
    own = wrapped.write
    wrapped.write = own  # type: ignore[method-assign]
    traced = trace(lambda event, context: print(event))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back in the end
    for number, stream in enumerate([file, wrapped, other, file]):
        sys.stdout = stream
        traced(number, None)
        assert "write" in vars(stream)

    assert vars(other) == {}
    assert vars(wrapped) == {"write": own}
    assert [stream.getvalue() for stream in (file, wrapped, other)] == ["0\n3\n", "1\n", "2\n"]
    assert sink.lines() == ["0", "1", "2", "3"]
    gone = weakref.ref(other)
    del other, stream
    assert gone() is None


def test_a_stream_of_any_class_is_captured(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without `writelines`, one that writes to another, and one that nothing can be put on."""
    told: list[str] = []

    class Plain:
        def write(self, text: str) -> int:
            told.append(text)
            return len(text)

    class Tee:
        def __init__(self, *streams: Any) -> None:
            self.streams = streams

        def write(self, text: str) -> None:
            for stream in self.streams:
                stream.write(text)

        def writelines(self, lines: Any) -> None:
            for line in lines:
                self.write(line)

    class Slotted:
        __slots__ = ()

        def write(self, text: str) -> None:
            told.append(text)

    plain = Plain()
    monkeypatch.setattr(sys, "stderr", plain)
    monkeypatch.setattr(sys, "stdout", Tee(plain, plain))

    def handler(event: Any, context: Any) -> None:
        sys.stdout.write("twice\n")
        sys.stdout.writelines(line for line in ("a\n", "b\n"))
        sys.stderr.write("once\n")

    trace(handler)({}, None)
    monkeypatch.setattr(sys, "stdout", Slotted())
    trace(lambda event, context: print("not seen"))({}, None)

    assert told == [*["twice\n"] * 2, *["a\n"] * 2, *["b\n"] * 2, "once\n", "not seen", "\n"]
    assert sink.lines() == ["twice", "a", "b", "once"]


def test_raw_writes_are_lines(sink: Sink, trace: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Past `sys.stdout`: to its buffer, to the descriptors and to the stream below; each line once, as it was."""

    def handler(event: Any, context: Any) -> list[Any]:
        results = [
            sys.stdout.buffer.write("to the büffer\n".encode()),
            os.write(1, memoryview(b"to stdout")),
            os.write(1, b"'s end\n"),
            os.write(2, bytearray(b"bad \xff byte\n")),
            os.write(1, "ä".encode()[:1]),
            os.write(1, "ä\n".encode()[1:]),
        ]
        sys.stdout.flush()
        print("printed", flush=True)
        assert sys.__stdout__ is not None
        sys.__stdout__.write("below\n")
        sys.__stdout__.flush()
        return results

    assert trace(handler)({}, None) == [15, 9, 7, 11, 1, 2]

    assert sorted(sink.lines()) == sorted(
        ["to the büffer", "to stdout's end", "bad \ufffd byte", "ä", "printed", "below"]
    )
    streams = {record.body.string_value: attributes(record)["log.iostream"] for record in sink.records()}
    assert [line for line, stream in streams.items() if stream == "stderr"] == ["bad \ufffd byte"]


def test_other_descriptors_are_no_lines(sink: Sink, trace: Any) -> None:
    """`os.write` to a file or a pipe, and its errors, are the function's own."""

    def handler(event: Any, context: Any) -> bytes:
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe\n")
        os.close(writer)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(writer, b"x")
        with pytest.raises(TypeError):
            os.write(1, "text")  # type: ignore[arg-type]
        with os.fdopen(reader, "rb") as file:
            return file.read()

    assert trace(handler)({}, None) == b"through a pipe\n"
    assert sink.lines() == []
    assert pickle.loads(pickle.dumps(os.write)) is os.write


def test_printing_while_the_interpreter_ends(tmp_path: Path, sink: Sink) -> None:
    """Objects that print when they are destroyed last do so without a word of ours."""
    code = """
import sys, clew
class Last:
    def __del__(self):
        print("last")
        sys.stdout.flush()
sys.last = Last()
clew.kept = Last()
@clew.trace
def handler(event, context):
    print("line")
handler({}, None)
"""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "AWS_LAMBDA_FUNCTION_NAME": "f"}
    done = python(tmp_path, code, **environ)
    untraced = python(tmp_path, code, **environ, CLEW_DISABLED="true")

    assert (done.stdout, done.stderr, done.returncode) == (untraced.stdout, "", 0)
    assert untraced.stdout.startswith("line\nlast\n")
    assert sink.lines() == ["line"]
