"""Transactions out of links, on both databases and in any order."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from collector.domain.facts import Facts, Link, Result, Side
from collector.domain.links import MAX_PRODUCERS
from collector.store import tables
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.stitcher import Stitcher
from tests.collector.store.facts import BUCKET, MS, START_NS, call, facts, invocation, key, trace
from tests.databases import create_sqlite


def store(database: Engine, *group: Facts) -> None:
    with database.begin() as connection:
        write_facts(connection, group, Seen())


def stitch(database: Engine, most: int = 2_000) -> None:
    while Stitcher(database).run_pass(most) is not None:
        pass


def members(database: Engine) -> dict[int, set[int]]:
    """Transaction -> its traces, by the numbers that the tests give them."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    with database.connect() as connection:
        for transaction, member in connection.execute(
            select(tables.memberships.c.transaction_id, tables.memberships.c.trace_id)
        ):
            found[int.from_bytes(transaction, "big")].add(int.from_bytes(member, "big"))
    return dict(found)


def test_an_invocation_alone_is_a_transaction(database: Engine) -> None:
    """Its figures are the invocation's."""
    store(database, facts(invocation(1, duration_ms=10, cost_pd=5, services="s3 2,sqs 1")))

    stitch(database)

    with database.connect() as connection:
        row = connection.execute(select(tables.transactions)).one()
    assert (trace(1), START_NS, START_NS + 10 * MS, Result.OK, 1, 0, 5, "s3 2,sqs 1") == (
        row.id,
        row.started_ns,
        row.ended_ns,
        row.result,
        row.invocations,
        row.failed_invocations,
        row.cost_pd,
        row.services,
    )


def test_a_link_key_joins_both_sides(database: Engine) -> None:
    """The consumer belongs to the producer's transaction; its failure is no failure of the entry."""
    store(
        database,
        facts(invocation(1, services="s3 1"), keys=[key("s3:a", Side.PRODUCED, 1, span=11)]),
        facts(
            invocation(2, start_ms=500, result=Result.ERROR, services="s3 1,dynamodb 1"),
            keys=[key("s3:a", Side.CONSUMED, 2, start_ms=500)],
        ),
    )

    stitch(database)

    assert {1: {1, 2}} == members(database)
    with database.connect() as connection:
        row = connection.execute(select(tables.transactions)).one()
        link = connection.execute(select(tables.links)).one()
    assert (Result.OK, 2, 1, START_NS + 510 * MS) == (row.result, row.invocations, row.failed_invocations, row.ended_ns)
    assert "s3 2,dynamodb 1" == row.services
    assert (trace(2), trace(1), 2, 11, START_NS + 500 * MS, START_NS) == (
        link.consumer_trace_id,
        link.producer_trace_id,
        link.consumer_span_id,
        link.producer_span_id,
        link.consumer_started_ns,
        link.producer_started_ns,
    )


def test_the_producer_may_arrive_last(database: Engine) -> None:
    """The consumer's own transaction is gone once its producer is known."""
    store(database, facts(invocation(2, start_ms=500), keys=[key("s3:a", Side.CONSUMED, 2, start_ms=500)]))
    stitch(database)
    assert {2: {2}} == members(database)

    store(database, facts(invocation(1), keys=[key("s3:a", Side.PRODUCED, 1)]))
    stitch(database)

    assert {1: {1, 2}} == members(database)
    with database.connect() as connection:
        assert [trace(1)] == list(connection.scalars(select(tables.transactions.c.id)))


def test_a_batch_belongs_to_every_transaction_that_fed_it(database: Engine) -> None:
    """What a batch sets off belongs to all of them too."""
    store(
        database,
        facts(invocation(1), keys=[key("sqs:a", Side.PRODUCED, 1)]),
        facts(invocation(2), keys=[key("sqs:b", Side.PRODUCED, 2)]),
        facts(
            invocation(3, start_ms=9),
            keys=[
                key("sqs:a", Side.CONSUMED, 3, start_ms=9),
                key("sqs:b", Side.CONSUMED, 3, start_ms=9),
                key("sns:c", Side.PRODUCED, 3, start_ms=10),
            ],
        ),
        facts(invocation(4, start_ms=20), keys=[key("sns:c", Side.CONSUMED, 4, start_ms=20)]),
    )

    stitch(database)

    assert {1: {1, 3, 4}, 2: {2, 3, 4}} == members(database)


def test_what_a_result_sets_off_belongs_to_its_invocation(database: Engine) -> None:
    """Whichever comes first; what had set off the invocation is before both."""
    caller = facts(invocation(1), keys=[key("lambda:a", Side.PRODUCED, 1)])
    called = facts(invocation(2, start_ms=5), keys=[key("lambda:a", Side.CONSUMED, 2, start_ms=5)])
    told = facts(invocation(3, start_ms=9), keys=[key("lambda:a", Side.RESULT, 3, start_ms=9)])
    for given_exports in ((told, caller, called), (called, told, caller)):
        with database.begin() as connection:
            for table in tables.metadata.sorted_tables:
                connection.execute(table.delete())
        for export in given_exports:
            store(database, export)
            stitch(database)

        assert {1: {1, 2, 3}} == members(database)
        with database.connect() as connection:
            assert {(trace(2), trace(1)), (trace(3), trace(2))} == {
                (row.consumer_trace_id, row.producer_trace_id) for row in connection.execute(select(tables.links))
            }


