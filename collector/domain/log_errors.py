"""The errors that Lambda's runtimes write into a function's log when a handler raises.

Each runtime has its own shape. Only what the runtime itself writes ends an invocation; where a function can write the
same (Node's console in JSON), the error is not `certain`, and counts only where the platform reports a failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from collector.domain.issues import MAX_FRAMES, Frame, aws_error, culprit_of, first_line, own_frames, short_type
from collector.domain.values import text

_PYTHON = re.compile(r"\[ERROR\] (?P<type>[A-Za-z_][\w.]{0,255})(?::[ \t]?)?")
_TRACEBACK = "\nTraceback (most recent call last):"
_NODE = ("Invoke Error", "Uncaught Exception", "Unhandled Promise Rejection")
_RUBY = ("Error raised from handler method", "Init error when loading handler")
_JAVA = re.compile(r"(?P<message>.*): (?P<type>[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+)")
_JAVA_FRAME = re.compile(r"^\s*at (?P<where>[\w$.<>/@]{1,256})\((?P<file>[\w$]{1,128}\.\w{1,16}):\d+\)", re.MULTILINE)
_JAVA_FOREIGN = re.compile(r"(?:java|javax|jdk|sun|com\.sun|kotlin|scala|com\.amazonaws|lambdainternal)\.|java\.base/")
_MAX_LINES = 50  # of a message that has several


class LineError(NamedTuple):
    type: str
    message: str  # first line
    culprit: str | None
    frames: tuple[Frame, ...]
    certain: bool  # that it ended the invocation


def read_error(message: str) -> LineError | None:
    """The error in a line of text; None for any other line."""
    if message.startswith("[ERROR] "):
        return _python(message.replace("\xa0", " ").replace("\r", "\n"))
    for word in (*_NODE, *_RUBY):
        if message.startswith(word):
            return _document(message[len(word) :])
    return _java(message) if "\tat " in message else None


def read_json_error(said: Mapping[str, Any]) -> LineError | None:
    """The error in a line of the JSON format."""
    if "errorType" in said or "errorMessage" in said:
        # With a message or a logger it is a record of logging: the handler went on.
        return None if "logger" in said or "message" in said else _described(said, certain=True)
    inner = said.get("message")
    if isinstance(inner, Mapping) and "errorType" in inner:
        return _described(inner, certain=False)
    if isinstance(inner, str) and "\tat " in inner and text(said.get("level"), 16).upper() == "ERROR":
        return _java(inner)
    return None


def _python(message: str) -> LineError | None:
    found = _PYTHON.match(message)
    start = message.find(_TRACEBACK)
    if found is None or start < 0:  # a function may print this word as well
        return None
    return _error(found["type"], message[found.end() : start], message[start:], certain=True)


def _document(rest: str) -> LineError | None:
    """JSON behind words, as Node and Ruby write it; one line's ends are `\\r`."""
    try:
        said = json.loads(rest[rest.index("{") :].replace("\r", "\n"), strict=False)
        said = json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return LineError("Error", first_line(text(rest, 4_000)), None, (), True)
    return _described(said, certain=True) if isinstance(said, Mapping) else None


def _described(said: Mapping[str, Any], *, certain: bool) -> LineError:
    stack = next((said[name] for name in ("stackTrace", "stack", "trace") if name in said), None)
    if isinstance(stack, list):
        parts = [part for part in stack[:200] if isinstance(part, str)]
        stack = "\n".join(part.rstrip("\n") for part in parts)
    type = text(said.get("errorType")) or text(said.get("name")) or "Error"
    message = text(said.get("errorMessage"), 4_000) or text(said.get("message"), 4_000)
    return _error(type, message, stack if isinstance(stack, str) else "", certain=certain)


def _java(message: str) -> LineError | None:
    """`<message>: <class>`, and on the next line the stack trace, which begins with the class."""
    lines = message.split("\n", _MAX_LINES)
    for index, (line, following) in enumerate(pairwise(lines)):
        found = _JAVA.fullmatch(line)
        if found is not None and following.startswith(found["type"]):
            said = "\n".join([*lines[:index], found["message"]])
            frames = _java_frames(message)
            message = first_line(text(said, 4_000))
            return LineError(short_type(found["type"]), message, culprit_of(frames), frames, True)
    return None


def _java_frames(message: str) -> tuple[Frame, ...]:
    frames = [Frame(match["file"], match["where"]) for match in _JAVA_FRAME.finditer(message)]
    own = [frame for frame in frames if not _JAVA_FOREIGN.match(frame.where)] or frames
    return tuple(own[:MAX_FRAMES])


def _error(type: str, message: str, stack: str, *, certain: bool) -> LineError:
    message = first_line(text(message, 4_000))
    frames = own_frames(stack)
    aws = aws_error(message)
    said = short_type(text(aws.code if aws is not None else type))
    return LineError(said, message, culprit_of(frames), frames, certain)
