"""What one line of a Lambda function's log says, in the text format and in the JSON format.

Lines of the platform become what the Telemetry API calls them (`platform.report` and its record), so that everything
behind this module knows one shape. Fields are read by their names: their order differs between regions and times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from collector.domain.log_errors import LineError, read_error, read_json_error
from collector.domain.values import text

START, END, REPORT = "platform.start", "platform.runtimeDone", "platform.report"
INIT_START = "platform.initStart"
TIMEOUT, EXIT = "timeout", "exit"  # ours: lines of the platform that its JSON format has no event for

MAX_TEXT = 64 * 1024  # of a line, that is looked into
_ID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_WORDS = {
    "START": START,
    "END": END,
    "REPORT": REPORT,
    "INIT_START": INIT_START,
    "INIT_REPORT": "platform.initReport",
    "RESTORE_START": "platform.restoreStart",
    "RESTORE_REPORT": "platform.restoreReport",
    "EXTENSION": "platform.extension",
    "TELEMETRY": "platform.telemetrySubscription",
    "XRAY": "platform.xray",
}
# The word is not enough: a function may print "START of the day".
_PLATFORM = re.compile(
    r"(?P<word>START|END|REPORT) RequestId: (?P<id>\S{1,128})"
    r"|(?P<other>(?:INIT|RESTORE)_START(?= Runtime Version: )|(?:INIT|RESTORE)_REPORT(?= (?:Init|Restore) Duration: )"
    r"|(?:EXTENSION|TELEMETRY)(?=\tName: )|XRAY(?= TraceId: ))"
)
_TIMEOUT = re.compile(
    rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z (?P<id>{_ID}) Task timed out after (?P<seconds>[\d.]+) seconds\s*\Z"
)
_EXIT = re.compile(
    rf"RequestId: (?P<id>{_ID}) (?:Error: (?P<message>[^\n]*)(?:\n(?P<type>[\w.]+))?"
    r"|(?P<old>Process exited before completing request))\s*\Z"
)
# How Python's logger and Node's console begin a line; both name the request.
_PYTHON = re.compile(rf"\[(?P<level>[A-Z]+)\]\t\d{{4}}-[\dT:.-]+Z\t(?P<id>{_ID})\t")
_NODE = re.compile(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z\t(?P<id>{_ID}|undefined)\t(?P<level>[A-Za-z]+)\t")
_FIGURES = {
    "Duration": "durationMs",
    "Billed Duration": "billedDurationMs",
    "Memory Size": "memorySizeMB",
    "Max Memory Used": "maxMemoryUsedMB",
    "Init Duration": "initDurationMs",
    "Restore Duration": "restoreDurationMs",
}
_RECORD = {
    "Version": "version",
    "Status": "status",
    "Error Type": "errorType",
    "Phase": "phase",
    "Runtime Version": "runtimeVersion",
    "Runtime Version ARN": "runtimeVersionArn",
}


class Line(NamedTuple):
    """`type` is "" for what the function itself wrote, TIMEOUT, EXIT, or as the Telemetry API names its events."""

    type: str = ""
    request_id: str = ""
    record: Mapping[str, Any] = {}
    severity: str = ""
    error: LineError | None = None  # that the line ends its invocation with, or may

    @property
    def event(self) -> dict[str, Any]:
        """As the Telemetry API would tell it."""
        return {"type": self.type, "record": self.record}


def read_line(message: str) -> Line:
    """Whatever the line is, this does not raise."""
    message = message[:MAX_TEXT]
    if message[:1] == "{":
        line = _read_json(message)
        if line is not None:
            return line
    if (found := _PLATFORM.match(message)) is not None:
        return _platform(found["word"] or found["other"], text(found["id"], 128), message[found.end() :])
    if (found := _TIMEOUT.match(message)) is not None:
        said = f"Task timed out after {found['seconds']} seconds"
        return Line(TIMEOUT, found["id"], severity="ERROR", error=LineError("Timeout", said, None, (), True))
    if (found := _EXIT.match(message)) is not None:
        said = text(found["message"] or found["old"], 1_000)
        ended = LineError(text(found["type"] or "Runtime.ExitError"), said, None, (), True)
        return Line(EXIT, found["id"], severity="ERROR", error=ended)
    found = _PYTHON.match(message)
    if found is not None:  # of a logger: what it tells was handled
        return Line("", found["id"], severity=found["level"])
    found = _NODE.match(message)
    if found is not None:
        level = found["level"].upper()
        id = "" if found["id"] == "undefined" else found["id"]
        return Line("", id, severity=level, error=read_error(message[found.end() :]) if level == "ERROR" else None)
    error = read_error(message)
    return Line(severity="ERROR" if error is not None else "", error=error)


def _platform(word: str, id: str, rest: str) -> Line:
    type = _WORDS[word]
    record: dict[str, Any] = {"requestId": id} if id else {}
    metrics: dict[str, float] = {}
    for part in re.split(r"[\t\n]", rest):
        name, _, value = part.strip().partition(":")
        if name in _RECORD:
            record[_RECORD[name]] = value.strip()
        elif name in _FIGURES and (figure := _figure(value)) is not None:
            metrics[_FIGURES[name]] = figure
    if metrics:
        if type in ("platform.initReport", "platform.restoreReport"):
            metrics = {"durationMs": next(iter(metrics.values()))}
        record["metrics"] = metrics
    return Line(type, id, record)


def _figure(value: str) -> float | None:
    """From `3.50 ms` or `128 MB`."""
    number = value.strip().partition(" ")[0]
    try:
        figure = float(number)
    except ValueError:
        return None
    if not 0 <= figure < 1e15:
        return None
    return int(figure) if figure.is_integer() else figure


def _read_json(message: str) -> Line | None:
    """A line of the JSON format, or any JSON object that a function printed."""
    try:
        said = json.loads(message)
        if "\\u" in message:  # half a character can be written so, and no database takes it
            said = json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    type, record = said.get("type"), said.get("record")
    if isinstance(type, str) and type.startswith("platform.") and isinstance(record, Mapping):
        # When the event was made is told by the line's own time, so that both formats agree.
        return Line(type[:64], text(record.get("requestId"), 128), record)
    id = text(said.get("requestId"), 128) or text(said.get("AWSRequestId"), 128)
    level = text(said.get("level") or said.get("log_level"), 32).upper()
    return Line("", id, severity=level, error=read_json_error(said))
