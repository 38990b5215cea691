"""Joining the two sides of a hop by the ids that both saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from collector.domain.facts import Link, LinkKey, Side

SKEW_NS = 5_000_000_000  # by how much a producer's clock may be ahead of its consumer's
POINTER_WINDOW_NS = 86_400_000_000_000  # a job may run for hours before it writes what it announced


def is_pointer(key: str) -> bool:
    """Whether the key names a place that many events may touch, rather than one event."""
    return key.startswith("s3-object:")


def resolve(keys: Iterable[LinkKey]) -> set[Link]:
    """Every link that these rows give, whatever order they came in.

    An exact key joins each consumer to each producer. A pointer joins a consumer to the latest producer that started
    before it (within a day), because the same place may be written again and again.
    """
    produced: defaultdict[int, list[LinkKey]] = defaultdict(list)
    consumed: defaultdict[int, list[LinkKey]] = defaultdict(list)
    for row in keys:
        (produced if row.side == Side.PRODUCED else consumed)[row.key].append(row)
    links: set[Link] = set()
    for key, consumers in consumed.items():
        producers = produced.get(key, [])
        for consumer in consumers:
            for producer in _latest(producers, consumer) if consumer.pointer else producers:
                if producer.trace_id != consumer.trace_id:
                    links.add(Link(consumer.trace_id, producer.trace_id, consumer.span_id, producer.span_id))
    return links


def _latest(producers: list[LinkKey], consumer: LinkKey) -> list[LinkKey]:
    latest = consumer.started_ns + SKEW_NS
    earliest = consumer.started_ns - POINTER_WINDOW_NS
    candidates = [row for row in producers if earliest <= row.started_ns <= latest]
    return [max(candidates, key=lambda row: (row.started_ns, row.span_id))] if candidates else []
