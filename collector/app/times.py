"""How commands write a moment: everywhere alike, and with its zone."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_MS = 253_402_300_799_000  # the last that a calendar holds


def moment(time_ms: int) -> str:
    """ "2026-11-21 18:31:05 UTC", of milliseconds since 1970."""
    return datetime.fromtimestamp(min(max(time_ms, 0), LAST_MS) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
