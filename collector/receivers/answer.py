"""What OTLP/HTTP answers, in the content type of the request."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from collector.domain.facts import Signal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

    from collector.receivers.refusal import Refusal

    SendLater = Callable[[int, list[tuple[str, str]], bytes], None]

# What an application returns that answers otherwise: it calls, once and from any thread, what its WSGI environment
# holds under SEND_LATER, with the status, the headers and the body.
LATER: Iterable[bytes] = []
SEND_LATER = "clew.send_later"

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_REJECTED = {
    Signal.TRACES: "rejectedSpans",
    Signal.LOGS: "rejectedLogRecords",
    Signal.METRICS: "rejectedDataPoints",
}
_RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"

_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def respond(
    start_response: StartResponse,
    status: int,
    content_type: str,
    body: bytes,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    start_response(_REASONS[status], [("content-type", content_type), *headers])
    return [body]


def accepted(content_type: str, signal: Signal, rejected: int, reason: str) -> bytes:
    """An Export…ServiceResponse. Empty says that all was taken."""
    if not rejected and not reason:
        return b"{}" if content_type == JSON else b""
    if content_type == JSON:
        # 64-bit numbers are strings in protobuf's JSON.
        return json.dumps({"partialSuccess": {_REJECTED[signal]: str(rejected), "errorMessage": reason}}).encode()
    # The same numbers in every signal: ExportTracePartialSuccess {int64 rejected_spans = 1; string error_message = 2},
    # ExportTraceServiceResponse {ExportTracePartialSuccess partial_success = 1}.
    count = b"\x08" + _varint(rejected) if rejected else b""
    return _field(b"\x0a", count + _field(b"\x12", reason.encode(errors="replace")))


def refused(start_response: StartResponse, content_type: str, refusal: Refusal) -> list[bytes]:
    status, headers, body = refusal_answer(content_type, refusal)
    start_response(_REASONS[status], headers)
    return [body]


def refusal_answer(content_type: str, refusal: Refusal) -> tuple[int, list[tuple[str, str]], bytes]:
    """A google.rpc.Status for clients whose content type we speak, otherwise text; with the status and the headers."""
    message = str(refusal)
    if content_type == JSON:
        body = json.dumps({"code": int(refusal.code), "message": message}).encode()
    elif content_type == PROTOBUF:
        body = rpc_status(refusal.code, message)
    else:
        content_type, body = TEXT, f"{message}\n".encode(errors="replace")
    headers = [("content-type", content_type)]
    if refusal.retry_after_s is not None:
        headers.append(("retry-after", str(max(1, math.ceil(refusal.retry_after_s)))))
    if refusal.allow is not None:
        headers.append(("allow", refusal.allow))
    if refusal.status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return refusal.status, headers, body


def rpc_status(code: int, message: str, retry_after_s: float | None = None) -> bytes:
    """google.rpc.Status {int32 code = 1; string message = 2; repeated Any details = 3}, with a RetryInfo if it has a
    time for it. Written by hand: OTLP's package lacks it.
    """
    text = message.encode(errors="replace")
    status = b"\x08" + _varint(code) + _field(b"\x12", text)
    if retry_after_s is None:
        return status
    # RetryInfo {Duration retry_delay = 1}; Duration {int64 seconds = 1}; Any {string type_url = 1; bytes value = 2}.
    delay = _field(b"\x0a", b"\x08" + _varint(max(1, math.ceil(retry_after_s))))
    return status + _field(b"\x1a", _field(b"\x0a", _RETRY_INFO) + _field(b"\x12", delay))


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
