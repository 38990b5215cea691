from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.facts import Link, LinkKey, Side
from collector.domain.links import MAX_PRODUCERS, POINTER_WINDOW_NS, SKEW_NS, is_pointer, resolve
from tests.collector.domain.otlp import SECOND, START_NS

rows = st.builds(
    LinkKey,
    key=st.integers(1, 3),
    side=st.sampled_from([Side.PRODUCED, Side.CONSUMED]),
    started_ns=st.integers(0, 8).map(lambda seconds: START_NS + seconds * 2 * SECOND),
    span_id=st.integers(1, 5),
    trace_id=st.integers(1, 4).map(lambda number: number.to_bytes(16, "big")),
    pointer=st.booleans(),
)


def produced(trace: int, second: float, *, key: int = 1, pointer: bool = False) -> LinkKey:
    return row(trace, second, Side.PRODUCED, key, pointer)


def consumed(trace: int, second: float, *, key: int = 1, pointer: bool = False) -> LinkKey:
    return row(trace, second, Side.CONSUMED, key, pointer)


def row(trace: int, second: float, side: Side, key: int, pointer: bool) -> LinkKey:
    return LinkKey(key, side, START_NS + int(second * SECOND), trace * 10, trace.to_bytes(16, "big"), pointer)


def traces(links: set[Link]) -> set[tuple[int, int]]:
    """(consumer, producer) of each link."""
    return {(int.from_bytes(row.consumer_trace_id), int.from_bytes(row.producer_trace_id)) for row in links}


@given(st.lists(rows, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(some: list[LinkKey], random: object) -> None:
    """The same rows in any order, and some of them twice, give the same links."""
    shuffled = some + some[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its Random as object
    assert resolve(shuffled) == resolve(some)


@given(st.lists(rows, max_size=30))
def test_a_link_joins_two_traces_that_share_a_key(some: list[LinkKey]) -> None:
    """No link without a producer and a consumer of one key, and none within a trace."""
    for link in resolve(some):
        assert link.consumer_trace_id != link.producer_trace_id
        makers = {r.key for r in some if r.side == Side.PRODUCED and r.trace_id == link.producer_trace_id}
        takers = {r.key for r in some if r.side == Side.CONSUMED and r.trace_id == link.consumer_trace_id}
        assert makers & takers


def test_an_exact_key_joins_whichever_side_came_first() -> None:
    """A message id links its consumer to its producer, however far apart and whichever clock is ahead."""
    assert traces(resolve([consumed(2, 0), produced(1, 999_999)])) == {(2, 1)}


def test_two_deliveries_of_one_message_are_both_linked() -> None:
    """A message delivered again sets off two invocations."""
    assert traces(resolve([produced(1, 0), consumed(2, 1), consumed(3, 60)])) == {(2, 1), (3, 1)}


def test_a_batch_has_many_parents() -> None:
    """One consumer with two keys is linked to both producers."""
    some = [produced(1, 0, key=1), produced(2, 0, key=2), consumed(3, 1, key=1), consumed(3, 1, key=2)]
    assert traces(resolve(some)) == {(3, 1), (3, 2)}


def test_a_pointer_picks_the_latest_earlier_producer() -> None:
    """Of three jobs that write the same object, each event is linked to the one that ran last before it."""
    jobs = [produced(trace, second, pointer=True) for trace, second in ((1, 0), (2, 100), (3, 200))]
    events = [consumed(11, 50, pointer=True), consumed(12, 150, pointer=True), consumed(13, 201, pointer=True)]
    assert traces(resolve(jobs + events)) == {(11, 1), (12, 2), (13, 3)}


def test_a_pointer_looks_past_its_own_trace() -> None:
    """A function that writes again what set it off is linked to who wrote it first, not to itself."""
    some = [produced(1, 0, pointer=True), consumed(2, 10, pointer=True)]
    again = [produced(2, 9, pointer=True), produced(2, 11, pointer=True)]
    assert traces(resolve(some + again)) == {(2, 1)}


def test_a_pointer_forgives_a_clock_that_is_ahead() -> None:
    """Without an earlier producer the first one within the skew is taken, but none beyond it."""
    event = consumed(2, 10, pointer=True)
    ahead = SKEW_NS / SECOND
    assert traces(resolve([event, produced(1, 10 + ahead, pointer=True), produced(3, 11, pointer=True)])) == {(2, 3)}
    assert resolve([event, produced(1, 10.1 + ahead, pointer=True)]) == set()


def test_a_pointer_prefers_before_over_ahead() -> None:
    """A job that starts within the skew after the event does not take the place of the one that wrote it."""
    some = [produced(1, 0, pointer=True), consumed(2, 10, pointer=True), produced(3, 12, pointer=True)]
    assert traces(resolve(some)) == {(2, 1)}


def test_a_pointer_forgets_after_a_day() -> None:
    """What wrote the object more than a day ago did not set off today's invocation."""
    day = POINTER_WINDOW_NS / SECOND
    assert traces(resolve([produced(1, 0, pointer=True), consumed(2, day, pointer=True)])) == {(2, 1)}
    assert resolve([produced(1, 0, pointer=True), consumed(2, day + 1, pointer=True)]) == set()


def test_one_key_on_very_many_spans_makes_few_links() -> None:
    """A hostile export cannot make the square of its spans in links."""
    some = [produced(trace, 0) for trace in range(1, 2_001)] + [consumed(trace, 1) for trace in range(2_001, 4_001)]
    assert len(resolve(some)) == 2_000 * MAX_PRODUCERS


def test_only_places_are_pointers() -> None:
    """A request id names one event; a bucket and key, or a table and an item's key, a place."""
    assert is_pointer("s3-object:uploads/a.mp3")
    assert is_pointer("dynamodb-item:eu-west-1:orders/1e82839fceafb012")
    assert not is_pointer("kinesis:clicks/49590338271490256608559692538361571095921575989136588898")
    assert not is_pointer("s3:4F2A9C0B1D2E3F40")
