"""Made-up topologies, the exports that tell of them, and which transactions they come to by brute force."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from graphlib import TopologicalSorter

from hypothesis import strategies as st

from collector.domain import transactions as rules
from collector.domain.facts import Facts, Invocation, Link, LinkKey, Result, Side
from collector.domain.links import resolve
from tests.collector.store.facts import facts, invocation, key, trace

SECOND = 1_000  # milliseconds
TRACES, KEYS = 7, 6


@dataclass(frozen=True)
class Topology:
    runs: tuple[Invocation, ...]
    keys: tuple[LinkKey, ...]
    links: tuple[Link, ...]

    def exports(self) -> list[Facts]:
        """Every fact in an export of its own."""
        made = [facts(run) for run in self.runs]
        made += [facts(keys=[row], body=repr(row).encode()) for row in self.keys]
        for link in self.links:
            one = facts(body=repr(link).encode())
            one.links, one.traces = [link], {link.consumer_trace_id}
            made.append(one)
        return made

    def transactions(self) -> dict[bytes, set[bytes]]:
        """Each transaction's traces: all links at once, and the rules of `collector.domain.transactions`."""
        links = {(link.consumer_trace_id, link.producer_trace_id, link.consumer_started_ns) for link in self.links}
        links |= {
            (link.consumer_trace_id, link.producer_trace_id, link.consumer_started_ns) for link in resolve(self.keys)
        }
        count: defaultdict[bytes, int] = defaultdict(int)
        for link in {*self.links, *resolve(self.keys)}:
            count[link.consumer_trace_id] += 1
        begun: dict[bytes, int] = {}
        for run in self.runs:
            begun[run.trace_id] = min(run.started_ns, begun.get(run.trace_id, run.started_ns))
        behind = {one: {producer for consumer, producer, _ in links if consumer == one} for one in self.traces}

        def rank(one: bytes) -> tuple[int, bytes]:
            return (begun.get(one, 0), one)

        parents: dict[bytes, set[bytes]] = {one: set() for one in self.traces}
        for consumer, producer, started_ns in links:
            forgiven = (
                started_ns == begun.get(consumer, 0)
                and count[producer] <= rules.MAX_LINKS_IN
                and all(rank(other) < rank(consumer) for other in behind[producer])
            )
            if count[consumer] <= rules.MAX_LINKS_IN and (rank(producer) < rank(consumer) or forgiven):
                parents[consumer].add(producer)
        entries: dict[bytes, set[bytes]] = {}
        for one in TopologicalSorter(parents).static_order():
            found = {entry for parent in parents[one] for entry in entries[parent]}
            entries[one] = found if 0 < len(found) <= rules.MAX_ENTRIES else {one}
        made: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for one in self.told:
            for entry in entries[one]:
                made[entry].add(one)
        return dict(made)

    @property
    def traces(self) -> set[bytes]:
        """All that are spoken of."""
        return self.told | {link.producer_trace_id for link in self.links}

    @property
    def told(self) -> set[bytes]:
        """Those of which something arrives."""
        found = {run.trace_id for run in self.runs} | {row.trace_id for row in self.keys}
        return found | {link.consumer_trace_id for link in self.links}

    def figures(self) -> dict[bytes, tuple[object, ...]]:
        """(invocations, failed ones, cost, earliest start, latest end, services) of each transaction that has any."""
        made: dict[bytes, tuple[object, ...]] = {}
        for entry, members in self.transactions().items():
            runs = [run for run in self.runs if run.trace_id in members]
            if runs:
                made[entry] = (
                    len(runs),
                    sum(run.result == Result.ERROR for run in runs),
                    sum(run.cost_pd or 0 for run in runs),
                    min(run.started_ns for run in runs),
                    max(run.started_ns + run.duration_ns for run in runs),
                    f"s3 {len(runs)}",
                )
        return made


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Chains, fan-out, batches, circles, retries, places, results, span links, clocks that are wrong."""
    runs: list[Invocation] = []
    for number in range(1, draw(st.integers(2, TRACES)) + 1):
        for attempt in range(draw(st.integers(1, 2))):
            made = invocation(
                number,
                span=100 * number + attempt,
                start_ms=draw(st.integers(0, 30)) * SECOND,
                result=draw(st.sampled_from([Result.OK, Result.ERROR])),
                services="s3 1",
            )
            # No two start at the same time: which is the entry's first is another matter.
            runs.append(made._replace(started_ns=made.started_ns + 100 * number + attempt))
    keys: list[LinkKey] = []
    for name in range(draw(st.integers(0, KEYS))):
        kind = draw(st.sampled_from(["exact", "shared", "place"]))
        for side in draw(st.lists(st.sampled_from(_SIDES[kind]), min_size=1, max_size=5)):
            run = draw(st.sampled_from(runs))
            row = key(str(name), side, 0, pointer=kind == "place")
            span = run.span_id * 10 + name if side == Side.PRODUCED else run.span_id
            row = row._replace(trace_id=run.trace_id, started_ns=run.started_ns, span_id=span)
            # An invocation has a key for one reason: it is not told of its own result.
            if all((other.key, other.span_id) != (row.key, row.span_id) for other in keys):
                keys.append(row)
    links = [
        Link(run.trace_id, 0, other, run.span_id, 7, run.started_ns, 0)
        for run, other in draw(
            st.lists(st.tuples(st.sampled_from(runs), st.integers(1, TRACES + 1).map(trace)), max_size=2)
        )
        if run.trace_id != other
    ]
    return Topology(tuple(runs), tuple(keys), tuple(dict.fromkeys(links)))


_SIDES = {
    "exact": [Side.PRODUCED, Side.CONSUMED, Side.CONSUMED, Side.RESULT],
    "shared": [Side.PRODUCED, Side.SHARED, Side.SHARED, Side.RESULT],
    "place": [Side.PRODUCED, Side.PRODUCED, Side.CONSUMED],
}
