"""Failures with one cause are one issue: what they share is the fingerprint."""

from __future__ import annotations

import re
from typing import NamedTuple

from collector.domain.ids import hash63

MAX_FRAMES = 3
_MAX_STACKTRACE = 64 * 1024  # of characters that frames are looked for in

# What differs between two failures of one cause. The order matters: an ARN holds numbers, a URL may hold a UUID.
_NOISE = (
    (re.compile(r"\b(?:https?|s3)://[^\s'\")]+"), "<url>"),
    (re.compile(r"\barn:aws[a-z-]*:[^\s'\")]+"), "<arn>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`"), "<value>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<id>"),
    (re.compile(r"(?<![A-Za-z])\d+(?:\.\d+)?"), "<n>"),
)
_PYTHON_FRAME = re.compile(r'^\s*File "(?P<path>[^"\n]+)", line \d+, in (?P<where>\S+)', re.MULTILINE)
_NODE_FRAME = re.compile(r"^\s*at (?:(?P<where>[^\s(]+) \()?(?P<path>[^\s():]+):\d+:\d+\)?", re.MULTILINE)
_FOREIGN = re.compile(
    r"site-packages|dist-packages|node_modules|^node:|^<frozen|^/var/(?:lang|runtime)/|^/opt/|/lib/python3"
)
_AWS_ERROR = re.compile(
    r"^An error occurred \((?P<code>[\w.]+)\) when calling the (?P<operation>\w+) operation(?: \([^)]*\))?: ?"
)


class Frame(NamedTuple):
    path: str
    where: str


class AwsError(NamedTuple):
    code: str
    operation: str


def short_type(type: str) -> str:
    """`botocore.errorfactory.BadRequestException` as people say it."""
    return type.rpartition(".")[2] or type


def aws_error(message: str) -> AwsError | None:
    """The code and the operation that botocore's ClientError puts before AWS's own message."""
    match = _AWS_ERROR.match(message)
    return AwsError(match["code"], match["operation"]) if match else None


def normalise(message: str) -> str:
    """The message without what differs from one failure to the next: values, ids, numbers, times."""
    line = message.partition("\n")[0][:1_000]
    for noise, word in _NOISE:
        line = noise.sub(word, line)
    return line


def own_frames(stacktrace: str) -> tuple[Frame, ...]:
    """The innermost frames of the user's own code, innermost first; those of all where none is the user's own.

    Line numbers are left out, so that an edit elsewhere in the file does not make a new issue.
    """
    stacktrace = stacktrace[-_MAX_STACKTRACE:]
    frames = [Frame(match["path"], match["where"]) for match in _PYTHON_FRAME.finditer(stacktrace)]
    frames.reverse()  # Python prints the innermost last
    if not frames:
        frames = [Frame(match["path"], match["where"] or "") for match in _NODE_FRAME.finditer(stacktrace)]
    own = [frame for frame in frames if not _FOREIGN.search(frame.path)] or frames
    return tuple(Frame(_short_path(frame.path), frame.where) for frame in own[:MAX_FRAMES])


def fingerprint(function_id: int, type: str, message: str, frames: tuple[Frame, ...]) -> int:
    """The issue's id."""
    parts = [str(function_id), type, normalise(message)]
    parts.extend(f"{frame.path}:{frame.where}" for frame in frames)
    return hash63("issue", *parts)


def _short_path(path: str) -> str:
    """Relative to the function's code; elsewhere the last two parts, the same on every machine."""
    path = path.replace("\\", "/")
    if path.startswith("/var/task/"):
        return path.removeprefix("/var/task/")
    return "/".join(path.rsplit("/", 2)[-2:])