def test_a_pointer_goes_to_the_latest_producer_before(database: Engine) -> None:
    """A producer that arrives late takes the place of an earlier one, but not of a later one."""
    consumer = facts(
        invocation(9, start_ms=90_000), keys=[key("s3-object:b/k", Side.CONSUMED, 9, start_ms=90_000, pointer=True)]
    )

    def producer(number: int, start_ms: int) -> Facts:
        return facts(
            invocation(number, start_ms=start_ms),
            keys=[key("s3-object:b/k", Side.PRODUCED, number, start_ms=start_ms, pointer=True)],
        )

    store(database, producer(1, 10_000), consumer)
    stitch(database)
    assert {1: {1, 9}} == members(database)
    store(database, producer(3, 80_000))
    stitch(database)
    assert {1: {1}, 3: {3, 9}} == members(database)
    store(database, producer(2, 50_000), producer(4, 200_000))
    stitch(database)

    assert {1: {1}, 2: {2}, 3: {3, 9}, 4: {4}} == members(database)


def test_counts_what_one_resource_hands_to_another(database: Engine) -> None:
    """From the resource that was called to the one that triggered the consumer; a later producer takes it over."""
    transcribe, transcripts = BUCKET.id, BUCKET.id + 1

    def producer(number: int, start_ms: int) -> Facts:
        made = key("s3-object:b/k", Side.PRODUCED, number, start_ms=start_ms, span=number + 100, pointer=True)
        return facts(
            invocation(number, start_ms=start_ms),
            calls=[call(number, span=number + 100, start_ms=start_ms)],
            keys=[made],
        )

    consumed = key("s3-object:b/k", Side.CONSUMED, 9, start_ms=50_000, pointer=True)
    consumer = facts(invocation(9, start_ms=50_000, trigger_resource_id=transcripts), keys=[consumed])
    store(database, producer(1, 1_000), consumer)
    stitch(database)
    store(database, producer(2, 2_000))
    stitch(database)

    with database.connect() as connection:
        rows = connection.execute(select(tables.flow_stats)).all()
    assert {(transcribe, transcripts, 60, 1), (transcribe, transcripts, 3600, 1)} == {
        (row.source_id, row.target_id, row.resolution, row.events) for row in rows
    }


def test_counts_once_what_a_pass_saw_that_had_not_come_to_it(database: Engine) -> None:
    """A pass reads all rows of a key, also those whose traces stand further back in the queue."""
    produced = key("s3:a", Side.PRODUCED, 1, start_ms=1, span=101)
    store(database, facts(invocation(1), calls=[call(1, span=101)], keys=[produced]))
    for number in (2, 3, 4):
        row = invocation(number, start_ms=number, trigger_resource_id=BUCKET.id + 1)
        store(database, facts(row, keys=[key("s3:a", Side.CONSUMED, number, start_ms=number)]))

    stitch(database, most=1)

    with database.connect() as connection:
        assert {3} == set(connection.scalars(select(tables.flow_stats.c.events)))
    assert {1: {1, 2, 3, 4}} == members(database)


def test_links_are_those_that_all_keys_give(database: Engine) -> None:
    """A place that led to a producer may be joined by an event that leads to the same one, in a later export."""
    place = [
        key("s3-object:b/k", side, n, start_ms=n, pointer=True) for side, n in ((Side.PRODUCED, 1), (Side.CONSUMED, 2))
    ]
    event = [key("s3:a", side, n, start_ms=n) for side, n in ((Side.PRODUCED, 1), (Side.CONSUMED, 2))]
    store(database, facts(invocation(1, start_ms=1)), facts(invocation(2, start_ms=2)))
    for keys in (place[:1], place[1:], event[:1], event[1:]):
        store(database, facts(keys=keys, body=repr(keys).encode()))
        stitch(database)

    assert {1: {1, 2}} == members(database)


def test_of_very_many_producers_the_same_ones_count(database: Engine) -> None:
    """Whatever order they arrive in, a consumer is linked to as many of them as all together give."""
    consumer = facts(invocation(99, start_ms=500), keys=[key("sqs:a", Side.CONSUMED, 99, start_ms=500)])
    producers = [
        facts(invocation(n, start_ms=n), keys=[key("sqs:a", Side.PRODUCED, n, start_ms=n)]) for n in range(1, 21)
    ]
    store(database, consumer, *producers[10:])
    stitch(database)
    store(database, *producers[:10])
    stitch(database)

    with database.connect() as connection:
        linked = {row.producer_span_id for row in connection.execute(select(tables.links))}
    assert set(range(1, MAX_PRODUCERS + 1)) == linked


