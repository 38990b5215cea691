"""What is stored can be read, also what older versions stored."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.exports import exports, without_payloads
from collector.store import codec
from collector.store.codec import NEWEST, Codec, compress, decompress

BODY = without_payloads(next(exports(1, start_ns=1_800_000_000_000_000_000, every_ns=1)))


@given(st.binary())
def test_a_body_comes_out_as_it_went_in(body: bytes) -> None:
    assert body == decompress(NEWEST, compress(body))


def test_threads_compress_at_once() -> None:
    bodies = [bytes([number]) * 10_000 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        assert bodies == list(threads.map(lambda body: decompress(NEWEST, compress(body)), bodies))


def test_rows_of_the_first_codec_stay_readable() -> None:
    assert b"an export" == decompress(Codec.ZSTD, zstandard.compress(b"an export"))


def test_a_codec_of_a_newer_version_is_named() -> None:
    with pytest.raises(ValueError, match="unknown codec: 99"):
        decompress(99, b"")


def test_rows_of_the_first_dictionary_stay_readable() -> None:
    content = Path(codec.__file__).with_name("dictionary_1").read_bytes()
    words = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    stored = zstandard.ZstdCompressor(dict_data=words).compress(BODY)
    assert BODY == decompress(Codec.ZSTD_DICTIONARY_1, stored)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("dictionary_1", "205313a0cd298d37891816f437edc83d0046ed3884ac701c21192a9575c48a41"),
        ("dictionary_2", "00b9e2969478af8641cd51a4caf3a849998eedc5e64dcc5cc13acbb86a2c9ec8"),
    ],
)
def test_a_dictionary_never_changes(name: str, digest: str) -> None:
    """Rows that were stored with it could not be read with another."""
    content = Path(codec.__file__).with_name(name).read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()


def test_the_dictionary_makes_short_exports_shorter() -> None:
    """It holds the words of OTLP and of the tracer."""
    bodies = list(map(without_payloads, exports(20, start_ns=1_800_000_000_000_000_000, every_ns=1)))
    assert sum(len(compress(body)) for body in bodies) < sum(len(zstandard.compress(body)) for body in bodies) * 0.6
