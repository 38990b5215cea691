"""Ids and times in the shapes that Lambda gives them."""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timezone

ACCOUNT_ID = "123456789012"


def iso_time(moment: datetime | None = None) -> str:
    """`2026-01-31T09:30:00.123Z`, now unless told otherwise."""
    return (moment or datetime.now(timezone.utc)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_of_monotonic(at: float) -> str:
    """The same of a reading of `time.monotonic`."""
    return iso_time(datetime.fromtimestamp(time.time() - (time.monotonic() - at), timezone.utc))


def trace_header(*, sampled: bool = False) -> str:
    """An `X-Amzn-Trace-Id` as Lambda hands it to a function; `sampled` where active tracing is on."""
    epoch = f"{int(time.time()):08x}"
    return (
        f"Root=1-{epoch}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};"
        f"Sampled={int(sampled)};Lineage=1:{secrets.token_hex(4)}:0"
    )


def log_stream(version: str) -> str:
    return f"{datetime.now(timezone.utc):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"
