"""Where a page of a list ends, as text for a URL: the sort key of its last row, so that rows that arrive meanwhile
shift nothing and the hundredth page costs what the first does."""

from __future__ import annotations

import base64
import binascii
import struct


def encode(started_ns: int, tail: bytes) -> str:
    """`tail` tells rows of the same nanosecond apart."""
    return base64.urlsafe_b64encode(struct.pack(">q", started_ns) + tail).decode().rstrip("=")


def decode(cursor: str | None, tail_length: int) -> tuple[int, bytes] | None:
    """None for a cursor that is none of ours: the list then starts at its beginning."""
    if not cursor or not cursor.isascii():
        return None
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(packed) != 8 + tail_length:
        return None
    started_ns: int = struct.unpack(">q", packed[:8])[0]
    return started_ns, packed[8:]
