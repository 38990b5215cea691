"""Layered layout, left to right: where nodes stand and how edges run. The same graph always looks the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx

from webapp.graph.layers import assign_layers, break_cycles
from webapp.graph.ordering import order_layers, with_bends
from webapp.graph.placement import place

if TYPE_CHECKING:
    from webapp.graph.layers import Edge, Graph

WIDTH, HEIGHT = 198.0, 54.0  # of a node
ROW_GAP, BEND_GAP = 38.0, 24.0
LAYER_GAP, LABEL_PAD = 44.0, 26.0
LABEL_STEPS = (0.5, 0.75, 0.3, 0.85)
PART_GAP = 48.0  # between unconnected parts
PAIR_SHIFT = 9.0  # half the distance of the two edges of a pair that points both ways
FLAT = 1.7  # unconnected parts are put side by side until the whole is this much wider than high


@dataclass(frozen=True, slots=True)
class Route:
    """Points where the edge bends, from its source's side to its target's, and where its label may be centred, the
    best place first.

    `side`: -1 or 1 for the upper and the lower edge of a pair that points both ways, else 0.
    """

    points: tuple[tuple[float, float], ...]
    labels: tuple[tuple[float, float], ...]
    side: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """`nodes`: left and top of each."""

    nodes: dict[str, tuple[float, float]]
    routes: dict[Edge, Route]
    width: float
    height: float


def lay_out(graph: Graph, label_widths: Mapping[Edge, float]) -> Layout:
    """Edges may have a `rank`, see `break_cycles`. Nodes and edges count in the order they were added."""
    parts = [_lay_out_part(graph.subgraph(nodes), graph, label_widths) for nodes in _parts(graph)]
    return _pack(parts)


def _parts(graph: Graph) -> list[set[str]]:
    order = {node: index for index, node in enumerate(graph)}
    found = list(nx.weakly_connected_components(graph))
    return sorted(found, key=lambda nodes: (-len(nodes), min(order[node] for node in nodes)))


def _lay_out_part(part: Graph, whole: Graph, label_widths: Mapping[Edge, float]) -> Layout:
    # A subgraph view iterates in no fixed order; the whole graph does.
    ordered: Graph = nx.DiGraph()
    ordered.add_nodes_from(node for node in whole if node in part)
    ordered.add_edges_from((s, t, data) for s, t, data in whole.edges(data=True) if s in part)
    forward, turned = break_cycles(ordered)
    layer = assign_layers(forward)
    columns, following, bends = with_bends(forward, layer)
    columns = order_layers(columns, following)
    spaces = {node: HEIGHT + ROW_GAP if node in ordered else BEND_GAP for column in columns for node in column}
    centre = place(columns, following, spaces)
    lefts = _lefts(ordered, layer, label_widths, len(columns))
    top = min(centre[node] - (HEIGHT / 2 if node in ordered else 0) for column in columns for node in column)
    bottom = max(centre[node] + (HEIGHT / 2 if node in ordered else 0) for column in columns for node in column)
    routes = {}
    for edge in ordered.edges:
        if edge[0] == edge[1]:
            routes[edge] = _loop(lefts[layer[edge[0]]], centre[edge[0]] - top)
            continue
        back = edge in turned
        start, end = (edge[1], edge[0]) if back else edge
        stops = [(lefts[layer[start] + 1 + i], centre[bend] - top) for i, bend in enumerate(bends[start, end])]
        side = (1 if back else -1) if ordered.has_edge(edge[1], edge[0]) else 0
        shift = PAIR_SHIFT * side
        points = [(lefts[layer[start]] + WIDTH, centre[start] - top + shift)]
        for left, y in stops:
            points += [(left, y), (left + WIDTH, y)]
        points.append((lefts[layer[end]], centre[end] - top + shift))
        label = _label_points(points, forward.out_degree(start), forward.in_degree(end))
        routes[edge] = Route(tuple(reversed(points)) if back else tuple(points), label, side)
    nodes = {node: (lefts[layer[node]], centre[node] - HEIGHT / 2 - top) for node in ordered}
    return Layout(nodes, routes, lefts[-1] + WIDTH, bottom - top)


def _lefts(graph: Graph, layer: Mapping[str, int], label_widths: Mapping[Edge, float], count: int) -> list[float]:
    gaps = [LAYER_GAP] * count
    for edge in graph.edges:
        first, last = sorted((layer[edge[0]], layer[edge[1]]))
        needed = label_widths.get(edge, 0.0) + LABEL_PAD
        for index in {first, max(last - 1, first)}:  # the label is in the first or the last gap
            gaps[index] = max(gaps[index], needed)
    lefts = [0.0]
    for gap in gaps[: count - 1]:
        lefts.append(lefts[-1] + WIDTH + gap)
    return lefts


def _label_points(points: list[tuple[float, float]], leaving: int, arriving: int) -> tuple[tuple[float, float], ...]:
    """In the middle of a gap between two layers, or nearer to the end where fewer edges meet; then other places."""
    if leaving > arriving:
        best = [(len(points) - 2, 0.6), (0, 0.5)]
    else:
        best = [(0, 0.5 if leaving == arriving else 0.4), (len(points) - 2, 0.5)]
    # Every second stretch crosses a gap; those between run straight through a layer.
    others = [(index, t) for t in LABEL_STEPS for index in range(len(points) - 1)]
    return tuple(_on_curve(points[index], points[index + 1], t) for index, t in (*best, *others))


def _on_curve(start: tuple[float, float], end: tuple[float, float], t: float) -> tuple[float, float]:
    # The edge is a cubic curve with its handles halfway; this is its point at t.
    x = start[0] + (end[0] - start[0]) * (1.5 * t * (1 - t) + t**3)
    y = start[1] + (end[1] - start[1]) * (3 * t * t - 2 * t**3)
    return x, y


def _loop(left: float, centre: float) -> Route:
    right = left + WIDTH
    points = ((right, centre - 12), (right + 30, centre - 12), (right + 30, centre + 12), (right, centre + 12))
    return Route(points, ((right + 30, centre),))


def _pack(parts: list[Layout]) -> Layout:
    """Unconnected parts on shelves, largest first."""
    area = sum((part.width + PART_GAP) * (part.height + PART_GAP) for part in parts)
    limit = max([(area * FLAT) ** 0.5, *(part.width for part in parts)], default=0.0)
    nodes: dict[str, tuple[float, float]] = {}
    routes: dict[Edge, Route] = {}
    x = y = shelf = width = 0.0
    for part in parts:
        if x and x + part.width > limit:
            x, y, shelf = 0.0, y + shelf + PART_GAP, 0.0
        nodes.update({node: (left + x, top + y) for node, (left, top) in part.nodes.items()})
        for edge, route in part.routes.items():
            points = tuple((px + x, py + y) for px, py in route.points)
            routes[edge] = Route(points, tuple((lx + x, ly + y) for lx, ly in route.labels), route.side)
        width = max(width, x + part.width)
        x, shelf = x + part.width + PART_GAP, max(shelf, part.height)
    return Layout(nodes, routes, width, y + shelf)
