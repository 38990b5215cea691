"""What Lambda itself says of an environment: in the function's log and over the Telemetry API."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from collector.local_lambda.events import Answered, Call
from collector.local_lambda.extensions import Extension
from collector.local_lambda.function import LocalFunction
from collector.local_lambda.function_log import LogStream
from collector.local_lambda.identifiers import iso_of_monotonic, iso_time
from collector.local_lambda.outcome import InvocationOutcome, PlatformStatus
from collector.local_lambda.telemetry import TelemetryHub
from collector.local_lambda.variables import python_version

Span = tuple[str, float, float]  # name, begin and end as readings of time.monotonic


class PlatformLog:
    """Each method tells of one thing that happened, everywhere where Lambda tells of it.

    Where the function's log format is JSON, the lines of the log are the telemetry's events.
    """

    def __init__(self, function: LocalFunction, stream: LogStream, telemetry: TelemetryHub) -> None:
        self._function = function
        self._stream = stream
        self._telemetry = telemetry
        self._type = str(function.initialization_type)

    def init_start(self, phase: str) -> None:
        function = self._function
        runtime = f"python:{python_version(function.python)}.local"
        arn = f"arn:aws:lambda:{function.region}::runtime:local"
        self._tell(
            "initStart",
            {
                "initializationType": self._type,
                "phase": phase,
                "runtimeVersion": runtime,
                "runtimeVersionArn": arn,
                "functionName": function.name,
                "functionVersion": function.version,
                "instanceId": self._stream.name[-32:],
                "instanceMaxMemory": function.memory * 1024 * 1024,
            },
            f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {arn}",
        )

    def init_runtime_done(self, phase: str, status: PlatformStatus) -> None:
        self._tell("initRuntimeDone", {"initializationType": self._type, "phase": phase, **_status(status)})

    def init_report(self, phase: str, status: PlatformStatus, duration: float) -> None:
        """Text logs show it only where the REPORT line will not: after a failure, and of environments made ready."""
        record = {"initializationType": self._type, "phase": phase, **_status(status), "metrics": _duration(duration)}
        line = f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: {phase}"
        shown = status.status != "success" or self._type != "on-demand"
        self._tell("initReport", record, f"{line}\t{_status_fields(status)}".rstrip() if shown else None)

    def restore_start(self) -> None:
        function = self._function
        record = {"functionName": function.name, "functionVersion": function.version}
        self._tell("restoreStart", record, f"RESTORE_START Runtime Version: python:{python_version(function.python)}")

    def restore_report(self, status: PlatformStatus, duration: float) -> None:
        self._tell("restoreRuntimeDone", _status(status))
        record = {**_status(status), "metrics": _duration(duration)}
        line = f"RESTORE_REPORT Restore Duration: {duration:.2f} ms\t{_status_fields(status)}".rstrip()
        self._tell("restoreReport", record, line)

    def extension(self, extension: Extension) -> None:
        record = {"name": extension.name, "state": extension.state, "events": list(extension.events)}
        line = f"EXTENSION\tName: {extension.name}\tState: {extension.state}\tEvents: [{', '.join(extension.events)}]"
        self._tell("extension", record, line)

    def subscription(self, name: str, types: Sequence[str]) -> None:
        record = {"name": name, "state": "Subscribed", "types": list(types)}
        shown = ", ".join(kind.capitalize() for kind in types)
        self._tell("telemetrySubscription", record, f"TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{shown}]")

    def start(self, call: Call) -> None:
        version = self._function.version
        record = {"requestId": call.request_id, "version": version, "tracing": call.tracing()}
        self._tell("start", record, f"START RequestId: {call.request_id} Version: {version}")

    def runtime_done(
        self,
        call: Call,
        status: PlatformStatus,
        duration: float,
        answered: Answered | None,
        spans: Sequence[Span],
    ) -> None:
        metrics: dict[str, Any] = _duration(duration)
        if answered is not None:
            metrics["producedBytes"] = len(answered.payload)
        record = {
            "requestId": call.request_id,
            **_status(status),
            "metrics": metrics,
            "spans": _spans(spans),
            "tracing": call.tracing(),
        }
        self._tell("runtimeDone", record)

    def failure(self, line: str) -> None:
        """Why an invocation was ended; only the log tells."""
        self._stream.platform(line)

    def report(self, call: Call, outcome: InvocationOutcome, spans: Sequence[Span]) -> None:
        """The end of an invocation. Telemetry carries it when the environment is next awake."""
        if not self._function.json_log:
            self._stream.platform(f"END RequestId: {call.request_id}")
        record = {
            "requestId": call.request_id,
            **_status(outcome.platform),
            "metrics": outcome.metrics(),
            "spans": _spans(spans),
            "tracing": call.tracing(),
        }
        self._tell("report", record, outcome.report_line(), deferred=True)

    def _tell(self, name: str, record: dict[str, Any], line: str | None = None, *, deferred: bool = False) -> None:
        # First what the processes printed until now, in the log and in telemetry alike.
        self._stream.catch_up()
        at = time.time()
        if self._function.json_log:
            line = json.dumps({"time": iso_time(), "type": f"platform.{name}", "record": record})
        if line is not None:
            self._stream.platform(line)
        self._telemetry.publish(f"platform.{name}", record, at=at, deferred=deferred)


def _status(status: PlatformStatus) -> dict[str, str]:
    told = {"status": status.status}
    return {**told, "errorType": status.error_type} if status.error_type is not None else told


def _status_fields(status: PlatformStatus) -> str:
    if status.status == "success":
        return ""
    error = f"\tError Type: {status.error_type}" if status.error_type is not None else ""
    return f"Status: {status.status}{error}"


def _duration(milliseconds: float) -> dict[str, Any]:
    return {"durationMs": round(milliseconds, 3)}


def _spans(spans: Sequence[Span]) -> list[dict[str, Any]]:
    return [
        {"name": name, "start": iso_of_monotonic(begin), "durationMs": round((end - begin) * 1000, 3)}
        for name, begin, end in spans
    ]
