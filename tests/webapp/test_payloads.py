"""Payloads: JSON laid out for reading, whatever state it is in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.payloads import LONGEST, pieces

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def text(payload: str) -> str:
    return "".join(piece.text for piece in pieces(payload))


def kinds(payload: str) -> list[tuple[str, str]]:
    return [(piece.kind, piece.text) for piece in pieces(payload) if piece.kind != "text"]


def test_json_is_indented() -> None:
    """It reads as `json.dumps` with an indent of two would write it."""
    value = {"a": [1, {"b": None}], "empty": {}, "none": [], "text": 'say "hi", {now}'}

    assert json.dumps(value, indent=2) == text(json.dumps(value))


@given(st.dictionaries(st.text(), JSON, min_size=1))
def test_nothing_of_the_payload_is_lost(value: dict[str, object]) -> None:
    """Whatever JSON comes in, the same JSON comes out, masked values aside."""
    assert value == json.loads(text(json.dumps(value)))


def test_masked_values_are_marks() -> None:
    """A masked value cannot be mistaken for four stars that somebody sent as text."""
    assert [("key", '"token"'), ("masked", "masked")] == kinds('{"token": "****"}')


def test_a_cut_payload_is_laid_out_as_far_as_it_goes() -> None:
    """The cut may fall anywhere, also within a string, and says how much there was."""
    shown = pieces('{"Body": "SUQzBAAA…[cut: 48213 bytes]')

    assert ("cut", "cut here; 48\u202f213 bytes in all") == (shown[-1].kind, shown[-1].text)
    assert '{\n  "Body": "SUQzBAAA' == "".join(piece.text for piece in shown[:-1])


def test_what_is_no_json_stays_as_it_is() -> None:
    """Plain text, XML or a form's fields are not torn apart."""
    assert "hello: world, {x}" == text("hello: world, {x}")


def test_an_endless_payload_is_shown_in_part() -> None:
    """A payload from a sender without a limit cannot fill the page, and the mark says how much of it is left out."""
    shown = pieces("x" * (LONGEST + 1000))

    assert LONGEST == len(shown[0].text)
    assert ("left-out", "1\u202f000 of 66\u202f536 characters are not shown") == (shown[-1].kind, shown[-1].text)


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps({"a": "x" * 500_000}),
        json.dumps([{"a": n, "b": [n]} for n in range(50_000)]),
        '{"a":' * 100_000,
        "[" * 500_000,
        "9" * 500_000,
        '"' * 500_000,
        " " * 500_000,
        "[" + " " * 500_000 + "1]",
        "x" * 500_000 + "…[cut: 9000000 bytes]",
    ],
)
def test_what_is_shown_is_bounded_however_it_is_laid_out(payload: str) -> None:
    """Indentation counts too: brackets alone would become forty times as much."""
    *shown, mark = pieces(payload)

    assert "left-out" == mark.kind
    assert sum(len(piece.text) for piece in shown) <= LONGEST


def test_a_payload_that_fits_is_whole() -> None:
    """White space that is not shown is not missing either."""
    assert [] == [piece for piece in pieces('{"a":  1}' + " " * 1_000) if piece.kind == "left-out"]


def test_a_hostile_depth_does_not_push_everything_out_of_sight() -> None:
    """Ten thousand brackets indent by a few dozen levels at most."""
    assert max(len(line) for line in text("[" * 10_000).splitlines()) < 100
