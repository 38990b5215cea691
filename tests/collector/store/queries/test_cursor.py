"""Cursors: whatever they are made of comes back, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store.queries.cursor import decode, encode


@given(st.integers(-(2**63), 2**63 - 1), st.binary(min_size=8, max_size=16))
def test_a_cursor_survives_the_url(started_ns: int, tail: bytes) -> None:
    """Encoded text needs no quoting in a URL and decodes to what it was."""
    text = encode(started_ns, tail)

    assert text.replace("-", "").replace("_", "").isalnum()
    assert decode(text, len(tail)) == (started_ns, tail)


@given(st.text())
def test_other_text_is_no_error(text: str) -> None:
    """Any text is a cursor or none."""
    found = decode(text, 8)
    assert found is None or len(found[1]) == 8


@pytest.mark.parametrize("text", [None, "", "x", "é", "====", encode(1, b"1234567"), encode(1, b"123456789")])
def test_what_is_none_of_ours_is_ignored(text: str | None) -> None:
    """Damaged cursors and those of other lists mean the list's beginning."""
    assert decode(text, 8) is None