def test_a_span_link_counts_even_when_it_comes_late(database: Engine) -> None:
    """A trace that is placed already moves when a later export names its cause."""
    store(database, facts(invocation(1)), facts(invocation(2, start_ms=5)))
    stitch(database)

    late = facts(traces=[2], body=b"late")
    late.links = [Link(trace(2), 0, trace(1), 2, 1, START_NS + 5 * MS, 0)]
    store(database, late)
    stitch(database)

    assert {1: {1, 2}} == members(database)


def test_links_in_a_circle_have_an_entry(database: Engine) -> None:
    """Of a circle that nothing outside set off, the earliest trace is the entry."""
    store(
        database,
        facts(invocation(1, start_ms=5), keys=[key("a", Side.CONSUMED, 1), key("b", Side.PRODUCED, 1)]),
        facts(invocation(2, start_ms=1), keys=[key("b", Side.CONSUMED, 2), key("a", Side.PRODUCED, 2)]),
    )

    stitch(database)

    assert {2: {1, 2}} == members(database)


def test_the_queue_is_worked_off_in_bounded_passes(database: Engine) -> None:
    """However little a pass takes, the outcome is the same and the queue is empty."""
    chain = [
        facts(
            invocation(number, start_ms=number),
            keys=[key(f"k{number}", Side.CONSUMED, number), key(f"k{number + 1}", Side.PRODUCED, number)],
        )
        for number in range(1, 8)
    ]
    store(database, *reversed(chain))

    stitch(database, most=2)

    assert {1: set(range(1, 8))} == members(database)
    with database.connect() as connection:
        assert [] == connection.execute(select(tables.stitch_queue)).all()


# A topology: each trace with the traces that its producers are in, all by number; cycles and self-links included.
topologies = st.integers(2, 9).flatmap(
    lambda size: st.lists(st.tuples(st.integers(1, size), st.integers(1, size)), max_size=14, unique=True).map(
        lambda edges: (size, edges)
    )
)


def exports(size: int, edges: list[tuple[int, int]]) -> list[Facts]:
    """Each trace's facts, its invocation and its link keys in exports of their own."""
    found = []
    for number in range(1, size + 1):
        found.append(facts(invocation(number, start_ms=number * 10, services="s3 1")))
        produced = [key(f"{a}>{b}", Side.PRODUCED, a, start_ms=a * 10) for a, b in edges if a == number]
        consumed = [key(f"{a}>{b}", Side.CONSUMED, b, start_ms=b * 10) for a, b in edges if b == number]
        found.extend(facts(keys=[one], body=repr(one).encode()) for one in produced + consumed)
    return found


def truth(size: int, edges: list[tuple[int, int]]) -> dict[int, set[int]]:
    """The transactions by brute force: from each entry whatever links lead to. Numbers are the order of starts."""
    behind = {number: {a for a, b in edges if b == number} - {number} for number in range(1, size + 1)}
    parents = {c: {p for p in behind[c] if p < c or all(q < c for q in behind[p])} for c in behind}
    reach = {number: {number} for number in behind}
    for _ in range(size):
        for b, producers in parents.items():
            for found in reach.values():
                if producers & found:
                    found.add(b)
    return {number: reach[number] for number in behind if not parents[number]}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topology=topologies, seed=st.integers(0, 2**32))
@example(topology=(4, [(1, 4), (1, 1), (4, 1)]), seed=4)  # a circle whose earliest invocation comes last
# A producer is placed beside its own producer, whose start is only known then: what it set off itself is placed anew.
@example(topology=(7, [(7, 4), (6, 2), (5, 5), (2, 1), (1, 1), (5, 1), (2, 3), (6, 7), (7, 5)]), seed=1294)
def test_the_order_of_arrival_does_not_matter(
    topology: tuple[int, list[tuple[int, int]]], seed: int, tmp_path: Path
) -> None:
    """Shuffled, split, repeated and stitched at any moment, the transactions are those that the links tell."""
    chance = random.Random(seed)
    given_exports = exports(*topology)
    given_exports += chance.sample(given_exports, len(given_exports) // 3)
    chance.shuffle(given_exports)
    path = tmp_path / "shuffled.db"
    path.unlink(missing_ok=True)
    database = open_engine(create_sqlite(path))
    try:
        while given_exports:
            size = chance.randint(1, 4)
            store(database, *given_exports[:size])
            del given_exports[:size]
            if chance.random() < 0.5:
                Stitcher(database).run_pass(chance.randint(1, 5))
        stitch(database, most=chance.randint(1, 50))

        expected = truth(*topology)
        assert expected == members(database)
        with database.connect() as connection:
            counted = {
                int.from_bytes(row.id, "big"): (row.invocations, row.cost_pd, row.services)
                for row in connection.execute(select(tables.transactions))
            }
        assert {
            entry: (len(found), 1_000 * len(found), f"s3 {len(found)}") for entry, found in expected.items()
        } == counted
    finally:
        database.dispose()
