"""The transaction's graph: functions and resources once each, however often they were called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from collector.domain.facts import FAILED
from collector.store.queries.common import FunctionRef, ResourceRef
from collector.store.queries.transaction import SpanDetail
from webapp.formatting.numbers import count, nanoseconds
from webapp.formatting.words import (
    function_icon,
    resource_name,
    service_icon,
    service_name,
    trigger_name,
)
from webapp.graph.picture import Edge, Node, Picture
from webapp.graph.tones import tone
from webapp.transaction.tree import Tree

TIMES = "\N{MULTIPLICATION SIGN}"
# What a person can take in, and what is laid out in 100 ms or so.
MOST_RESOURCES = 80  # beyond that, resources of one service are one node
MOST_SERVICES = 40  # with a node of their own then
MOST_FUNCTIONS = 80  # with a node of their own; those that failed first


TOLD = 8  # operations, in an edge's tooltip
MORE = "f"  # the node of all other functions


@dataclass(slots=True)
class _Place:
    """A node in the making: the spans that belong to it."""

    icon: str
    title: str
    subtitle: str
    spans: list[SpanDetail] = field(default_factory=list)


@dataclass(slots=True)
class _Way:
    """An edge in the making. `waits_ns`: from call to what it set off."""

    rank: int
    calls: list[SpanDetail] = field(default_factory=list)
    waits_ns: list[int] = field(default_factory=list)


class _Sketch:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.places: dict[str, _Place] = {}
        self.ways: dict[tuple[str, str], _Way] = {}
        resources = {span.resource.id for span in tree.spans.values() if span.resource is not None}
        self.merge = len(resources) > MOST_RESOURCES
        self.services: set[str] = set()
        self.functions, self.functions_left = _most_telling(tree)
        for span, _ in tree.order:
            if span.kind == "invocation":
                self.add_invocation(span)
            elif span.kind == "call":
                self.add_call(span)

    def function(self, function: FunctionRef) -> str:
        if function.id not in self.functions:
            self.places.setdefault(MORE, _Place("function", f"{count(self.functions_left)} more functions", "several"))
            return MORE
        key = f"f{function.id}"
        self.places.setdefault(key, _Place(function_icon(function), function.name, function.region))
        return key

    def resource(self, resource: ResourceRef) -> str:
        service = service_name(resource.service)
        if self.merge:
            if len(self.services) < MOST_SERVICES:
                self.services.add(resource.service)
            if resource.service not in self.services:
                self.places.setdefault("s", _Place("dot", "Other services", "several"))
                return "s"
            key = f"s{resource.service}"
            self.places.setdefault(key, _Place(service_icon(resource.service), service, "several"))
            return key
        key = f"r{resource.id}"
        name = resource_name(resource)
        subtitle = resource.region if name == service else service
        self.places.setdefault(key, _Place(service_icon(resource.service), name, subtitle))
        return key

    def way(self, source: str, target: str, rank: int) -> _Way:
        found = self.ways.setdefault((source, target), _Way(rank))
        found.rank = min(found.rank, rank)
        return found

    def add_call(self, call: SpanDetail) -> None:
        if call.resource is None:
            return
        if call.resource.service == "lambda" and any(
            child.kind == "invocation" for child in self.tree.children.get(call.key, ())
        ):
            return  # the invocation it led to draws the edge
        target = self.resource(call.resource)
        self.places[target].spans.append(call)
        self.way(self.function(call.function), target, 1).calls.append(call)

    def add_invocation(self, span: SpanDetail) -> None:
        # A batch was set off by several calls; else it is the parent.
        causes = [cause for cause in span.causes if cause in self.tree.spans]
        if not causes and span.parent is not None and span.parent in self.tree.spans:
            causes = [span.parent]
        if causes:
            self.places[self.function(span.function)].spans.append(span)
            for cause in causes:
                self.add_hop(self.tree.spans[cause], span)
            return
        if span.resource is not None:
            source = self.resource(span.resource)
        else:
            trigger = self.tree.invocations[span.key].trigger if span.key in self.tree.invocations else ""
            if trigger == "direct" and span.function.kind == "service":
                self.places[self.function(span.function)].spans.append(span)  # started by itself: by nothing to draw
                return
            if not trigger and span.key in self.tree.invocations:
                self.places[self.function(span.function)].spans.append(span)  # it failed before anything set it off
                return
            source = f"t{trigger}"
            self.places.setdefault(source, _Place(service_icon(trigger), trigger_name(trigger), "trigger"))
        target = self.function(span.function)
        self.places[target].spans.append(span)
        self.way(source, target, 0)

    def add_hop(self, parent: SpanDetail, span: SpanDetail) -> None:
        """Call, the resource it reached, the resource that set the function off (often the same), the function."""
        caller = self.function(parent.function)
        target = self.function(span.function)
        wait = max(span.started_ns - parent.started_ns - parent.duration_ns, 0)
        if parent.kind != "call" or parent.resource is None:
            self.way(caller, target, 0)
            return
        if parent.resource.service == "lambda":
            self.way(caller, target, 0).calls.append(parent)
            return
        source = self.resource(parent.resource)
        if span.resource is not None and span.resource.id != parent.resource.id:
            between = self.resource(span.resource)
            if between != source:
                self.way(source, between, 0)
            source = between
        self.way(source, target, 0).waits_ns.append(wait)


def _most_telling(tree: Tree) -> tuple[set[int], int]:
    """The functions that get a node of their own, and how many others there are."""
    failed: dict[int, bool] = {}
    for span, _ in tree.order:
        failing = span.kind == "invocation" and _failed(tree, span)
        failed[span.function.id] = failing or failed.get(span.function.id, False)
    ranked = sorted(failed, key=lambda function_id: not failed[function_id])  # stable: else by their place in the tree
    return set(ranked[:MOST_FUNCTIONS]), len(ranked[MOST_FUNCTIONS:])


def draw_transaction(tree: Tree, span_url: Callable[[str], str]) -> Picture:
    """`span_url` gives the address that opens a span's details."""
    sketch = _Sketch(tree)
    nodes = [_node(tree, sketch, key, span_url) for key in sketch.places]
    edges = [_edge(sketch, ends) for ends in sketch.ways]
    from webapp.graph.drawing import draw  # noqa: PLC0415  # networkx: 140 ms and 24 MB, with the first picture

    return draw(nodes, edges)


