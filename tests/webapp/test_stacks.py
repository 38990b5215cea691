"""Stack traces: one's own frames in sight, those of libraries folded."""

from __future__ import annotations

import pytest

from tests.webapp.samples import STACK
from webapp.stacks import Frame, blocks, own_frame

NODE = """TypeError: details.rideID cannot be empty
    at uploadReceipt (/var/task/functions/uploadReceipt.js:17:11)
    at Array.map (<anonymous>)
    at Runtime.handler (/opt/nodejs/node_modules/lumber/index.js:57:44)
    at Runtime.handleOnce (/var/runtime/Runtime.js:66:25)
"""


def test_frames_of_libraries_are_folded_and_counted() -> None:
    """The tracer's own frame before, botocore's two behind."""
    assert [("text", 0), ("library", 1), ("own", 1), ("library", 2), ("text", 0)] == [
        (block.kind, block.frames) for block in blocks(STACK)
    ]


def test_no_line_is_lost() -> None:
    """Folded is not left out."""
    assert STACK.rstrip().splitlines() == [line for block in blocks(STACK) for line in block.lines]


def test_the_own_frame_is_the_innermost_of_ones_own_code() -> None:
    """The place to look first, with its source line."""
    frame = own_frame(STACK)

    assert frame is not None
    assert ("/var/task/start_transcription.py", 17, "handler", "transcribe.start_transcription_job(") == (
        frame.file,
        frame.line,
        frame.name,
        frame.code,
    )


def test_node_traces_are_read_from_the_top() -> None:
    """There the innermost frame comes first."""
    frame = own_frame(NODE)

    assert frame is not None
    assert ("/var/task/functions/uploadReceipt.js", 17, "uploadReceipt") == (frame.file, frame.line, frame.name)


def test_a_trace_of_libraries_alone_is_shown_open() -> None:
    """Folding everything would hide everything."""
    only = 'Traceback (most recent call last):\n  File "/opt/x.py", line 1, in f\n    f()\nValueError: no'

    assert "library" not in [block.kind for block in blocks(only)]


def test_what_is_no_trace_is_text() -> None:
    """An unknown language's trace is shown as it is."""
    assert [("text", ("panic: oh no", "goroutine 1"))] == [
        (b.kind, b.lines) for b in blocks("panic: oh no\ngoroutine 1")
    ]
    assert own_frame("panic: oh no") is None


def test_a_line_without_end_is_no_frame() -> None:
    """Patterns are only tried on lines that could be frames: this one would keep them busy for minutes."""
    assert ["text"] == [block.kind for block in blocks("    at " + "(a:1 " * 100_000)]


def test_a_file_is_named_as_its_author_knows_it() -> None:
    """Within the deployment package; elsewhere by its last folders."""
    names = ("/var/task/app/start.py", "/srv/a/b/c/d/start.py", "start.py")

    assert ["app/start.py", "…/c/d/start.py", "start.py"] == [Frame(name, 1, "", "").place for name in names]


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("/home/ada/clew/examples/audio_to_text/start.py", True),
        ("/srv/opt/shop/app.py", True),
        ("/var/task/app.py", True),
        ("/home/ada/clew/tracer/clew/handler.py", False),
        ("/opt/python/clew/handler.py", False),
        ("/home/ada/.venv/lib/python3.12/site-packages/clew/handler.py", False),
        ("/var/task/requests/adapters.py", False),
        ("/var/task/clew/handler.py", False),
        ("/usr/lib64/python3.12/json/decoder.py", False),
    ],
)
def test_whose_code_a_frame_is(file: str, own: bool) -> None:
    """A checkout in a folder named like the tracer is the user's; a dependency beside the handler is not."""
    trace = f'Traceback (most recent call last):\n  File "{file}", line 3, in f\n    f()\nValueError: no'

    assert own == (own_frame(trace) is not None)
