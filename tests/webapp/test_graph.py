"""The layered layout: deterministic, without overlap, edges from left to right where there is a left and a right."""

from __future__ import annotations

from itertools import combinations, pairwise

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.graph.drawing import draw, fit, text_width
from webapp.graph.layers import Graph, assign_layers, break_cycles
from webapp.graph.layout import HEIGHT, WIDTH, Layout, lay_out
from webapp.graph.ordering import crossings, order_layers, with_bends
from webapp.graph.picture import Edge, Node

NAMES = [f"n{index}" for index in range(14)]


@st.composite
def graphs(sample: st.DrawFn) -> Graph:
    count = sample(st.integers(1, len(NAMES)))
    graph: Graph = nx.DiGraph()
    graph.add_nodes_from(NAMES[:count])
    ends = st.tuples(st.sampled_from(NAMES[:count]), st.sampled_from(NAMES[:count]))
    for (source, target), rank in sample(st.lists(st.tuples(ends, st.integers(0, 1)), max_size=30)):
        graph.add_edge(source, target, rank=rank)
    return graph


def overlaps(layout: Layout) -> list[tuple[str, str]]:
    return [
        (one, other)
        for (one, (x1, y1)), (other, (x2, y2)) in combinations(layout.nodes.items(), 2)
        if abs(x1 - x2) < WIDTH and abs(y1 - y2) < HEIGHT
    ]


@given(graphs())
@settings(deadline=None)
def test_no_two_nodes_overlap(graph: Graph) -> None:
    """Cycles, loops, unconnected parts: every node has its place."""
    layout = lay_out(graph, {})

    assert set(graph) == set(layout.nodes)
    assert [] == overlaps(layout)


@given(graphs())
@settings(deadline=None)
def test_the_same_graph_looks_the_same(graph: Graph) -> None:
    """A page that refreshes does not jump."""
    assert lay_out(graph, {}) == lay_out(graph.copy(), {})


@given(graphs())
@settings(deadline=None)
def test_edges_lead_to_later_layers(graph: Graph) -> None:
    """All but those turned round to break a cycle, and loops."""
    forward, turned = break_cycles(graph)
    layer = assign_layers(forward)

    assert nx.is_directed_acyclic_graph(forward)
    for source, target in graph.edges:
        if source != target:
            assert (layer[source] > layer[target]) == ((source, target) in turned)


@given(graphs())
@settings(deadline=None)
def test_everything_is_within_the_picture(graph: Graph) -> None:
    """Nothing is cut off at an edge of the drawing."""
    layout = lay_out(graph, {})

    for x, y in layout.nodes.values():
        assert -0.01 <= x <= layout.width - WIDTH + 0.01
        assert -0.01 <= y <= layout.height - HEIGHT + 0.01


@given(graphs())
@settings(deadline=None)
def test_ordering_never_adds_crossings(graph: Graph) -> None:
    """The sweeps keep the best they found."""
    forward, _ = break_cycles(graph)
    columns, following, _ = with_bends(forward, assign_layers(forward))

    assert crossings(order_layers(columns, following), following) <= crossings(columns, following)


def test_a_tangle_that_can_be_undone_is_undone() -> None:
    """Two crossing edges are put side by side."""
    graph: Graph = nx.DiGraph([("a", "y"), ("b", "x"), ("a", "z"), ("b", "w")])
    columns, following, _ = with_bends(graph, {"a": 0, "b": 0, "w": 1, "x": 1, "y": 1, "z": 1})

    assert crossings([["a", "b"], ["w", "x", "y", "z"]], following) == 4
    assert crossings(order_layers(columns, following), following) == 0


def test_what_sets_off_a_function_stands_left_of_it() -> None:
    """A bucket that triggers a function and is read by it: the trigger decides."""
    graph: Graph = nx.DiGraph()
    graph.add_edge("function", "bucket", rank=1)
    graph.add_edge("bucket", "function", rank=0)
    layout = lay_out(graph, {})

    assert layout.nodes["bucket"][0] < layout.nodes["function"][0]
    assert {-1, 1} == {route.side for route in layout.routes.values()}


def test_a_pipeline_is_a_straight_line() -> None:
    """The commonest graph is the calmest."""
    layout = lay_out(nx.DiGraph(pairwise("abcdef")), {})

    assert 1 == len({y for _, y in layout.nodes.values()})
    assert sorted(layout.nodes, key=lambda node: layout.nodes[node][0]) == list("abcdef")


def test_labels_get_the_room_they_need() -> None:
    """A long label moves the columns apart."""
    graph: Graph = nx.DiGraph([("a", "b")])

    assert lay_out(graph, {("a", "b"): 300.0}).width >= 2 * WIDTH + 300


def test_one_node_and_two_hundred_are_laid_out() -> None:
    """From the first function to a whole company's map."""
    assert (WIDTH, HEIGHT) == (lay_out(nx.DiGraph([("a", "a")]), {}).width, HEIGHT)
    graph: Graph = nx.DiGraph()
    graph.add_nodes_from(f"n{index:03d}" for index in range(200))
    graph.add_edges_from(
        (f"n{index:03d}", f"n{(index * 7 + step) % 200:03d}") for index in range(200) for step in (1, 5)
    )
    layout = lay_out(graph, {})

    assert [] == overlaps(layout)
    assert 200 == len(layout.nodes)


def test_long_names_keep_their_start_and_end() -> None:
    """Functions of one service differ at the end of their names."""
    shown = fit("audio-to-text-production-start-transcription", 140, 7)

    assert shown.startswith("audio")
    assert shown.endswith("tion")
    assert text_width(shown, 7) <= 140


def test_wide_letters_count_double() -> None:
    """Names in Chinese or Japanese stay within their boxes."""
    assert text_width(fit("音声をテキストに変換する関数の名前", 140, 7), 7) <= 140


def test_failing_edges_are_drawn_over_the_others() -> None:
    """Red is not hidden beneath grey."""
    nodes = [Node(key, key, "", "function", "compute", "/") for key in "abc"]
    edges = [Edge("a", "b", ("1",), "", failed=True), Edge("a", "c", ("2", "3"), "")]

    assert [False, True] == [drawn.edge.failed for drawn in draw(nodes, edges).edges]


def test_labels_do_not_cover_each_other_where_there_is_room() -> None:
    """A fan of edges from one node has its labels side by side."""
    nodes = [Node(key, key, "", "function", "compute", "/") for key in "abcdefgh"]
    edges = [Edge("a", key, ("1 234", "p95 40 ms"), "") for key in "bcdefgh"]
    boxes = [
        (line.x - line.width / 2, line.y - 6, line.x + line.width / 2, line.y + 6)
        for drawn in draw(nodes, edges).edges
        for line in drawn.label
    ]

    assert 14 == len(boxes)
    for one, other in combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
