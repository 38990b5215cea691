"""How export bodies are kept: compressed, each for itself.

With a dictionary, because one export is too short to learn from what all of them repeat: names of attributes, of
services, of payloads' keys, and how often each follows which. An invocation of six spans without payloads takes 650
bytes instead of 1,210, and half the time.
"""

from __future__ import annotations

import threading
from enum import IntEnum
from pathlib import Path

import zstandard

MAX_BODY = 256 * 1024 * 1024  # no stored body is larger: a damaged row must not ask for more memory than this
_LEVEL = 1


class Codec(IntEnum):
    """Every row names its own, so that rows of older versions stay readable: a dictionary never changes, a better one
    is another file and another number."""

    ZSTD = 0
    ZSTD_DICTIONARY_1 = 1  # with the file `dictionary_1` beside this module: words only
    ZSTD_DICTIONARY_2 = 2  # with `dictionary_2`, in zstd's own form, which `scripts/bench dictionary` made


NEWEST = Codec.ZSTD_DICTIONARY_2


class _Contexts(threading.local):
    """Contexts are cheap to use and dear to make, and must not be shared between threads."""

    def __init__(self) -> None:
        self.compressor: zstandard.ZstdCompressor | None = None
        self.decompressors: dict[int, zstandard.ZstdDecompressor] = {}


_contexts = _Contexts()
_dictionaries: dict[Codec, zstandard.ZstdCompressionDict | None] = {Codec.ZSTD: None}
_loading = threading.Lock()


def compress(body: bytes) -> bytes:
    """By the codec NEWEST."""
    compressor = _contexts.compressor
    if compressor is None:
        compressor = _contexts.compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_dictionary(NEWEST))
    return compressor.compress(body)


def decompress(codec: int, body: bytes) -> bytes:
    """Raises ValueError for a codec of a newer version."""
    decompressor = _contexts.decompressors.get(codec)
    if decompressor is None:
        if codec not in set(Codec):
            raise ValueError(f"export is kept in an unknown codec: {codec}")
        decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(Codec(codec)))
        _contexts.decompressors[codec] = decompressor
    return decompressor.decompress(body, max_output_size=MAX_BODY)


def _dictionary(codec: Codec) -> zstandard.ZstdCompressionDict | None:
    """Read once for all threads."""
    with _loading:
        if codec not in _dictionaries:
            content = Path(__file__).with_name(f"dictionary_{int(codec)}").read_bytes()
            form = zstandard.DICT_TYPE_RAWCONTENT if codec is Codec.ZSTD_DICTIONARY_1 else zstandard.DICT_TYPE_FULLDICT
            found = zstandard.ZstdCompressionDict(content, dict_type=form)
            found.precompute_compress(level=_LEVEL)
            _dictionaries[codec] = found
        return _dictionaries[codec]
