from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.ids import export_id, hash63, span_bytes, span_number


@given(st.lists(st.text()))
def test_hashes_fit_a_signed_64_bit_column_and_are_not_negative(parts: list[str]) -> None:
    """Any strings at all, lone surrogates included, hash to 63 bits."""
    assert 0 <= hash63(*parts, "\ud800") < 2**63


def test_a_hash_is_the_same_for_ever() -> None:
    """Stored ids are found again by a later version."""
    assert hash63("lambda", "123456789012", "eu-west-1", "thumb") == 9178602385087631552


def test_the_parts_of_a_hash_do_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") are two names."""
    assert hash63("ab", "c") != hash63("a", "bc")


@given(st.binary(min_size=8, max_size=8))
def test_span_numbers_go_back_to_their_bytes(span_id: bytes) -> None:
    """A span id survives the way through a signed 64-bit column."""
    number = span_number(span_id)
    assert -(2**63) <= number < 2**63
    assert span_bytes(number) == span_id


def test_export_ids_sort_by_time_and_repeat_for_the_same_body() -> None:
    """The earlier export has the smaller id; the same request sent again has the same."""
    assert export_id(1, b"z") < export_id(2, b"a") < export_id(2**60, b"")
    assert export_id(5, b"body") == export_id(5, b"body") != export_id(5, b"other")
    assert len(export_id(5, b"body")) == 16
