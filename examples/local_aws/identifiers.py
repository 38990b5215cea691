"""Ids in the shapes that AWS gives them."""

from __future__ import annotations

import base64
import json
import secrets
import string
import uuid
from datetime import UTC, datetime

ACCOUNT_ID = "123456789012"
_UPPER = string.ascii_uppercase + string.digits


def iso_time(moment: datetime | None = None) -> str:
    """`2026-01-31T09:30:00.123Z`, now unless told otherwise."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def request_id(service: str) -> str:
    """A new request id as the service shapes it: S3 and DynamoDB have shapes of their own, all others a UUID."""
    match service:
        case "s3":
            return _random(16)
        case "dynamodb":
            return _random(52)
        case _:
            return str(uuid.uuid4())


def extended_request_id() -> str:
    """S3's second id, `x-amz-id-2`."""
    return base64.b64encode(secrets.token_bytes(56)).decode()


def trace_header() -> str:
    """An `X-Amzn-Trace-Id` as Lambda hands it to a function whose active tracing is off."""
    epoch = f"{int(datetime.now(UTC).timestamp()):08x}"
    return (
        f"Root=1-{epoch}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};"
        f"Sampled=0;Lineage=1:{secrets.token_hex(4)}:0"
    )


def log_stream(version: str) -> str:
    return f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_UPPER) for _ in range(length))


def json_bytes(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
