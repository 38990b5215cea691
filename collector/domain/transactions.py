"""Which transactions a trace belongs to: the outside triggers from which links lead to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import networkx as nx

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
    graph: nx.DiGraph[Trace] = nx.DiGraph()
    graph.add_nodes_from(traces)
    for trace in traces:
        graph.add_edges_from((parent, trace) for parent in parents.get(trace, ()) if parent in graph)
    circles = nx.condensation(graph)
    found: dict[Trace, frozenset[Trace]] = {}
    for number in nx.topological_sort(circles):
        members: set[Trace] = circles.nodes[number]["members"]
        reached: set[Trace] = set()
        for trace in members:
            for parent in parents.get(trace, ()):
                if parent not in members:
                    reached.update(found[parent] if parent in found else known.get(parent, (parent,)))
        if not reached:
            reached = {min(members, key=lambda trace: (started_ns.get(trace, 0), trace))}
        found.update(dict.fromkeys(members, frozenset(reached)))
    return found
