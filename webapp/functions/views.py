"""The Functions page, the dashboard's home."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, g, render_template

from collector.store.queries.cost_marks import marks_of_functions
from collector.store.queries.functions import SORTS, list_functions
from webapp.arguments import read_sorting, read_text
from webapp.formatting.money import Sums, together
from webapp.store import connect

blueprint = Blueprint("functions", __name__, template_folder="templates")


@blueprint.get("/")
def index() -> str:
    sorting = read_sorting(SORTS, "errors")
    search = read_text("q")
    with connect() as connection:
        rows = list_functions(
            connection, g.period.window, search=search, sort=sorting.by, descending=sorting.descending
        )
        marks = marks_of_functions(connection, [row.function.id for row in rows if row.invocations], g.period.window)
    invocations = sum(row.invocations for row in rows)
    return render_template(
        "functions/index.html",
        rows=rows,
        sorting=sorting,
        search=search,
        invocations=invocations,
        errors=sum(row.errors for row in rows),
        cold_starts=sum(row.cold_starts for row in rows),
        cost=Sums(
            _known_sum(row.cost_pd for row in rows),
            sum(row.calls_cost_pd for row in rows),
            sum(row.unpriced_calls for row in rows),
            sum(row.unpriced for row in rows),
        ),
        marks=marks,
        whole_marks=together(marks.values()),
    )


def _known_sum(amounts_pd: Iterable[int | None]) -> int | None:
    """None where none of them is known: that is not the same as nothing."""
    known = [amount for amount in amounts_pd if amount is not None]
    return sum(known) if known else None
