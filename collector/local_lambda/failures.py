"""How an INIT, a restore or an invocation can fail, and what the caller and the platform make of it."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from collector.local_lambda.outcome import FunctionError, PlatformStatus, Status

_KNOWN_TYPE = re.compile(r"(Runtime|Function|Extension|Sandbox)\.[A-Z][a-zA-Z]+")


@dataclass(frozen=True)
class Failure:
    """One failure. `reason` is a sentence of Lambda's; `posted` the runtime's own error document, which goes before."""

    status: Status
    platform: PlatformStatus
    reason: str
    error_type: str
    posted: FunctionError | None = None

    def error(self, request_id: str) -> FunctionError:
        """What the caller gets."""
        return self.posted or FunctionError(self.error_type, f"RequestId: {request_id} Error: {self.reason}")

    @property
    def shutdown_reason(self) -> str:
        return "timeout" if self.status is Status.TIMEOUT else "failure"


def timed_out(reason: str) -> Failure:
    return Failure(Status.TIMEOUT, PlatformStatus("timeout"), reason, "Sandbox.Timedout")


def exited(code: int, *, out_of_memory: bool) -> Failure:
    """The runtime's process ended by itself, or was killed."""
    kind = "Runtime.OutOfMemory" if out_of_memory else "Runtime.ExitError"
    reason = "Runtime exited without providing a reason" if code == 0 else f"Runtime exited with error: {_exit(code)}"
    return Failure(Status.EXIT, PlatformStatus("error", kind), reason, kind)


def extension_failed(name: str, error_type: str, reason: str) -> Failure:
    return Failure(Status.EXIT, PlatformStatus("error", error_type), f"{name}: {reason}", error_type)


def posted(payload: bytes, error_type: str) -> Failure:
    """The runtime said itself what is wrong, during INIT or a restore."""
    known = error_type if _KNOWN_TYPE.fullmatch(error_type) else "Runtime.Unknown"
    error = FunctionError.from_payload(payload)
    return Failure(Status.ERROR, PlatformStatus("error", known), error.message, error.type, error)


def exit_reason(code: int) -> str:
    """`exit status 3` or `signal: killed`, as Lambda words it; 0 is `exit code 0`."""
    return "exit code 0" if code == 0 else _exit(code)


def _exit(code: int) -> str:
    if code < 0:
        return f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    return f"exit status {code}"
