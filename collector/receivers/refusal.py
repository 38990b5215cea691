"""Why a request is not taken."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Those of google.rpc.Code that OTLP's answers use."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Refusal(Exception):
    """The request ends here. `reason` is a word for the counters, `str()` a sentence for the client.

    With `retry_after_s` the client may send the same again after that many seconds, otherwise it must not.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        code: Code = Code.INVALID_ARGUMENT,
        retry_after_s: float | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.code = code
        self.retry_after_s = retry_after_s
        self.allow = allow
