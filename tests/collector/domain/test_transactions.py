"""Which entries a trace belongs to."""

from __future__ import annotations

from collector.domain.transactions import entries

A, B, C, D = b"a", b"b", b"c", b"d"


def test_an_entry_is_its_own() -> None:
    """A trace without parents belongs to itself."""
    assert {A: frozenset({A})} == entries({A}, {}, {}, {})


def test_follows_links_to_every_entry() -> None:
    """A batch that two entries fed belongs to both, and so does what follows it."""
    found = entries({A, B, C, D}, {C: {A, B}, D: {C}}, {}, {})

    assert frozenset({A, B}) == found[C] == found[D]


def test_takes_what_is_known_of_parents_outside() -> None:
    """A parent that is not looked at brings the entries that it has."""
    assert frozenset({A}) == entries({C}, {C: {B}}, {B: {A}}, {})[C]


def test_a_parent_that_nothing_is_known_of_is_an_entry() -> None:
    """It will turn out to be one when it arrives, or to have parents itself."""
    assert frozenset({B}) == entries({C}, {C: {B}}, {}, {})[C]


def test_the_earliest_of_a_circle_is_its_entry() -> None:
    """Of equal starts the smaller id, so that every collector picks the same."""
    circle = {A: {B}, B: {A}}

    assert {A: frozenset({B}), B: frozenset({B})} == entries({A, B}, circle, {}, {A: 2, B: 1})
    assert frozenset({A}) == entries({A, B}, circle, {}, {A: 1, B: 1})[B]


def test_a_circle_that_something_set_off_has_no_entry_of_its_own() -> None:
    """A function that sets itself off again belongs to what set it off first."""
    assert frozenset({C}) == entries({A, B, C}, {A: {B, C}, B: {A}}, {}, {})[B]
