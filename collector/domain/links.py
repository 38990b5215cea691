"""Joining the two sides of a hop by the ids that both saw."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from heapq import nsmallest

from collector.domain.facts import Link, LinkKey

SKEW_NS = 5_000_000_000  # by how much a producer's clock may be ahead of its consumer's
POINTER_WINDOW_NS = 86_400_000_000_000  # a job may run for hours before it writes what it announced
# Of one exact key. A message has one sender and a few deliveries; without a bound, an export with one key on 10,000
# spans of either side would make 100 million links.
MAX_PRODUCERS = 16
RESULT = "lambda-result:"  # what a destination or a dead-letter queue holds: the request whose result it is


def is_pointer(key: str) -> bool:
    """Whether the key names a place that many events may touch, rather than one event."""
    return key.startswith(("s3-object:", "dynamodb-item:"))


def resolve(keys: Iterable[LinkKey]) -> set[Link]:
    """Every link that these rows give, whatever order they came in.

    A result is joined to what consumed its key: the invocation of the request. An exact key joins each consumer to each
    producer, of very many to the earliest. A pointer joins a consumer to the latest producer that started before it
    (within a day), because the same place may be written again and again; where there is none, to the earliest that
    started up to SKEW_NS after it. Nothing is linked to its own trace.
    """
    produced: defaultdict[int, list[LinkKey]] = defaultdict(list)
    consumed: defaultdict[int, list[LinkKey]] = defaultdict(list)
    results: defaultdict[int, list[LinkKey]] = defaultdict(list)
    sides = (produced, consumed, results)  # as Side numbers them
    for row in set(keys):
        sides[row.side][row.key].append(row)
    links: set[Link] = set()
    for key, consumers in consumed.items():
        if producers := produced.get(key):
            pointers = [row for row in consumers if row.pointer]
            links.update(_exact([row for row in consumers if not row.pointer], producers))
            links.update(_latest(pointers, producers) if pointers else ())
    for key, consumers in results.items():
        links.update(_exact(consumers, consumed.get(key, [])))
    return links


def _exact(consumers: list[LinkKey], producers: list[LinkKey]) -> Iterable[Link]:
    first = nsmallest(MAX_PRODUCERS, producers, key=_age)
    return (_link(consumer, row) for consumer in consumers for row in first if row.trace_id != consumer.trace_id)


def _latest(consumers: list[LinkKey], producers: list[LinkKey]) -> Iterable[Link]:
    ordered = sorted(producers, key=_age)
    starts = [row.started_ns for row in ordered]
    before = _nearest_of_other_traces(ordered)
    after = [len(ordered) - 1 - index for index in reversed(_nearest_of_other_traces(ordered[::-1]))]
    for consumer in consumers:
        index = bisect_right(starts, consumer.started_ns) - 1
        if index >= 0 and ordered[index].trace_id == consumer.trace_id:
            index = before[index]
        if index >= 0 and starts[index] >= consumer.started_ns - POINTER_WINDOW_NS:
            yield _link(consumer, ordered[index])
            continue
        index = bisect_left(starts, consumer.started_ns + 1)
        if index < len(ordered) and ordered[index].trace_id == consumer.trace_id:
            index = after[index]
        if index < len(ordered) and starts[index] <= consumer.started_ns + SKEW_NS:
            yield _link(consumer, ordered[index])


def _nearest_of_other_traces(rows: list[LinkKey]) -> list[int]:
    """For each row the index of the last one before it that is of another trace; -1 where there is none.

    So that a consumer steps over all that its own trace produced at once: walking would take the square of the rows.
    """
    nearest: list[int] = []
    for index, row in enumerate(rows):
        same = index > 0 and rows[index - 1].trace_id == row.trace_id
        nearest.append(nearest[-1] if same else index - 1)
    return nearest


def _age(row: LinkKey) -> tuple[int, int, bytes]:
    return (row.started_ns, row.span_id, row.trace_id)


def _link(consumer: LinkKey, producer: LinkKey) -> Link:
    return Link(consumer.trace_id, producer.trace_id, consumer.span_id, producer.span_id)
