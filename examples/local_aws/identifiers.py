"""Ids in the shapes that AWS gives them."""

from __future__ import annotations

import base64
import json
import secrets
import string
import uuid

from collector.local_lambda.identifiers import ACCOUNT_ID, iso_time

__all__ = ["ACCOUNT_ID", "extended_request_id", "iso_time", "json_bytes", "request_id"]

_UPPER = string.ascii_uppercase + string.digits


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


def _random(length: int) -> str:
    return "".join(secrets.choice(_UPPER) for _ in range(length))


def json_bytes(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
