from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.spans import Value
from collector.domain.values import MAX_INTEGER, first_text, flag, number, text, texts, whole

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(VALUES)
def test_whatever_the_value_nothing_raises(value: Value) -> None:
    """Every reader answers with its narrow type for any value at all."""
    assert len(text(value, 10)) <= 10
    assert "\x00" not in text(value)
    found = whole(value)
    assert found is None or 0 <= found <= MAX_INTEGER
    any_number = number(value)
    assert any_number is None or isinstance(any_number, int) or math.isfinite(any_number)
    assert flag(value) in {True, False}
    assert all(texts(value, 2))


def test_text_replaces_nul() -> None:
    """NUL, which PostgreSQL cannot hold, becomes the replacement character."""
    assert text("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"


def test_text_writes_integers_in_digits() -> None:
    """An account id or a status code that came as an integer reads like one that came as text."""
    assert (text(123456789012), text(True), text(1.5), text(b"x")) == ("123456789012", "", "", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (512, 512),
        (512.0, 512),
        (512.9, 512),
        ("512", 512),
        (str(MAX_INTEGER), MAX_INTEGER),
        (str(MAX_INTEGER + 1), None),
        ("9" * 5_000, None),
        ("\N{FULLWIDTH DIGIT FIVE}", 5),
        (-1, None),
        ("-1", None),
        (True, None),
        (math.nan, None),
        (math.inf, None),
        (1e300, None),
        (float(2**63), None),
        ("", None),
        ("many", None),
    ],
)
def test_whole_takes_what_is_a_non_negative_integer(value: Value, expected: int | None) -> None:
    """Integers are also taken from doubles and text; what does not fit 63 bits is unknown."""
    assert whole(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(312.5, 312.5), ("312.5", 312.5), (7, 7), (math.nan, None), ("nan", None), (True, None)]
)
def test_number_is_finite(value: Value, expected: float | None) -> None:
    """NaN and infinity are no numbers, however they are written."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("true", True), ("True", True), ("false", False), (1, False), (None, False)]
)
def test_flag_reads_bools_and_text(value: Value, expected: bool) -> None:
    """Only true and the word are true."""
    assert flag(value) is expected


def test_first_text_skips_what_holds_none() -> None:
    """The first name that holds text wins; empty text and other types are passed over."""
    assert first_text({"a": "", "b": [1], "c": "x", "d": "y"}, "missing", "a", "b", "c", "d") == "x"
    assert first_text({}, "a") == ""


def test_texts_takes_at_most_so_many() -> None:
    """An array is cut to its first items, each item to its limit, and other types within it are left out."""
    assert texts(["aaa", 5, "", "b", "c"], 4, 2) == ["aa", "5", "b"]
    assert texts("no array", 4) == []