def _node(tree: Tree, sketch: _Sketch, key: str, span_url: Callable[[str], str]) -> Node:
    place = sketch.places[key]
    spans = place.spans
    shown = _worst(spans) if spans else _set_off_by(sketch, key)
    failed = any(_failed(tree, span) for span in spans)
    number = len(spans)
    subtitle = place.subtitle
    if spans and spans[0].kind == "invocation":
        attempts = max(tree.attempt(span)[1] for span in spans)
        if attempts > 1:
            subtitle = f"{attempts} attempts"
        elif number > 1:
            subtitle = f"{count(number)} invocations"
        else:
            took = nanoseconds(spans[0].duration_ns, tree.lasted(spans[0]))
            subtitle = took + (" · cold" if _cold(tree, spans[0]) else "")
            if tree.open_end(spans[0]) == "running":
                subtitle = f"running, {took}"
    elif number > 1:
        subtitle = f"{place.subtitle} · {count(number)} calls"
    return Node(
        key,
        place.title,
        subtitle,
        place.icon,
        tone(place.icon),
        span_url(shown.key) if shown else "#timeline",
        failed=failed,
        count=number,
        span=shown.key if shown else None,
        name=f"{place.title} ({place.subtitle})",
    )


def _edge(sketch: _Sketch, ends: tuple[str, str]) -> Edge:
    way = sketch.ways[ends]
    source, target = sketch.places[ends[0]].title, sketch.places[ends[1]].title
    if way.calls:
        failed = sum(call.failed and call.finished for call in way.calls)
        open_ends = Counter(sketch.tree.open_end(call) for call in way.calls)
        hanging = open_ends["hanging"]
        operations = sorted({call.name.rpartition(".")[2] for call in way.calls})
        label = operations[0] if len(operations) == 1 else f"{len(way.calls)} calls"
        if len(operations) == 1 and len(way.calls) > 1:
            label += f" {TIMES}{len(way.calls)}"
        if hanging:
            outcome = "hangs"
        elif failed:
            outcome = "failed" if failed == len(way.calls) else f"{failed} failed"
        elif open_ends["running"]:
            outcome = "running"
        elif open_ends["unseen"]:
            outcome = "end not seen"
        else:
            outcome = nanoseconds(sum(call.duration_ns for call in way.calls))
        title = f"{source} calls {target}: {', '.join(operations[:TOLD])}{', …' if len(operations) > TOLD else ''}"
        return Edge(*ends, (label, outcome), title, way.rank, failed=bool(failed or hanging))
    wait = ("after", nanoseconds(min(way.waits_ns))) if way.waits_ns else ()
    verb = "sets off" if ends[1].startswith("f") else "writes to"
    return Edge(*ends, wait, f"{source} {verb} {target}", way.rank, dashed=True)


def _worst(spans: list[SpanDetail]) -> SpanDetail:
    return next((span for span in spans if span.failed), next((span for span in spans if not span.finished), spans[0]))


def _set_off_by(sketch: _Sketch, key: str) -> SpanDetail | None:
    """A resource that nobody called shows what it delivered: the event of the invocation it set off."""
    for (source, target), way in sketch.ways.items():
        if source == key and way.rank == 0 and sketch.places[target].spans:
            return sketch.places[target].spans[0]
    return None


def _failed(tree: Tree, span: SpanDetail) -> bool:
    invocation = tree.invocations.get(span.key)
    failed = invocation is not None and invocation.result in FAILED
    return span.failed or failed or tree.open_end(span) == "hanging"


def _cold(tree: Tree, span: SpanDetail) -> bool:
    invocation = tree.invocations.get(span.key)
    return invocation is not None and invocation.cold_start
