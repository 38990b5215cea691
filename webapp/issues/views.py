"""The Issues page: failures grouped by cause."""

from __future__ import annotations

from flask import Blueprint, g, render_template

from collector.store.queries.issues import SORTS, issue_types, list_issues
from webapp.arguments import read_id, read_sorting, read_text
from webapp.store import connect

blueprint = Blueprint("issues", __name__, template_folder="templates")


@blueprint.get("/issues")
def index() -> str:
    sorting = read_sorting(SORTS, "occurrences")
    function_id, type, search = read_id("function"), read_text("type"), read_text("q")
    with connect() as connection:
        # All of the window's issues: their functions are the filter's choices, and telling apart "nothing failed" from
        # "nothing matches" needs them too.
        everything = list_issues(connection, g.period.window, sort=sorting.by, descending=sorting.descending)
        filtered = bool(function_id is not None or type or search)
        rows = everything
        if filtered:
            rows = list_issues(
                connection,
                g.period.window,
                function_id=function_id,
                type=type,
                search=search,
                sort=sorting.by,
                descending=sorting.descending,
            )
        types = issue_types(connection, g.period.window)
    functions = {row.function.id: row.function for row in everything}
    return render_template(
        "issues/index.html",
        rows=rows,
        sorting=sorting,
        types=types,
        functions=sorted(functions.values(), key=lambda function: (function.name, function.region)),
        function_id=function_id,
        type=type,
        search=search,
        filtered=filtered,
    )
