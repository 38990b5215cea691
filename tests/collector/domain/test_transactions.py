"""Which entries a trace belongs to, and which links tell."""

from __future__ import annotations

from collector.domain.transactions import MAX_ENTRIES, Incoming, entries, leads

A, B, C, D = b"a", b"b", b"c", b"d"


def test_a_trace_that_nothing_set_off_is_an_entry() -> None:
    """It belongs to itself."""
    assert frozenset({A}) == entries(A, [])


def test_a_trace_belongs_to_the_entries_of_all_that_set_it_off() -> None:
    """A batch that two entries fed belongs to both."""
    assert frozenset({A, B}) == entries(C, [frozenset({A}), frozenset({A, B})])


def test_what_too_much_set_off_is_an_entry_again() -> None:
    """Up to the bound it belongs to all of them."""
    many = [bytes([1, number]) for number in range(MAX_ENTRIES)]

    assert frozenset(many) == entries(C, [frozenset({entry}) for entry in many])
    assert frozenset({C}) == entries(C, [frozenset(many), frozenset({A})])


def test_what_began_earlier_sets_off_what_began_later() -> None:
    """Of equal starts the smaller id, so that every collector says the same."""
    assert leads(Incoming(A, 5), B, {A: 1, B: 5}, set())
    assert leads(Incoming(A, 5), B, {A: 5, B: 5}, None)
    assert not leads(Incoming(B, 9), A, {A: 1, B: 5}, {A})


def test_a_callback_does_not_make_its_caller_a_part_of_what_it_called() -> None:
    """The later invocation of a trace was set off by what its first one set off."""
    assert not leads(Incoming(B, 9), A, {A: 1, B: 5}, {C})


def test_a_clock_that_is_behind_is_forgiven() -> None:
    """Where all that is behind the producer began before the trace: nothing it set off can be among it."""
    begun = {A: 5, B: 4, C: 3, D: 6}

    assert leads(Incoming(A, 4), B, begun, set())
    assert leads(Incoming(A, 4), B, begun, {C})
    assert not leads(Incoming(A, 4), B, begun, {C, D})
    assert not leads(Incoming(A, 4), B, begun, {B})


def test_of_too_many_behind_it_nothing_is_forgiven() -> None:
    """They are not looked at."""
    assert not leads(Incoming(A, 4), B, {A: 5, B: 4}, None)


def test_a_trace_without_invocations_is_before_all() -> None:
    """Who sends messages from a script has a trace of calls only."""
    assert leads(Incoming(A, 4), B, {B: 4}, None)
