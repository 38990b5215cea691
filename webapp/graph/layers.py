"""Which column each node stands in: cycles broken, then longest paths."""

from __future__ import annotations

from typing import TypeAlias

import networkx as nx

Graph: TypeAlias = "nx.DiGraph[str]"
Edge = tuple[str, str]


def break_cycles(graph: Graph) -> tuple[Graph, set[Edge]]:
    """The graph with some edges turned round so that no cycle is left, and which ones those are.

    Edges of lower `rank` keep their direction first (what triggers a function stands left of it, even if the function
    calls it back); within a rank the edges' order decides. Loops of a node to itself are left out.
    """
    forward: Graph = nx.DiGraph()
    forward.add_nodes_from(graph)
    component = {node: index for index, nodes in enumerate(nx.strongly_connected_components(graph)) for node in nodes}
    turned: set[Edge] = set()
    inner: list[tuple[int, int, Edge]] = []
    for index, (source, target, data) in enumerate(graph.edges(data=True)):
        if component[source] != component[target]:
            forward.add_edge(source, target)
        elif source != target:
            inner.append((data.get("rank", 0), index, (source, target)))
    for _, _, (source, target) in sorted(inner):
        if nx.has_path(forward, target, source):
            turned.add((source, target))
        else:
            forward.add_edge(source, target)
    # Only now: an edge turned round early could have forbidden one that was to keep its direction.
    forward.add_edges_from((target, source) for source, target in turned)
    return forward, turned


def assign_layers(forward: Graph) -> dict[str, int]:
    """Every edge leads to a later layer; what only sets something off stands right before it."""
    order = list(nx.lexicographical_topological_sort(forward))
    layer = dict.fromkeys(order, 0)
    for node in order:
        for target in forward.successors(node):
            layer[target] = max(layer[target], layer[node] + 1)
    for node in reversed(order):
        if not forward.in_degree(node) and forward.out_degree(node):
            layer[node] = min(layer[target] for target in forward.successors(node)) - 1
    return layer
