"""Decorated and undecorated, a handler is the same to Lambda's runtime: results, errors and output, byte for byte."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracer.runtime_api import Answer, Lambda
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path

HANDLERS = """
import collections, contextlib, datetime, decimal, io, json, logging, os, sys, threading
{decoration}

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Slotted(Exception):
    __slots__ = ()

def fails(depth=3):
    if depth:
        fails(depth - 1)
    raise ValueError("deep password=hunter2")

def chained():
    try:
        fails(0)
    except ValueError as error:
        raise KeyError("outer") from error

def recurses(n=0):
    return recurses(n + 1)

def limited(function):
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(150)  # the runtime puts the stack into a header, which this Runtime API reads up to 64 kB
    try:
        return function()
    finally:
        sys.setrecursionlimit(before)

def circular():
    loop = []
    loop.append(loop)
    return loop

def prints():
    print("one", "two", sep=" ", end="!\\n")
    print("no newline", end="")
    print("äöü 💥", file=sys.stderr)
    sys.stdout.write("written\\n")
    sys.stdout.writelines(["a\\n", "b\\n"])
    sys.stdout.flush()
    logging.getLogger("x.y").warning("warned %s %d", "a", 1)
    logging.getLogger().error("failed", exc_info=ValueError("logged"))
    logging.getLogger("quiet").info("not shown")
    logging.getLogger("bad").warning("%d", "no number")
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        print("caught")
    print(json.dumps(caught.getvalue()))
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    return str(sys.stdout.write("x\\n"))

def raw():
    print("before", end=" ", flush=True)
    os.write(1, "to the descriptor ä\\n".encode())
    os.write(2, b"half a line, ")
    sys.stdout.buffer.write(b"to the buffer\\n")
    sys.stdout.flush()
    sys.__stdout__.write("below\\n")
    sys.__stdout__.flush()
    sys.stderr.buffer.write(memoryview(b"viewed\\n"))
    sys.stderr.flush()
    print('[CLEW] {{"tags": {{"a": "b"}}, "issue": {{"type": "T", "message": "m"}}}}')
    reader, writer = os.pipe()
    written = os.write(writer, b"x" * 10)
    os.close(writer)
    try:
        os.write(writer, b"x")
    except OSError as error:
        return [written, os.read(reader, 100).decode(), str(error)]

def streams():
    return [type(sys.stdout).__name__, type(sys.stderr).__name__, sys.stdout.isatty(), sys.stdout.fileno()]

def mutates(event):
    event["seen"] = True
    event.clear()
    return event

class Odd(dict):
    def items(self):
        raise RuntimeError("no items")

CASES = {{
    "none": lambda event: None,
    "text": lambda event: "ä",
    "bytes": lambda event: b"\\x00raw",
    "echo": lambda event: event,
    "nan": lambda event: float("nan"),
    "decimal": lambda event: decimal.Decimal("1.10"),
    "set": lambda event: {{1, 2}},
    "date": lambda event: {{"at": datetime.datetime(2026, 1, 1)}},
    "generator": lambda event: (n for n in range(3)),
    "nested bytes": lambda event: {{"a": b"x"}},
    "tuple key": lambda event: {{(1, 2): 3}},
    "int key": lambda event: {{1: 2, None: 3, True: 4}},
    "circular": lambda event: circular(),
    "odd dict": lambda event: Odd(a=1),
    "named tuple": lambda event: collections.namedtuple("P", "x y")(1, 2),
    "big number": lambda event: 10 ** 5000,
    "large": lambda event: "x" * 3_000_000,
    "raises": lambda event: fails(),
    "chained": lambda event: chained(),
    "recursion": lambda event: limited(recurses),
    "unprintable": lambda event: (_ for _ in ()).throw(Unprintable()),
    "slotted": lambda event: (_ for _ in ()).throw(Slotted("a")),
    "stop": lambda event: next(iter(())),
    "prints": lambda event: prints(),
    "raw": lambda event: raw(),
    "streams": lambda event: streams(),
    "mutates": lambda event: mutates(event),
    "attribute": lambda event: event.nothing,
    "itself": lambda event: handler({{"case": "echo", "again": 1}}, None),
}}

{decorator}
def handler(event, context):
    case = event.get("case") if isinstance(event, dict) else "echo"
    return CASES.get(case, lambda event: event)(event)
