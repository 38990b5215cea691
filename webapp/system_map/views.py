"""The System map: functions, resources, and what flows between them."""

from __future__ import annotations

from flask import Blueprint, g, render_template, url_for

from collector.store.queries.system_map import MapEdge, SystemMap, get_system_map
from webapp.arguments import read_flag, read_text
from webapp.store import connect
from webapp.system_map.picture import draw_map, node_names, verb

blueprint = Blueprint("system_map", __name__, template_folder="templates")


@blueprint.get("/map")
def show() -> str:
    search, errors_only = read_text("q"), read_flag("failing")
    with connect() as connection:
        system = get_system_map(connection, g.period.window)
    picture, left_out = draw_map(
        system,
        lambda function_id: url_for("function.show", function_id=function_id),
        lambda resource_id: url_for("transactions.index", resource=f"{resource_id:016x}"),
        search=search,
        errors_only=errors_only,
    )
    return render_template(
        "system_map/show.html",
        system=system,
        picture=picture,
        left_out=left_out,
        names=node_names(system),
        verb=verb,
        edges=_table(system, search, errors_only=errors_only),
        functions={f"function:{node.function.id}": node for node in system.functions},
        resources={f"resource:{node.resource.id}": node for node in system.resources},
        search=search,
        errors_only=errors_only,
    )


def _table(system: SystemMap, search: str, *, errors_only: bool) -> list[MapEdge]:
    names = node_names(system)
    shown = [
        edge
        for edge in system.edges
        if (edge.errors or not errors_only)
        and search.lower() in f"{names.get(edge.source, '')}\n{names.get(edge.target, '')}".lower()
    ]
    return sorted(shown, key=lambda edge: (-edge.errors, -edge.calls, edge.source, edge.target))
