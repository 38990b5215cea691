"""What one invocation came to."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Status(str, Enum):
    """What the caller was told."""

    SUCCESS = "success"
    ERROR = "error"  # the handler raised, or the module could not be loaded
    TIMEOUT = "timeout"
    EXIT = "exit"  # the process ended in the middle, or an extension did

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class FunctionError:
    """What Lambda puts into the payload of a failed invocation."""

    type: str
    message: str
    stack: tuple[str, ...] = ()

    @classmethod
    def from_payload(cls, payload: bytes) -> FunctionError:
        """What the runtime client posted. Anything else than its JSON becomes the message."""
        try:
            document = json.loads(payload)
            return cls(
                str(document["errorType"]), str(document["errorMessage"]), tuple(document.get("stackTrace") or ())
            )
        except (ValueError, KeyError, TypeError):
            return cls("Runtime.Unknown", payload.decode(errors="replace"))

    def to_payload(self) -> bytes:
        document: dict[str, Any] = {"errorType": self.type, "errorMessage": self.message}
        if self.stack:
            document["stackTrace"] = list(self.stack)
        return json.dumps(document).encode()


@dataclass(frozen=True)
class Response:
    """What the caller gets: the handler's result, or `error` with its document as the payload."""

    request_id: str
    payload: bytes
    error: FunctionError | None


@dataclass(frozen=True)
class PlatformStatus:
    """How the invocation went for Lambda itself, as REPORT and platform.report tell it.

    A handler that raises is a success here: its runtime did what it should. An extension that is still busy at the
    deadline is a timeout here, although the caller has its response.
    """

    status: str = "success"  # or error, timeout
    error_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class InvocationOutcome:
    """One attempt, as its caller and its REPORT line tell it. Durations are milliseconds, memory is MB."""

    function_name: str
    request_id: str
    status: Status
    payload: bytes
    error: FunctionError | None
    response_time: float | None  # from the invocation's start until its response was posted; None: it never was
    duration: float  # until the runtime and every extension had asked for the next event
    init_duration: float | None  # None: the environment was warm, was made ready before, or INIT ran within `duration`
    restore_duration: float | None = None  # of SnapStart
    cold_start: bool = False  # INIT or a restore came before, or within
    max_memory_used: int | None  # the highest of the environment's life; None where the system does not tell
    memory_size: int
    platform: PlatformStatus = PlatformStatus()
    trace_header: str = ""
    log: str = ""  # everything from START to REPORT; of a cold start, INIT as well

    @property
    def billed_restore_duration(self) -> int | None:
        return None if self.restore_duration is None else math.ceil(self.restore_duration)

    @property
    def billed_duration(self) -> int:
        """What Lambda charges for: since August 2025 the initialisation too."""
        return math.ceil(self.duration + (self.init_duration or 0.0) + (self.billed_restore_duration or 0))

    def value(self) -> Any:
        """The handler's return value.

        Raises:
            ValueError: the payload is no JSON.
        """
        return json.loads(self.payload)

    def with_log(self, log: str) -> InvocationOutcome:
        return dataclasses.replace(self, log=log)

    def metrics(self) -> dict[str, Any]:
        """The figures of `platform.report`."""
        figures: dict[str, Any] = {
            "durationMs": round(self.duration, 3),
            "billedDurationMs": self.billed_duration,
            "memorySizeMB": self.memory_size,
        }
        if self.max_memory_used is not None:
            figures["maxMemoryUsedMB"] = self.max_memory_used
        if self.init_duration is not None:
            figures["initDurationMs"] = round(self.init_duration, 3)
        if self.restore_duration is not None:
            figures["restoreDurationMs"] = round(self.restore_duration, 3)
            figures["billedRestoreDurationMs"] = self.billed_restore_duration
        return figures

    def report_line(self) -> str:
        """The REPORT line that Lambda writes into the function's log."""
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration:.2f} ms",
            f"Billed Duration: {self.billed_duration} ms",
            f"Memory Size: {self.memory_size} MB",
        ]
        if self.max_memory_used is not None:
            fields.append(f"Max Memory Used: {self.max_memory_used} MB")
        if self.init_duration is not None:
            fields.append(f"Init Duration: {self.init_duration:.2f} ms")
        if self.restore_duration is not None:
            fields.append(f"Restore Duration: {self.restore_duration:.2f} ms")
            fields.append(f"Billed Restore Duration: {self.billed_restore_duration} ms")
        if self.platform.status != "success":
            fields.append(f"Status: {self.platform.status}")
            if self.platform.error_type is not None:
                fields.append(f"Error Type: {self.platform.error_type}")
        line = "\t".join(fields)
        parts = dict(part.partition("=")[::2] for part in self.trace_header.split(";"))
        if parts.get("Sampled") == "1":
            line += f"\nXRAY TraceId: {parts.get('Root')}\tSegmentId: {parts.get('Parent')}\tSampled: true"
        return line