"""

EVENTS: list[Any] = [
    *(
        {"case": case}
        for case in [
            "none",
            "text",
            "bytes",
            "echo",
            "nan",
            "decimal",
            "set",
            "date",
            "generator",
            "nested bytes",
            "tuple key",
            "int key",
            "circular",
            "odd dict",
            "named tuple",
            "big number",
            "large",
            "raises",
            "chained",
            "recursion",
            "slotted",
            "stop",
            "prints",
            "raw",
            "streams",
            "mutates",
            "attribute",
            "itself",
        ]
    ),
    # Shapes that look like a service's event and are not.
    None,
    [],
    "text",
    7,
    {},
    {"Records": None},
    {"Records": []},
    {"Records": [None, 1, {}]},
    {"Records": {"0": 1}},
    {"Records": [{"eventSource": "aws:s3"}]},
    {"Records": [{"eventSource": "aws:s3", "s3": 1, "responseElements": []}]},
    {"Records": [{"eventSource": "aws:sqs", "body": 1, "messageId": {}, "messageAttributes": []}]},
    {"Records": [{"eventSource": "aws:sqs", "body": '{"TopicArn": 1, "Type": "Notification", "Message": ['}]},
    {"Records": [{"EventSource": "aws:sns", "Sns": "x"}]},
    {"Records": [{"eventSource": ["aws:s3"]}, {"eventSource": "aws:s3"}]},
    {"detail-type": 1, "source": None, "detail": "x", "resources": {}},
    {"requestContext": []},
    {"requestContext": {"elb": 1}, "headers": {"traceparent": "00-nonsense"}, "multiValueHeaders": {"a": [None]}},
    {"requestContext": {"apiId": 1, "http": 2, "domainName": 3}, "headers": 4},
    {"headers": {"traceparent": 5}, "requestContext": {"apiId": "a", "http": {}}},
    {"a": {"b": [[[[[[1]]]]]]}},
]


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def run(decorated: bool, sink: Sink) -> tuple[list[Answer], str, str]:
        code = HANDLERS.format(
            decoration="import clew" if decorated else "", decorator="@clew.trace" if decorated else ""
        )
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
        with Lambda(tmp_path_factory.mktemp("function"), code, environ) as function:
            answers = [function.invoke(event, f"request-{number}") for number, event in enumerate(EVENTS)]
            return answers, function.stdout, function.stderr

    return run


def comparable(text: str) -> str:
    """Output without what is different in every run: times, addresses, the line that the import moved."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME", text)
    text = re.sub(r'File "[^"]*app\.py", line \d+', "LINE", text)
    # One frame of the tracer's is on the stack below the handler, so that a recursion ends one call earlier.
    text = re.sub(r"repeated \d+ more times", "MANY TIMES", text)
    return re.sub(r"0x[0-9a-f]+", "ADDRESS", text)


def test_lambda_cannot_tell_whether_a_handler_is_decorated(run: Any, sink: Sink) -> None:
    """Every result, error with its stack trace, and byte of output is what it is without the decorator."""
    plain, plain_out, plain_err = run(False, sink)
    traced, traced_out, traced_err = run(True, sink)

    assert sink.received
    for event, expected, actual in zip(EVENTS, plain, traced, strict=True):
        assert expected.result == actual.result, event
        assert comparable(str(expected.error)) == comparable(str(actual.error)), event
    assert comparable(plain_out) == comparable(traced_out)
    assert comparable(plain_err) == comparable(traced_err)


def test_every_invocation_is_exported_as_lambda_saw_it(run: Any, sink: Sink) -> None:
    """Each of the runs is one span, failed with the error type that the runtime reported."""
    answers, _, _ = run(True, sink)

    spans = {attributes(span)["faas.invocation_id"]: span for span in sink.spans()}
    assert len(spans) == len(sink.spans()) == len(EVENTS)
    for number, answer in enumerate(answers):
        span = spans[f"request-{number}"]
        expected = None if answer.error is None else answer.error["errorType"]
        assert attributes(span).get("error.type") == expected, EVENTS[number]
        assert (span.status.code == 2) is (expected is not None)
    assert not any(b"hunter2" in one.body for one in sink.received)


@pytest.mark.parametrize(
    ("statement", "status"), [("sys.exit(3)", 3), ("os._exit(4)", 4), ("raise KeyboardInterrupt", 1)]
)
def test_a_handler_that_leaves_the_process_leaves_it(tmp_path: Path, sink: Sink, statement: str, status: int) -> None:
    """Exits go through, with the handler's exit status; all but `os._exit` are exported as failed first."""
    code = f"import os, sys, clew\n@clew.trace\ndef handler(event, context):\n    {statement}\n"
    with Lambda(tmp_path, code, {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}) as function:
        function.invoke_without_answer({})
        left = function.process.wait(timeout=30)

        assert left in {status, -2} if "Keyboard" in statement else left == status
        types = [attributes(span)["error.type"] for span in sink.spans()]
        assert types == {3: ["Runtime.ExitError"], 4: [], 1: ["KeyboardInterrupt"]}[status]
