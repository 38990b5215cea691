"""Which transactions a trace belongs to: the outside triggers from which links lead to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

Trace = bytes


def entries(
    traces: Collection[Trace],
    parents: Mapping[Trace, Collection[Trace]],
    known: Mapping[Trace, Collection[Trace]],
    started_ns: Mapping[Trace, int],
) -> dict[Trace, frozenset[Trace]]:
    """For each of `traces` the entry traces from which links lead to it; an entry is its own.

    `parents` holds every producer of every trace in `traces`. Those outside `traces` are in `known` with their own
    entries. Where links run in a circle that nothing outside set off, the circle's earliest trace is its entry
    (`started_ns`; of equals the smaller id), so that nothing is without a transaction.
    """
    found: dict[Trace, frozenset[Trace]] = {}
    missing: dict[Trace, int] = {}  # how many of a trace's parents are in `traces` and not in `found` yet
    children: defaultdict[Trace, list[Trace]] = defaultdict(list)
    inside = frozenset(traces)
    for trace in inside:
        own = {parent for parent in parents.get(trace, ()) if parent in inside}
        missing[trace] = len(own)
        for parent in own:
            children[parent].append(trace)
    ready = [trace for trace, count in missing.items() if not count]
    for trace in ready:  # it grows while it is walked
        found[trace] = _reached((trace,), parents, known, found) or frozenset((trace,))
        for child in children.get(trace, ()):
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    if len(found) < len(inside):
        _resolve_circles(inside - found.keys(), parents, known, started_ns, found)
    return found


def _reached(
    members: Collection[Trace],
    parents: Mapping[Trace, Collection[Trace]],
    known: Mapping[Trace, Collection[Trace]],
    found: Mapping[Trace, Collection[Trace]],
) -> frozenset[Trace]:
    """The entries of all parents of these traces, but for those among them."""
    outside = {parent for trace in members for parent in parents.get(trace, ()) if parent not in members}
    return frozenset(
        entry for parent in outside for entry in (found[parent] if parent in found else known.get(parent, (parent,)))
    )


def _resolve_circles(
    traces: Collection[Trace],
    parents: Mapping[Trace, Collection[Trace]],
    known: Mapping[Trace, Collection[Trace]],
    started_ns: Mapping[Trace, int],
    found: dict[Trace, frozenset[Trace]],
) -> None:
    """Adds to `found` those that are in circles of links, or behind one."""
    import networkx as nx  # noqa: PLC0415  # hardly ever needed, and 140 ms to import

    graph: nx.DiGraph[Trace] = nx.DiGraph()
    graph.add_nodes_from(traces)
    for trace in traces:
        graph.add_edges_from((parent, trace) for parent in parents.get(trace, ()) if parent in graph)
    circles = nx.condensation(graph)
    for number in nx.topological_sort(circles):
        members: set[Trace] = circles.nodes[number]["members"]
        reached = _reached(members, parents, known, found)
        if not reached:
            reached = frozenset((min(members, key=lambda trace: (started_ns.get(trace, 0), trace)),))
        found.update(dict.fromkeys(members, reached))
