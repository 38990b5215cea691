"""What a local function is, and what one invocation of it came to."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from examples.local_aws.identifiers import ACCOUNT_ID


@dataclass(frozen=True, slots=True)
class LocalFunction:
    """A function's code and configuration. Times are seconds, memory is MB."""

    name: str
    handler: str  # `module.function`, the module looked up in `code`
    code: Path
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    region: str = "eu-west-1"
    version: str = "$LATEST"
    concurrency: int = 1
    maximum_retry_attempts: int = 2
    retry_delays: tuple[float, ...] = (60.0, 120.0)  # before the first and the second retry, as AWS waits
    invocations_per_environment: int | None = None  # an environment is retired after so many; None: never
    initialization_timeout: float = 10.0
    python: Path = Path(sys.executable)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT_ID}:function:{self.name}"

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"


class Status(StrEnum):
    SUCCESS = "success"
    ERROR = "error"  # the handler raised, or the module could not be loaded
    TIMEOUT = "timeout"
    EXIT = "exit"  # the process ended in the middle


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationOutcome:
    """One attempt, as its caller and its REPORT line tell it. Durations are milliseconds, memory is MB."""

    function_name: str
    request_id: str
    status: Status
    payload: bytes
    error: FunctionError | None
    duration: float
    init_duration: float | None  # None: the environment was warm
    max_memory_used: int | None  # the highest of the environment's life; None where the system does not tell
    memory_size: int
    log: str = ""  # everything from START to REPORT; what the module printed while it was loaded comes before

    @property
    def cold_start(self) -> bool:
        return self.init_duration is not None

    @property
    def billed_duration(self) -> int:
        """What Lambda charges for: since August 2025 the initialisation too."""
        return math.ceil(self.duration + (self.init_duration or 0.0))

    def value(self) -> Any:
        """The handler's return value.

        Raises:
            ValueError: the payload is no JSON.
        """
        return json.loads(self.payload)

    def with_log(self, log: str) -> InvocationOutcome:
        return dataclasses.replace(self, log=log)

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
        if self.status is Status.TIMEOUT:
            fields.append("Status: timeout")
        elif self.status is Status.EXIT:
            fields.append("Status: error\tError Type: Runtime.ExitError")
        return "\t".join(fields)
