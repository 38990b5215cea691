"""The System map as a graph: what calls what, what sets off what."""

from __future__ import annotations

from collections.abc import Callable

from collector.store.queries.system_map import MapEdge, MapFunction, MapResource, SystemMap
from webapp.formatting.money import AT_LEAST, GUESS, dollars, mark_of, whole_pd
from webapp.formatting.numbers import count, milliseconds, share
from webapp.formatting.words import function_icon, resource_name, service_icon, service_name
from webapp.graph.picture import Edge, Node, Picture
from webapp.graph.tones import tone

MOST_NODES = 250  # drawn; the busiest. The table below has all


def draw_map(
    system: SystemMap,
    function_url: Callable[[int], str],
    resource_url: Callable[[int], str],
    *,
    search: str = "",
    errors_only: bool = False,
) -> tuple[Picture, int]:
    """The picture, and how many nodes it leaves out. What `search` does not match or touch is drawn faint."""
    names = node_names(system)
    edges = [edge for edge in system.edges if edge.errors or not errors_only]
    touched = {end for edge in edges for end in (edge.source, edge.target)}
    traffic = dict.fromkeys(names, 0)
    for edge in edges:
        for end in (edge.source, edge.target):
            traffic[end] = traffic.get(end, 0) + edge.calls
    wanted = [key for key in names if not errors_only or key in touched]
    kept = set(sorted(wanted, key=lambda key: (-traffic[key], key))[:MOST_NODES])
    matches = {key for key, name in names.items() if search.lower() in name.lower()}
    near = matches | {
        other
        for edge in edges
        for one, other in ((edge.source, edge.target), (edge.target, edge.source))
        if one in matches
    }
    nodes: list[Node] = []
    for function in system.functions:
        key = f"function:{function.function.id}"
        if key in kept:
            nodes.append(_function(function, key, function_url, dim=key not in near))
    for resource in system.resources:
        key = f"resource:{resource.resource.id}"
        if key in kept:
            nodes.append(_resource(resource, key, resource_url, dim=key not in near))
    nodes.sort(key=lambda node: (node.title, node.key))
    drawn = [
        _edge(edge, names, dim=edge.source not in matches and edge.target not in matches)
        for edge in sorted(edges, key=lambda edge: (edge.source, edge.target))
        if edge.source in kept and edge.target in kept
    ]
    from webapp.graph.drawing import draw  # noqa: PLC0415  # networkx: 140 ms and 24 MB, with the first picture

    return draw(nodes, drawn), len(wanted) - len(kept)


def node_names(system: SystemMap) -> dict[str, str]:
    """The name of every node, by the key that edges use."""
    functions = {f"function:{node.function.id}": node.function.name for node in system.functions}
    resources = {f"resource:{node.resource.id}": resource_name(node.resource) for node in system.resources}
    return functions | resources


def verb(edge: MapEdge) -> str:
    """What the source does to the target."""
    if not edge.trigger:
        return "calls"
    return "sets off" if edge.target.startswith("function:") else "writes to"


def _function(node: MapFunction, key: str, url: Callable[[int], str], *, dim: bool) -> Node:
    icon = function_icon(node.function)
    subtitle = f"{count(node.invocations)} inv."
    if node.errors:
        subtitle += f" · {share(node.errors, node.invocations)} err"
    elif node.p95_ms is not None:
        subtitle += f" · p95 {milliseconds(node.p95_ms)}"
    totals = f"{count(node.invocations)} invocations, {count(node.errors)} failed"
    name = f"{node.function.name} ({node.function.region}): {totals}"
    cost_pd = whole_pd(node)
    if cost_pd:
        name += f", {mark_of(node)}{dollars(cost_pd)} with its calls"
    return Node(
        key,
        node.function.name,
        subtitle,
        icon,
        tone(icon),
        url(node.function.id),
        bool(node.errors),
        dim=dim,
        name=name,
    )


def _resource(node: MapResource, key: str, url: Callable[[int], str], *, dim: bool) -> Node:
    icon = service_icon(node.resource.service)
    service, name = service_name(node.resource.service), resource_name(node.resource)
    subtitle = node.resource.region if name == service else service
    title = f"{service} {name}: {count(node.calls)} calls, {count(node.errors)} failed"
    return Node(key, name, subtitle, icon, tone(icon), url(node.resource.id), bool(node.errors), dim=dim, name=title)


def _edge(edge: MapEdge, names: dict[str, str], *, dim: bool) -> Edge:
    label = [count(edge.calls)]
    if edge.errors:
        label[0] += f" · {share(edge.errors, edge.calls)} err"
    if edge.p95_ms is not None:
        label.append(f"p95 {milliseconds(edge.p95_ms)}")
    title = f"{names.get(edge.source, '')} {verb(edge)} {names.get(edge.target, '')}: {count(edge.calls)} times"
    title += f", {count(edge.errors)} failed" if edge.errors else ""
    if edge.average_ms is not None:
        title += f", {milliseconds(edge.average_ms)} on average, p95 {milliseconds(edge.p95_ms)}"
    if edge.cost_pd:
        title += f", {AT_LEAST if edge.unpriced else GUESS}{dollars(edge.cost_pd)}"
    return Edge(
        edge.source,
        edge.target,
        tuple(label),
        title,
        rank=0 if edge.trigger else 1,
        failed=bool(edge.errors),
        dashed=edge.trigger,
        dim=dim,
    )
