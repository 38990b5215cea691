"""Tags and issues: their limits, and what is masked in them."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import enum
import json
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import clew
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.usefixtures("warnings_anew")


def tags(sink: Sink) -> dict[str, Any]:
    (span,) = sink.spans()
    return {
        name.removeprefix("clew.tag."): value
        for name, value in attributes(span).items()
        if name.startswith("clew.tag.")
    }


def issues(sink: Sink) -> list[dict[str, Any]]:
    (span,) = sink.spans()
    return [attributes(event) for event in span.events if event.name == "clew.issue"]


class Level(enum.IntEnum):
    HIGH = 3


def test_tags_are_attributes_of_the_invocation(sink: Sink, trace: Any) -> None:
    """Text, booleans and numbers keep their types; a tag that is set again has its last value."""
    values: dict[str, Any] = {
        "text": "ä",
        "yes": True,
        "int": 7,
        "float": 0.5,
        "enum": Level.HIGH,
        "empty": "",
        "big": -(1 << 63),
    }

    def handler(event: Any, context: Any) -> list[bool]:
        return [*(clew.tag(key, value) for key, value in values.items()), clew.tag("text", "again")]

    assert trace(handler)({}, None) == [True] * 8
    assert tags(sink) == {**values, "text": "again"}
    assert type(tags(sink)["yes"]) is bool


@pytest.mark.parametrize(
    "wrong",
    [
        (5, "x", "a tag's key is text"),
        ("", "x", "1 to 100 characters"),
        ("k" * 101, "x", "1 to 100 characters"),
        ("k", "x" * 201, "text of at most 200"),
        ("k", None, "text of at most 200"),
        ("k", ["x"], "text of at most 200"),
        ("k", float("nan"), "text of at most 200"),
        ("k", 1 << 63, "text of at most 200"),
    ],
)
def test_what_is_no_tag_is_refused_with_one_warning(
    sink: Sink, trace: Any, capfd: Any, wrong: tuple[Any, Any, str]
) -> None:
    """However often; the function goes on, and what is within the limits is taken."""
    key, value, reason = wrong

    def handler(event: Any, context: Any) -> list[bool]:
        return [clew.tag(key, value), clew.tag(key, value), clew.tag("k" * 100, "x" * 200)]

    assert trace(handler)({}, None) == [False, False, True]
    assert tags(sink) == {"k" * 100: "x" * 200}
    assert capfd.readouterr().err.count(reason) == 1


def test_an_invocation_has_at_most_fifty_tags(sink: Sink, trace: Any, capfd: Any) -> None:
    """Setting one of them again goes on working; the next invocation has fifty of its own."""

    def handler(event: Any, context: Any) -> tuple[int, bool]:
        return sum(clew.tag(f"k{number}", number) for number in range(60)), clew.tag("k0", "again")

    traced = trace(handler)
    assert traced({}, None) == (50, True)
    assert len(tags(sink)) == 50
    assert tags(sink)["k0"] == "again"
    assert traced({}, None) == (50, True)
    assert capfd.readouterr().err.count("at most 50 tags") == 1


def test_objects_that_raise_are_refused(sink: Sink, trace: Any) -> None:
    """Nothing that they define is called."""

    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("hands off")

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("hands off")

        __len__ = __repr__ = __str__  # type: ignore[assignment]

    def handler(event: Any, context: Any) -> list[bool]:
        hostile: Any = Hostile()
        return [
            clew.tag("k", hostile),
            clew.tag(hostile, "v"),
            clew.issue(hostile, hostile),
            clew.issue("t", hostile),
            clew.tag(Text("text"), Text("value")),
            clew.issue(Text("Type"), Text("message"), detail=hostile),
        ]

    assert trace(handler)({}, None) == [False, False, False, False, True, True]
    assert tags(sink) == {"text": "value"}
    assert [issue["clew.issue.message"] for issue in issues(sink)] == ["message"]


def test_tags_and_issues_are_masked(sink: Sink, trace: Any) -> None:
    """By the key, and by what the text holds."""

    def handler(event: Any, context: Any) -> None:
        clew.tag("password", "hunter2")
        clew.tag("apiKey", 12345678)
        clew.tag("note", "the password=hunter2 is wrong")
        clew.tag("body", '{"secret": "hunter2"}')
        clew.issue("Refused", "token=hunter2 has expired", password="hunter2", order=17)
        print('[CLEW] {"tags": {"pwd": "hunter2", "line": "password: hunter2"}}')

    trace(handler)({}, None)

    assert tags(sink) == {
        "password": "****",
        "apiKey": "****",
        "note": "the password=**** is wrong",
        "body": '{"secret":"****"}',
        "pwd": "****",
        "line": "password: ****",
    }
    assert issues(sink) == [
        {
            "clew.issue.type": "Refused",
            "clew.issue.message": "token=**** has expired",
            "clew.issue.details": '{"password":"****","order":17}',
        }
    ]
    assert not any(b"hunter2" in one.body or b"12345678" in one.body for one in sink.received)


def test_an_issue_does_not_fail_the_invocation(sink: Sink, trace: Any) -> None:
    """Its payloads have the room of a failure's, because someone will look at them."""

    def handler(event: Any, context: Any) -> Any:
        if event["issue"]:
            clew.issue("Slow", "took long")
        return event

    traced = trace(handler)
    traced({"issue": False, "text": "x" * 3000}, None)
    traced({"issue": True, "text": "x" * 3000}, None)

    without, with_issue = sink.spans()
    assert (with_issue.status.code, attributes(with_issue).get("error.type")) == (0, None)
    for name in ("clew.event", "clew.return_value"):
        assert "…[cut:" in attributes(without)[name]
        assert "…[cut:" not in attributes(with_issue)[name]


