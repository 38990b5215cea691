"""Decompressing within limits, whatever the bytes are."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receivers.admission import Admission
from collector.receivers.body import decompress, read_body
from collector.receivers.refusal import Refusal


def gunzip(data: bytes, limit: int = 10_000_000) -> bytes:
    with Admission(max_requests=1, max_bytes=100_000_000).enter() as grant:
        return decompress(data, "gzip", limit, grant)


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


@given(st.binary(max_size=2_000), st.data())
def test_a_truncated_body_is_always_refused(body: bytes, data: st.DataObject) -> None:
    """However little is missing, a truncated gzip body is never taken for a whole one."""
    whole = gzip.compress(body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Refusal) as refusal:
        gunzip(whole[:cut])

    assert 400 == refusal.value.status


@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Bytes that are no gzip are refused, and nothing else happens."""
    with suppress(Refusal):
        assert isinstance(gunzip(data), bytes)


def test_a_bomb_takes_no_more_memory_than_the_limit_allows() -> None:
    """Decompressing stops near the limit, far from the bomb's full size."""
    bomb = gzip.compress(bytes(200_000_000), 9)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match="larger than 1000000 bytes"):
            gunzip(bomb, 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 10_000_000


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
