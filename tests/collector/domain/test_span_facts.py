from __future__ import annotations

from collector.domain.span_facts import SpanFacts, assign_owners, connect, release
from collector.domain.spans import INTERNAL
from tests.collector.domain.otlp import span, span_bytes, trace_bytes


def fact(id: int, parent: int | None = None, *, trace: int = 1, duration: int = 5, finished: bool = True) -> SpanFacts:
    return SpanFacts(
        span=span("x", id=id, trace=trace),
        trace_id=trace_bytes(trace),
        span_id=span_bytes(id),
        number=id,
        parent_id=b"" if parent is None else span_bytes(parent),
        kind=INTERNAL,
        name=str(id),
        started_ns=0,
        duration_ns=duration,
        failed=False,
        finished=finished,
        attributes={},
    )


def test_parents_are_found_whatever_the_order() -> None:
    """A child may come before its parent, and a parent may be elsewhere."""
    child, parent, orphan = fact(2, 1), fact(1), fact(3, 99)
    assert connect([child, parent, orphan]) == [child, parent, orphan]
    assert (child.parent, parent.parent, orphan.parent) == (parent, None, None)


def test_a_span_id_belongs_to_its_trace() -> None:
    """Two traces may use one span id; neither is the other's parent or copy."""
    here, there, child = fact(1, trace=1), fact(1, trace=2), fact(2, 1, trace=2)
    assert len(connect([here, there, child])) == 3
    assert child.parent is there


def test_of_two_copies_the_finished_one_stays() -> None:
    """Whatever their order; of two finished ones the longer, of equals the first."""
    unfinished, finished = fact(1, duration=90, finished=False), fact(1, duration=50)
    assert connect([unfinished, finished]) == connect([finished, unfinished]) == [finished]
    longer = fact(1, duration=60)
    assert connect([finished, longer]) == connect([longer, finished]) == [longer]
    assert connect([longer, fact(1, duration=60)]) == [longer]


def test_a_span_that_is_its_own_parent_has_none() -> None:
    """The smallest of cycles is a root."""
    item = fact(1, 1)
    connect([item])
    assert (item.parent, item.parent_id) == (None, b"")


def test_every_span_belongs_to_the_nearest_invocation_above_it() -> None:
    """Through spans between, down to the next invocation."""
    spans = connect([fact(4, 3), fact(3, 2), fact(2, 1), fact(1), fact(9)])
    outer, inner = spans[3], spans[1]
    assign_owners(spans, [outer, inner])
    assert [item.owner for item in spans] == [inner, inner, outer, outer, None]


def test_cycles_among_parents_belong_to_nobody() -> None:
    """Two spans that are each other's parent, and what hangs below them, end somewhere."""
    spans = connect([fact(1, 2), fact(2, 1), fact(3, 2)])
    assign_owners(spans, [])
    assert [item.owner for item in spans] == [None, None, None]


def test_a_chain_of_100_000_spans_is_walked_once() -> None:
    """The depth of an export costs no more than its width."""
    spans = connect([fact(number, number - 1) for number in range(100_000, 1, -1)] + [fact(1)])
    assign_owners(spans, [spans[-1]])
    assert {item.owner for item in spans} == {spans[-1]}


def test_released_spans_hold_nothing() -> None:
    """No reference among spans is left to wait for the garbage collector."""
    spans = connect([fact(2, 1), fact(1)])
    assign_owners(spans, [spans[1]])
    spans[1].calls.append(spans[0])
    release(spans)
    assert all(item.parent is None and item.owner is None and not item.calls for item in spans)
