"""What is stored can be read, also what older versions stored."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dictionary import dictionary
from collector.store import codec
from collector.store.codec import NEWEST, Codec, compress, decompress


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


def test_a_dictionary_never_changes() -> None:
    """Rows that were stored with it could not be read with another."""
    content = Path(codec.__file__).with_name("dictionary_1").read_bytes()
    assert "205313a0cd298d37891816f437edc83d0046ed3884ac701c21192a9575c48a41" == hashlib.sha256(content).hexdigest()


def test_the_dictionary_makes_short_exports_shorter() -> None:
    """It holds the words of OTLP and of the tracer."""
    body = dictionary()[-2_000:]
    assert len(compress(body)) < len(zstandard.compress(body)) / 4
