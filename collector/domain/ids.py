"""Ids that every collector works out alike, without asking the database."""

from __future__ import annotations

import hashlib
import struct

_NUMBER = struct.Struct(">q")


def hash63(*parts: str) -> int:
    """A non-negative 63-bit number for these strings; the same everywhere and for ever.

    Non-negative so that it reads well in a URL. Among a million names the chance of any collision is 5e-8.
    """
    digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def span_number(span_id: bytes) -> int:
    """8 bytes as the signed number that both databases keep in eight bytes."""
    number: int = _NUMBER.unpack(span_id)[0]
    return number


def span_bytes(number: int) -> bytes:
    """The inverse of `span_number`."""
    return number.to_bytes(8, "big", signed=True)


def export_id(earliest_ns: int, body: bytes) -> bytes:
    """16 bytes: time, so that ids sort by it; then a digest, so that the same request has the same id."""
    # Processors have instructions for SHA-256: 2.9 µs for 4.5 kB, 5.1 by BLAKE2b.
    return earliest_ns.to_bytes(8, "big") + hashlib.sha256(body).digest()[:8]
