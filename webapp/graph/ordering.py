"""In which order the nodes of a column stand: few edges that cross, by the barycentre heuristic."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from itertools import pairwise

from webapp.graph.layers import Edge, Graph

SWEEPS = 8


def with_bends(
    forward: Graph, layer: Mapping[str, int]
) -> tuple[list[list[str]], dict[str, list[str]], dict[Edge, list[str]]]:
    """Split edges over several layers by bends, one in each layer between.

    Returns the layers in their first order, each node's and bend's neighbours in the next layer, and each edge's bends.
    """
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    following: dict[str, list[str]] = {}
    bends: dict[Edge, list[str]] = {}
    for node in forward:
        columns[layer[node]].append(node)
        following.setdefault(node, [])
    for source, target in forward.edges:
        chain = [f"{source}\0{target}\0{index}" for index in range(layer[source] + 1, layer[target])]
        bends[source, target] = chain
        for index, bend in enumerate(chain, layer[source] + 1):
            columns[index].append(bend)
        for left, right in zip([source, *chain], [*chain, target], strict=True):
            following.setdefault(left, []).append(right)
    return columns, following, bends


def order_layers(columns: list[list[str]], following: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The best of some sweeps to and fro."""
    preceding: dict[str, list[str]] = {}
    for left, rights in following.items():
        for right in rights:
            preceding.setdefault(right, []).append(left)
    best = current = columns
    fewest = crossings(columns, following)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        current = _sweep(current, preceding if rightwards else following, rightwards=rightwards)
        if (found := crossings(current, following)) < fewest:
            best, fewest = current, found
    return best


def crossings(columns: Sequence[Sequence[str]], following: Mapping[str, Sequence[str]]) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for left, right in pairwise(columns):
        place = {node: index for index, node in enumerate(right)}
        seen: list[int] = []
        for node in left:
            ends = sorted(place[target] for target in following.get(node, ()) if target in place)
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _sweep(columns: list[list[str]], neighbours: Mapping[str, Sequence[str]], *, rightwards: bool) -> list[list[str]]:
    result = [list(column) for column in columns]
    indices = range(1, len(result)) if rightwards else range(len(result) - 2, -1, -1)
    for index in indices:
        fixed = {node: place for place, node in enumerate(result[index - 1 if rightwards else index + 1])}
        centre = {}
        for place, node in enumerate(result[index]):
            ends = [fixed[end] for end in neighbours.get(node, ()) if end in fixed]
            centre[node] = sum(ends) / len(ends) if ends else float(place)
        result[index].sort(key=centre.__getitem__)  # stable: equal ones keep their order
    return result
