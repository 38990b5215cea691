"""Ids as URLs carry them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.identifiers import format_id, parse_id


@given(st.integers(0, 2**63 - 1))
def test_an_id_comes_back_from_its_digits(value: int) -> None:
    """In capitals too, as other tools write them."""
    assert [value, value] == [parse_id(format_id(value)), parse_id(format_id(value).upper())]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "1",
        "0" * 15,
        "0" * 17,
        "g" * 16,
        "-" + "1" * 15,
        "+" + "1" * 15,
        "0x" + "1" * 14,
        "1_" + "2" * 14,
        " " + "1" * 15,
        "1" * 15 + "\n",
        "\N{ARABIC-INDIC DIGIT ONE}" * 16,
    ],
)
def test_only_sixteen_hex_digits_are_an_id(text: str | None) -> None:
    """What Python would also read as a number is not one: there is one way to write an id."""
    assert parse_id(text) is None


def test_an_id_that_no_database_can_hold_is_none() -> None:
    """Ids have 63 bits."""
    assert parse_id("8" + "0" * 15) is None
