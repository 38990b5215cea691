"""What CloudWatch Logs sends of Lambda's log groups, as facts.

A message holds lines of one log stream, which is one execution environment: it runs one invocation at a time, so a line
that does not name its request belongs to the one that runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from collector.domain import log_lines
from collector.domain.errors import MalformedExport
from collector.domain.facts import Export, Facts, Function, LogPiece, PieceKind, ReportStatus, Signal
from collector.domain.functions import describe_function
from collector.domain.ids import export_id
from collector.domain.intake import EARLIEST_NS, FUTURE_NS
from collector.domain.log_invocations import log_trace, pack_frames
from collector.domain.log_lines import Line, read_line
from collector.domain.reports import read_report
from collector.domain.values import text, whole

SCOPE = "clew.cloudwatch"  # of lines that a function or its runtime wrote
PLATFORM_SCOPE = "clew.cloudwatch.platform"  # of those that are told by other means: START, END, REPORT …
EVENT_ID = "clew.log.event_id"
MAX_EVENTS = 100_000  # of a message; each takes about 1 kB while it is read
_GROUP = re.compile(r"/aws/lambda/(?P<edge>us-east-1\.)?(?P<name>[A-Za-z0-9_-]{1,140})")
# In a group of its own choice, the stream names the function: `2026/05/28/orders[$LATEST]0123…`.
_STREAM = re.compile(r"\d{4}/\d\d/\d\d/(?P<name>[A-Za-z0-9_-]{1,140})\[[^\]]{1,140}\][0-9a-f]{32}")
_KINDS = {log_lines.TIMEOUT: PieceKind.TIMEOUT, log_lines.EXIT: PieceKind.EXIT}
_RUNTIME = re.compile(r"([a-z]+):([\w.]+?)(?:\.v\d+)?")


class Event(NamedTuple):
    id: str
    time_ns: int
    message: str


@dataclass(slots=True)
class Batch:
    """Lines of one stream, in the order in which they were written."""

    function: str
    account: str
    region: str  # "" where unknown
    group: str
    stream: str
    events: list[Event]
    rejected: int = 0
    architecture: str | None = None


def read_message(message: object, *, region: str, received_ms: int, architecture: str | None = None) -> Batch | None:
    """A message of a subscription. None for CloudWatch's own test message, and for a log group that is no function's.

    Raises MalformedExport for what is no such message.
    """
    if not isinstance(message, Mapping) or not isinstance(message.get("logEvents"), list):
        raise MalformedExport("a record is no message of CloudWatch Logs: it has no logEvents")
    if len(message["logEvents"]) > MAX_EVENTS:
        raise MalformedExport(f"a message of CloudWatch Logs holds more than {MAX_EVENTS} events")
    if message.get("messageType") == "CONTROL_MESSAGE":
        return None
    group, stream = _text(message.get("logGroup"), 512), _text(message.get("logStream"), 512)
    named = _GROUP.fullmatch(group) or _STREAM.fullmatch(stream)
    name = named["name"] if named is not None else _named_by_start(message["logEvents"])
    if not name:
        return None
    edge = group.startswith("/aws/lambda/us-east-1.")  # Lambda@Edge has prices of its own: none rather than a wrong one
    account = _text(message.get("owner"), 64)
    batch = Batch(name, account, "" if edge else text(region, 64), group, stream, [], architecture=architecture)
    latest = received_ms * 1_000_000 + FUTURE_NS
    for event in message["logEvents"]:
        said = event.get("message") if isinstance(event, Mapping) else None
        time_ns = (whole(event.get("timestamp")) or 0) * 1_000_000 if isinstance(said, str) else 0
        if isinstance(said, str) and EARLIEST_NS <= time_ns <= latest:
            batch.events.append(Event(_text(event.get("id"), 128), time_ns, _whole_characters(said)))
        else:
            batch.rejected += 1
    return batch


def batch_facts(batches: Iterable[Batch], *, received_ms: int) -> Facts:
    """All that the lines say. The same batches give the same export, so that a repetition meets itself."""
    facts = Facts(Export(b"", Signal.LOGS, 0, received_ms, b""))
    request = ExportLogsServiceRequest()
    functions: dict[int, Function] = {}
    earliest, items = received_ms * 1_000_000 + FUTURE_NS, 0
    for batch in batches:
        if not batch.events:
            continue
        lines = [read_line(event.message) for event in batch.events]
        function = _function(batch, lines)
        functions[function.id] = function
        _write(request.resource_logs.add(), batch, lines, function, facts)
        items += len(batch.events)
        earliest = min(earliest, *(event.time_ns for event in batch.events))
    facts.functions.extend(functions.values())
    body = request.SerializeToString()
    facts.export = Export(export_id(earliest if items else 0, body), Signal.LOGS, items, received_ms, body)
    return facts


class Place(NamedTuple):
    """Where a line belongs. `runs`: it was written between the request's start and its report."""

    request_id: str  # "": unknown
    runs: bool
    init: bool


