"""Joining the two sides of a hop by the ids that both saw."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import nsmallest

from collector.domain.facts import Link, LinkKey

SKEW_NS = 5_000_000_000  # by how much a producer's clock may be ahead of its consumer's
POINTER_WINDOW_NS = 86_400_000_000_000  # a job may run for hours before it writes what it announced
# Of one exact key. A message has one sender and a few deliveries; without a bound, an export with one key on 10,000
# spans of either side would make 100 million links.
MAX_PRODUCERS = 16
# Producers of a place that a consumer looks at, to find one that is not its own trace's.
MAX_NEAR = 16
REQUEST = "lambda:"  # what an invocation is, and what whoever invoked the function was told
RESULT = "lambda-result:"  # what a destination or a dead-letter queue holds: the request whose result it is
# One cause, however many invocations it has: those of an unknown producer are still of one transaction. Not so what a
# batch may hold beside others (`sqs:`, `kinesis:`): messages that fail again and again would tie all batches together.
SHARED = (REQUEST, "durable:", "states:")


def is_pointer(key: str) -> bool:
    """Whether the key names a place that many events may touch, rather than one event."""
    return key.startswith(("s3-object:", "dynamodb-item:"))


def resolve(keys: Iterable[LinkKey]) -> set[Link]:
    """Every link that these rows give, whatever order they came in.

    A result is joined to what consumed its key: the invocation of the request; where it never ran, to what produced
    the key. An exact key joins each consumer to each
    producer, of very many to the earliest; consumers that share a key without a producer are joined to the earliest of
    them. A pointer joins a consumer to the latest producer that started before it (within a day), because the same
    place may be written again and again; where there is none, to the earliest that started up to SKEW_NS after it.
    Nothing is linked to its own trace: a pointer's consumer looks past its own, among the MAX_NEAR nearest.
    """
    produced: defaultdict[int, list[LinkKey]] = defaultdict(list)
    consumed: defaultdict[int, list[LinkKey]] = defaultdict(list)
    results: defaultdict[int, list[LinkKey]] = defaultdict(list)
    shared: defaultdict[int, list[LinkKey]] = defaultdict(list)
    sides = (produced, consumed, results, shared)  # as Side numbers them
    for row in set(keys):
        sides[row.side][row.key].append(row)
    links: set[Link] = set()
    for key, rows in shared.items():
        if key not in produced and len(rows) > 1:
            links.update(_exact(rows, [min(rows, key=age)]))
        consumed[key].extend(rows)
    for key, rows in consumed.items():
        if producers := produced.get(key):
            pointers = [row for row in rows if row.pointer]
            links.update(_exact([row for row in rows if not row.pointer], producers))
            links.update(_latest(pointers, producers) if pointers else ())
    for key, rows in results.items():
        links.update(_exact(rows, consumed.get(key) or produced.get(key, [])))
    return links


def age(row: LinkKey) -> tuple[int, int, bytes]:
    """What "earliest" goes by; of equals any, but always the same."""
    return (row.started_ns, row.span_id, row.trace_id)


def _exact(consumers: list[LinkKey], producers: list[LinkKey]) -> Iterable[Link]:
    first = nsmallest(MAX_PRODUCERS, producers, key=age)
    return (_link(consumer, row) for consumer in consumers for row in first if row.trace_id != consumer.trace_id)


def _latest(consumers: list[LinkKey], producers: list[LinkKey]) -> Iterable[Link]:
    ordered = sorted(producers, key=age)
    starts = [row.started_ns for row in ordered]
    for consumer in consumers:
        end = bisect_right(starts, consumer.started_ns)
        before = _of_another(consumer, ordered[max(0, end - MAX_NEAR) : end][::-1])
        if before is not None and before.started_ns >= consumer.started_ns - POINTER_WINDOW_NS:
            yield _link(consumer, before)
            continue
        begin = bisect_left(starts, consumer.started_ns + 1)
        after = _of_another(consumer, ordered[begin : begin + MAX_NEAR])
        if after is not None and after.started_ns <= consumer.started_ns + SKEW_NS:
            yield _link(consumer, after)


def _of_another(consumer: LinkKey, nearest: Sequence[LinkKey]) -> LinkKey | None:
    return next((row for row in nearest if row.trace_id != consumer.trace_id), None)


def _link(consumer: LinkKey, producer: LinkKey) -> Link:
    return Link(
        consumer.trace_id,
        consumer.key,
        producer.trace_id,
        consumer.span_id,
        producer.span_id,
        consumer.started_ns,
        producer.started_ns,
    )
