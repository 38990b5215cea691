"""How export bodies are kept: compressed, each for itself."""

from __future__ import annotations

import threading
from enum import IntEnum

import zstandard

MAX_BODY = 256 * 1024 * 1024  # no stored body is larger: a damaged row must not ask for more memory than this


class Codec(IntEnum):
    ZSTD = 0


class _Contexts(threading.local):
    """Contexts are cheap to use and dear to make, and must not be shared between threads."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=3)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compress(body: bytes) -> bytes:
    return _contexts.compressor.compress(body)


def decompress(codec: int, body: bytes) -> bytes:
    """Raises ValueError for a codec of a newer version."""
    if codec != Codec.ZSTD:
        raise ValueError(f"export is kept in an unknown codec: {codec}")
    return _contexts.decompressor.decompress(body, max_output_size=MAX_BODY)