def places(lines: Iterable[Line]) -> list[Place]:
    """The request of each line: its own, or that of the lines around it."""
    found: list[Place] = []
    current, runs = "", False
    open_since = 0  # of lines that wait for one that names a request
    initializes = False
    for line in lines:
        if line.type == log_lines.INIT_START:
            current, runs, initializes, open_since = "", False, True, len(found)
        if line.request_id and not current:
            # The first to name a request. What is before it is of the environment's start, or of this request where
            # the lines begin in the midst of it; before a START that no INIT_START precedes, of one that is over.
            starts = line.type == log_lines.START
            if initializes or not starts:
                place = Place(line.request_id, runs=not starts and not initializes, init=initializes)
                found[open_since:] = [place] * (len(found) - open_since)
            initializes = False
        if line.request_id and (line.request_id != current or line.type == log_lines.START):
            current, runs = line.request_id, True
        found.append(Place(current, runs and bool(current), False))
        if line.type == log_lines.REPORT:
            runs = False  # what a thread writes after it is still shown with it
    return found


def _text(value: Any, limit: int) -> str:
    return _whole_characters(text(value, limit))


def _whole_characters(said: str) -> str:
    """JSON can escape half a character, which neither protobuf nor a database takes."""
    return said if said.isascii() else said.encode("utf-8", "replace").decode()


def _named_by_start(events: list[Any]) -> str:
    """In the JSON format the platform names the function when an environment starts."""
    for event in events[:100]:
        said = event.get("message") if isinstance(event, Mapping) else None
        if isinstance(said, str) and '"platform.initStart"' in said:
            return _text(read_line(said).record.get("functionName"), 140)
    return ""


def _function(batch: Batch, lines: Iterable[Line]) -> Function:
    resource: dict[str, Any] = {"faas.name": batch.function, "cloud.platform": "aws_lambda"}
    resource |= {"cloud.account.id": batch.account, "cloud.region": batch.region}
    seen_ms = max(event.time_ns for event in batch.events) // 1_000_000
    function = describe_function(resource, {}, seen_ms)._replace(architecture=batch.architecture)
    for line in lines:
        if line.type == log_lines.INIT_START:
            named = _RUNTIME.fullmatch(text(line.record.get("runtimeVersion"), 64))
            if named is not None:
                suffix = ".x" if named[1] == "nodejs" and named[2].isdigit() else ""
                function = function._replace(runtime=f"{named[1]}{named[2]}{suffix}")
        elif line.type == log_lines.REPORT and isinstance(metrics := line.record.get("metrics"), Mapping):
            memory = whole(metrics.get("memorySizeMB"))
            if memory and memory <= 65_536:
                function = function._replace(memory_mb=memory)
    return function


def _write(sent: ResourceLogs, batch: Batch, lines: list[Line], function: Function, facts: Facts) -> None:
    attributes = {"service.name": batch.function, "faas.name": batch.function, "cloud.platform": "aws_lambda"}
    attributes |= {"cloud.account.id": batch.account, "cloud.region": batch.region}
    attributes |= {"aws.log.group.name": batch.group, "aws.log.stream.name": batch.stream}
    sent.resource.attributes.extend(_pairs(attributes))
    scopes = {name: sent.scope_logs.add() for name in (SCOPE, PLATFORM_SCOPE)}
    for name, part in scopes.items():
        part.scope.name = name
    for event, line, place in zip(batch.events, lines, places(lines), strict=True):
        scope = PLATFORM_SCOPE if line.type.startswith("platform.") else SCOPE
        trace_id = b""
        if place.request_id or scope == SCOPE:
            trace_id = log_trace(batch.function, place.request_id or f"stream:{batch.stream}")
            facts.traces.add(trace_id)
        record = LogRecord(
            time_unix_nano=event.time_ns,
            trace_id=trace_id,
            severity_text=line.severity,
            body=AnyValue(string_value=event.message.rstrip("\n")),
        )
        record.attributes.extend(_pairs({EVENT_ID: event.id, "clew.lambda.phase": "init" if place.init else ""}))
        scopes[scope].log_records.append(record)
        facts.pieces.extend(_pieces(event, line, place, function, facts.export.received_ms))


def _pairs(values: Mapping[str, str]) -> Iterator[KeyValue]:
    for name, value in values.items():
        if value:
            yield KeyValue(key=name, value=AnyValue(string_value=value))


def _pieces(event: Event, line: Line, place: Place, function: Function, received_ms: int) -> Iterator[LogPiece]:
    if line.type == log_lines.REPORT and (report := read_report(line.event, time_ns=event.time_ns)) is not None:
        if report.request_id:
            yield LogPiece(
                report.request_id,
                function.id,
                PieceKind.REPORT,
                event.time_ns,
                report.error_type,
                received_ms,
                report.status,
                "",
                None,
                "",
                *report[10:],
                function.architecture,
            )
    elif line.error is not None and (line.request_id or (place.request_id and place.runs)):
        error = line.error
        kind = _KINDS.get(line.type, PieceKind.ERROR if error.certain else PieceKind.CAUSE)
        yield LogPiece(
            line.request_id or place.request_id,
            function.id,
            kind,
            event.time_ns,
            error.type,
            received_ms,
            ReportStatus.TIMEOUT if kind == PieceKind.TIMEOUT else ReportStatus.ERROR,
            error.message,
            error.culprit,
            pack_frames(error.frames),
            None,
            None,
            None,
            None,
            None,
            None,
            None,
        )
