"""A graph as the template draws it in SVG: names cut to their boxes, edges as curves, labels on them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

import networkx as nx

from webapp.graph.layers import Graph
from webapp.graph.layout import HEIGHT, WIDTH, Route, lay_out
from webapp.graph.picture import DrawnEdge, DrawnNode, Edge, Line, Node, Picture

MARGIN = 16.0
LINE = 13.0  # height of a label's line
TITLE_WIDTH, SUBTITLE_WIDTH = 140.0, 142.0
TITLE_CHAR, SUBTITLE_CHAR, LABEL_CHAR = 7.9, 6.5, 6.5  # px of a small letter at 12.5, 11 and 11 px
LABEL_LIMIT = 170.0
NARROW, WIDE = frozenset("ijltfrI.,:;'|!-() "), frozenset("mwMW@%")


Box = tuple[float, float, float, float]  # left, top, right, bottom


def draw(nodes: Iterable[Node], edges: Iterable[Edge]) -> Picture:
    """Every edge's ends must be among the nodes; of two edges between the same two in one direction the last counts."""
    graph: Graph = nx.DiGraph()
    known = {node.key: node for node in nodes}
    between = {(edge.source, edge.target): edge for edge in edges}
    graph.add_nodes_from(known)
    labels = {key: [fit(line, LABEL_LIMIT, LABEL_CHAR) for line in edge.label] for key, edge in between.items()}
    for key, edge in between.items():
        graph.add_edge(*key, rank=edge.rank)
    widths = {key: max((text_width(line, LABEL_CHAR) for line in lines), default=0.0) for key, lines in labels.items()}
    layout = lay_out(graph, widths)
    drawn_nodes = [
        DrawnNode(
            node,
            layout.nodes[key][0] + MARGIN,
            layout.nodes[key][1] + MARGIN,
            fit(node.title, TITLE_WIDTH, TITLE_CHAR),
            fit(node.subtitle, SUBTITLE_WIDTH, SUBTITLE_CHAR, end=True),
        )
        for key, node in known.items()
    ]
    taken: list[Box] = []
    drawn_edges = [
        DrawnEdge(
            edge,
            _path([(x + MARGIN, y + MARGIN) for x, y in layout.routes[key].points]),
            _label(labels[key], layout.routes[key], taken),
        )
        for key, edge in between.items()
    ]
    # Failures last: they are drawn over the rest.
    drawn_edges.sort(key=lambda drawn: drawn.edge.failed)
    return Picture(layout.width + 2 * MARGIN, layout.height + 2 * MARGIN, drawn_nodes, drawn_edges, WIDTH, HEIGHT)


def _label(lines: Sequence[str], route: Route, taken: list[Box]) -> list[Line]:
    """Around the edge's line, where no other label is; clear of it where another edge runs beside it."""
    above, below = {0: (-9.0, 10.0), -1: (-22.0, -8.0), 1: (9.0, 23.0)}[route.side]
    # A single line stands next to its edge: that is the lower place only above a neighbour.
    tops = (above, below) if len(lines) > 1 else (below if route.side < 0 else above,)
    widths = [text_width(line, LABEL_CHAR) + 8 for line in lines]
    half = max(widths, default=0.0) / 2
    boxes = [
        (x + MARGIN - half, y + MARGIN + tops[0] - LINE / 2, x + MARGIN + half, y + MARGIN + tops[-1] + LINE / 2)
        for x, y in route.labels
    ]
    best = next((i for i, box in enumerate(boxes) if not any(_meet(box, other) for other in taken)), 0)
    taken.append(boxes[best])
    x, y = route.labels[best]
    return [
        Line(line, x + MARGIN, y + MARGIN + top, width)
        for line, top, width in zip(lines, tops, widths, strict=False)
        if line
    ]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def text_width(text: str, char: float) -> float:
    """About how wide the text is, where a small letter is `char` wide on average."""
    return sum(char * _share(letter) for letter in text)


@lru_cache(1024)
def _share(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.8
    if letter in NARROW:
        return 0.62
    if letter in WIDE:
        return 1.5
    return 1.2 if letter.isupper() else 1.0


def fit(text: str, width: float, char: float, *, end: bool = False) -> str:
    """The text, its middle left out where it is too long, as names mostly differ at their ends; or its `end`."""
    text = " ".join(text[:2000].split())
    if text_width(text, char) <= width:
        return text
    room = min(len(text), max(int(width / char / 0.62), 2))
    while room > 2 and text_width(_shortened(text, room, end=end), char) > width:
        room -= 1
    return _shortened(text, room, end=end)


def _shortened(text: str, room: int, *, end: bool) -> str:
    tail = 0 if end else room * 2 // 5
    return f"{text[: room - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"


def _path(points: list[tuple[float, float]]) -> str:
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (x1 + x2) / 2
        parts.append(f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    return "".join(parts)
