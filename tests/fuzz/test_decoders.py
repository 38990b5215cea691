"""Whatever bytes come, every decoder takes or refuses them, and what it takes can be stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.decoders import DECODERS, decode, seeds


@pytest.mark.parametrize("name", DECODERS)
def test_honest_input_is_taken(name: str) -> None:
    """So that what follows begins with something that is looked into."""
    assert all(decode(name, seed) for seed in seeds(name))


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    """Bytes of no form."""
    decode(name, data)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_input(name: str, data: st.DataObject) -> None:
    """Honest input with some bytes changed, cut out, doubled or put in."""
    body = bytearray(data.draw(st.sampled_from(seeds(name))))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(body)))
        end = min(len(body), start + data.draw(st.integers(0, 12)))
        new = data.draw(st.binary(max_size=12) | st.just(bytes(body[start:end]) * 2))
        body[start:end] = new
    decode(name, bytes(body))
