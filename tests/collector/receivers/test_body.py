"""Decompressing within limits, whatever the bytes are."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.receivers.admission import Admission
from collector.receivers.body import decompress, read_body
from collector.receivers.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable


def unpack(data: bytes, encoding: str, limit: int = 10_000_000) -> bytes:
    with Admission(max_requests=1, max_bytes=100_000_000).enter() as grant:
        return decompress(data, encoding, limit, grant)


def gunzip(data: bytes, limit: int = 10_000_000) -> bytes:
    return unpack(data, "gzip", limit)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def streamed_zstd(data: bytes) -> bytes:
    """As a client that does not know the size beforehand writes it."""
    compressor = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compressobj()
    return compressor.compress(data) + compressor.flush()


CODECS = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", raw_deflate, id="deflate without header"),
    pytest.param("zstd", zstandard.compress, id="zstd"),
    pytest.param("zstd", streamed_zstd, id="zstd of unknown size"),
]


@pytest.mark.parametrize(("encoding", "compress"), CODECS)
@given(body=st.binary(max_size=5_000) | st.binary(min_size=1, max_size=3).map(lambda part: part * 500_000))
def test_each_encoding_is_read(encoding: str, compress: Callable[[bytes], bytes], body: bytes) -> None:
    """Any bytes come out as they went in."""
    assert body == unpack(compress(body), encoding)


@pytest.mark.parametrize(("encoding", "compress"), CODECS)
@given(body=st.binary(max_size=2_000), data=st.data())
def test_a_cut_body_is_refused_in_each_encoding(
    encoding: str, compress: Callable[[bytes], bytes], body: bytes, data: st.DataObject
) -> None:
    """However little is missing, a truncated body is never taken for a whole one."""
    whole = compress(body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Refusal) as refusal:
        unpack(whole[:cut], encoding)

    assert 400 == refusal.value.status


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@given(data=st.binary(max_size=500))
def test_any_bytes_are_read_or_refused_in_each_encoding(encoding: str, data: bytes) -> None:
    """Bytes of another form are refused, and nothing else happens."""
    with suppress(Refusal):
        assert isinstance(unpack(data, encoding), bytes)


def test_frames_of_zstd_are_joined() -> None:
    """As many frames as a client likes are one body."""
    assert b"ab" * 3 == unpack(zstandard.compress(b"ab") * 3, "zstd")
    with pytest.raises(Refusal, match="1024 frames"):
        unpack(zstandard.compress(b"") * 1_025, "zstd")


@pytest.mark.parametrize(("encoding", "compress"), CODECS)
def test_a_bomb_of_each_encoding_is_stopped(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """Decompressing stops near the limit, far from the bomb's full size."""
    bomb = compress(bytes(200_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match="larger than 1000000 bytes"):
            unpack(bomb, encoding, 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 30_000_000


@given(st.lists(st.binary(max_size=5_000), min_size=1, max_size=5), st.integers(0, 9))
def test_members_are_joined(parts: list[bytes], level: int) -> None:
    """Any bytes, in any number of members, come out as they went in."""
    assert b"".join(parts) == gunzip(b"".join(gzip.compress(part, level) for part in parts))


@pytest.mark.parametrize("size", [64 * 1024 - 1, 64 * 1024, 1024 * 1024, 1024 * 1024 + 1, 3_000_000])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_sizes_around_the_pieces(size: int, level: int) -> None:
    """Bodies as large as the pieces they are worked in, and a byte more or less, come out whole."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)

    assert body == gunzip(gzip.compress(body, level))


def test_countless_members_are_refused() -> None:
    """A body of very many empty members, which is costly to read, is refused."""
    with pytest.raises(Refusal, match="1024 members"):
        gunzip(gzip.compress(b"") * 1_025)
    assert b"" == gunzip(gzip.compress(b"") * 1_024)


@pytest.mark.parametrize("length", ["-1", "+1", "1e3", "٣", "1 2", "0x10"])
def test_a_stated_length_is_a_plain_number(length: str) -> None:
    """A Content-Length in any other form than decimal digits is refused."""
    with Admission(max_requests=1, max_bytes=1_000).enter() as grant, pytest.raises(Refusal) as refusal:
        read_body({"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"abc")}, 1_000, grant)

    assert 400 == refusal.value.status