def test_an_invocation_has_at_most_twenty_issues(sink: Sink, trace: Any, capfd: Any) -> None:
    """The twenty-first is refused with a warning; long texts are cut."""

    def handler(event: Any, context: Any) -> list[bool]:
        return [clew.issue("T" * 5000, "m" * 5000, text="d" * 5000) for _ in range(25)]

    assert trace(handler)({}, None) == [True] * 20 + [False] * 5
    assert len(issues(sink)) == 20
    assert max(len(value) for value in issues(sink)[0].values()) < 2100
    assert capfd.readouterr().err.count("at most 20 issues") == 1


def json_line(message: str) -> str:
    return json.dumps({"level": "INFO", "message": message, "timestamp": "2026-11-21T10:00:00Z"})


WAYS: dict[str, Callable[[str], Any]] = {
    "print": print,
    "stderr": lambda line: print(line, file=sys.stderr),
    "pieces": lambda line: [sys.stdout.write(part) for part in (line[:4], line[4:20], line[20:], "\n")],
    "logging": lambda line: logging.getLogger("clew lines").error(line),
    "arguments": lambda line: logging.getLogger("clew lines").error("%s", line),
    "json": lambda line: print(json_line(line)),
    "logged json": lambda line: logging.getLogger("clew lines").error(json_line(line)),
    "bytes": lambda line: (sys.stdout.buffer.write(f"{line}\n".encode()), sys.stdout.flush()),
    "descriptor": lambda line: os.write(1, f"{line}\n".encode()),
    "thread": lambda line: run(threading.Thread(target=print, args=(line,))),
    "without end": lambda line: sys.stdout.writelines([line]),
}


def run(thread: threading.Thread) -> None:
    thread.start()
    thread.join()


@pytest.mark.parametrize("way", WAYS)
def test_a_line_does_the_same(sink: Sink, trace: Any, way: str) -> None:
    """From code that never imports us, whichever way it writes its line. The line stays a line."""
    said = '[CLEW] {"tags": {"customer": "acme", "n": 2}, "issue": {"type": "Slow", "message": "took long", "ms": 9}}'

    trace(lambda event, context: WAYS[way](said) and None)({}, None)

    assert tags(sink) == {"customer": "acme", "n": 2}
    assert issues(sink) == [
        {"clew.issue.type": "Slow", "clew.issue.message": "took long", "clew.issue.details": '{"ms":9}'}
    ]
    (line,) = sink.lines()
    assert said in line or json.dumps(said) in line


@pytest.mark.parametrize(
    "line",
    [
        "[CLEW] no JSON",
        "[CLEW] ",
        "[CLEW] []",
        '[CLEW] {"other": 1}',
        '[CLEW] {"tags": ["a"]}',
        '[CLEW] {"issue": "text"}',
        '[CLEW] {"issue": {"type": 1}}',
        '[CLEW] {"tags": {"a": {"b": 1}}}',
        "[CLEW] " + "[" * 30_000,
    ],
)
def test_a_line_that_cannot_be_read_is_a_line(sink: Sink, trace: Any, capfd: Any, line: str) -> None:
    """With one warning, and nothing is done."""

    def handler(event: Any, context: Any) -> str:
        print(line)
        print(line)
        return "done"

    assert trace(handler)({}, None) == "done"
    assert (tags(sink), issues(sink)) == ({}, [])
    assert len(sink.lines()) == 2
    out, err = capfd.readouterr()
    assert out == f"{line}\n{line}\n"
    assert err.count("refused") == 1


def test_only_the_start_of_a_line_counts(sink: Sink, trace: Any, capfd: Any) -> None:
    """What a caller sent, and the function printed, does not tag the invocation."""

    def handler(event: Any, context: Any) -> None:
        print('the caller says: [CLEW] {"tags": {"a": "b"}}')
        print(json.dumps({"level": "INFO", "message": "got", "body": '[CLEW] {"tags": {"a": "b"}}'}))

    trace(handler)({}, None)

    assert tags(sink) == {}
    assert capfd.readouterr().err == ""
