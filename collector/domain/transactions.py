"""Which transactions a trace belongs to: the outside triggers from which links lead to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Trace = bytes
# A trace may be in so many transactions; what more set off is the entry of one of its own. Without a bound, a batch of
# 10,000 messages and all that follows it would each be in 10,000 transactions.
MAX_ENTRIES = 100
MAX_LINKS_IN = 2_000  # links that may lead to a trace before it is taken for such a batch without a look at each


class Place(NamedTuple):
    """Where a trace stands."""

    begun_ns: int  # when its earliest invocation started; 0: none is known
    entries: frozenset[Trace]


class Incoming(NamedTuple):
    """A link that leads to a trace."""

    producer: Trace
    consumer_started_ns: int


def unplaced(trace: Trace) -> Place:
    """What holds of a trace of which nothing is known: it may turn out to be an entry."""
    return Place(0, frozenset((trace,)))


def leads(link: Incoming, trace: Trace, begun_ns: Mapping[Trace, int], behind: Iterable[Trace] | None) -> bool:
    """Whether the link tells what set the trace off. `behind` are the traces from which links lead to the producer;
    None where they are too many to look at.

    What began earlier sets off what began later. So links that run in a circle (a callback into the trace that asked
    for it) have an entry: the trace that began first. Where a trace's very first invocation was set off by what began
    after it, a clock is wrong. That is forgiven if all that set off the producer began before the trace: then still
    no circle is closed.
    """
    if rank(link.producer, begun_ns) < rank(trace, begun_ns):
        return True
    if behind is None or link.consumer_started_ns != begun_ns.get(trace, 0):
        return False
    return all(rank(other, begun_ns) < rank(trace, begun_ns) for other in behind)


def rank(trace: Trace, begun_ns: Mapping[Trace, int]) -> tuple[int, Trace]:
    """What may have set something off before what it may have set off. A trace without invocations is the first."""
    return (begun_ns.get(trace, 0), trace)


def entries(trace: Trace, parents: Iterable[frozenset[Trace]]) -> frozenset[Trace]:
    """The entries from which links lead to the trace, of those of its producers. It is its own where there are none,
    or too many."""
    found = frozenset[Trace]().union(*parents)
    return found if 0 < len(found) <= MAX_ENTRIES else frozenset((trace,))
