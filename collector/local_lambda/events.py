"""What passes between an environment and the processes in it. Moments are readings of `time.monotonic`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """What a caller of Lambda gives."""

    request_id: str
    payload: bytes
    trace_header: str  # an X-Amzn-Trace-Id, or empty: then the runtime is told none
    client_context: str | None = None  # JSON
    cognito_identity: str | None = None  # JSON
    tenant_id: str | None = None

    def tracing(self) -> dict[str, str]:
        return {"type": "X-Amzn-Trace-Id", "value": self.trace_header}


@dataclass(frozen=True)
class InvocationRequest:
    """The same, as the runtime (`GET …/invocation/next`) and the extensions (`GET …/event/next`) are told it."""

    call: Call
    deadline_ms: int  # Unix time
    function_arn: str

    @property
    def request_id(self) -> str:
        return self.call.request_id

    def headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.call.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
        }
        optional = {
            "Lambda-Runtime-Trace-Id": self.call.trace_header,
            "Lambda-Runtime-Client-Context": self.call.client_context,
            "Lambda-Runtime-Cognito-Identity": self.call.cognito_identity,
            "Lambda-Runtime-Aws-Tenant-Id": self.call.tenant_id,
        }
        return {**headers, **{name: value for name, value in optional.items() if value}}

    def extension_event(self) -> dict[str, object]:
        return {
            "eventType": "INVOKE",
            "deadlineMs": self.deadline_ms,
            "requestId": self.call.request_id,
            "invokedFunctionArn": self.function_arn,
            "tracing": self.call.tracing(),
        }


@dataclass(frozen=True)
class Ready:
    """The runtime asked for the next invocation."""

    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Answered:
    """The runtime posted a response (`error_type` None) or an error for the invocation under way."""

    payload: bytes
    error_type: str | None
    began: float  # its first byte
    at: float = field(default_factory=time.monotonic)  # its last


@dataclass(frozen=True)
class InitFailed:
    payload: bytes
    error_type: str


@dataclass(frozen=True)
class RestoreReady:
    """INIT is done and the runtime waits for the restore, after which it runs what is registered for that."""


@dataclass(frozen=True)
class RestoreFailed:
    payload: bytes
    error_type: str


@dataclass(frozen=True)
class Exited:
    """The runtime's process ended. Negative codes are signals."""

    return_code: int


@dataclass(frozen=True)
class ExtensionReady:
    """An extension asked for its next event."""

    name: str
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class ExtensionFailed:
    """An extension reported that it cannot go on, or its process ended."""

    name: str
    error_type: str  # Extension.InitError, Extension.ExitError or Extension.Crash
    reason: str


SandboxEvent = Ready | Answered | InitFailed | RestoreReady | RestoreFailed | Exited | ExtensionReady | ExtensionFailed
