"""The function page: charts over time and the invocations behind them."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, g, render_template, request

from collector.domain.facts import Result
from collector.store.queries.cost_marks import NONE, CostMarks, marks_of_functions
from collector.store.queries.costs import CostPart
from collector.store.queries.function import FunctionDetail, get_function, list_invocations
from webapp import charts
from webapp.alerts.hints import alerts_about
from webapp.arguments import read_cursor, read_flag, read_id, read_tag, read_text
from webapp.formatting.money import Sums, dollars, mark_of
from webapp.formatting.numbers import count
from webapp.identifiers import format_id
from webapp.store import connect
from webapp.tag_costs import read_tag_costs

blueprint = Blueprint("function", __name__, template_folder="templates")

RESULTS = {
    "ok": Result.OK,
    "error": Result.ERROR,
    "timeout": Result.TIMEOUT,
    "crashed": Result.CRASHED,
    "memory": Result.OUT_OF_MEMORY,
    "init": Result.INIT_FAILED,
    "handled": Result.HANDLED,
    "running": Result.RUNNING,
}


@blueprint.get("/functions/<id:function_id>")
def show(function_id: int) -> str:
    """:raise 404: no such function."""
    issue_id, search = read_id("issue"), read_text("q")
    result_key = request.args.get("result", "")
    cold_only, tag = read_flag("cold"), read_tag()
    with connect() as connection:
        detail = get_function(connection, function_id, g.period.window)
        if detail is None:
            abort(404, f"No function with the id {format_id(function_id)} has sent anything yet.")
        page = list_invocations(
            connection,
            function_id,
            g.period.window,
            issue_id=issue_id,
            result=RESULTS.get(result_key),
            cold_only=cold_only,
            search=search,
            tag=tag,
            cursor=read_cursor(),
        )
        alerts = alerts_about(connection, function_id=function_id)
        marks = marks_of_functions(connection, [function_id], g.period.window).get(function_id, NONE)
    bucket_s, now_ms = detail.bucket_s, g.now_ms
    cost = Sums(detail.cost_total_pd, detail.calls_cost_pd, detail.unpriced_calls, detail.unpriced)
    return render_template(
        "function/show.html",
        detail=detail,
        page=page,
        alerts=alerts,
        issue_id=issue_id,
        search=search,
        tag=tag,
        # Of what is listed: reports come for all of a function's invocations, or for none.
        unreported=detail.function.kind == "lambda" and bool(page.rows) and not any(row.reported for row in page.rows),
        result=result_key if result_key in RESULTS else "",
        cold_only=cold_only,
        cost=cost,
        marks=marks,
        costs=_parts(detail, marks),
        tag_costs=read_tag_costs(tag, function_id=function_id),
        filtered=bool(issue_id is not None or search or result_key in RESULTS or cold_only or tag),
        figures={
            "invocations": charts.stacked_bars(
                detail.invocations,
                detail.errors,
                bucket_s,
                now_ms,
                noun="invocations",
                part_noun="failed",
                others=detail.handled,
                other_noun="dealt with an error",
            ),
            "durations": charts.durations(detail.average, detail.p95, bucket_s, now_ms),
            "cold_starts": charts.bars(
                detail.cold_starts, bucket_s, now_ms, role="cold", words=_cold_starts, whole=True
            ),
            "cost": charts.bars(
                detail.cost,
                bucket_s,
                now_ms,
                role="cost",
                words=_costs(mark_of(cost, marks=marks)),
                axis=_short_dollars,
            ),
        },
    )


def _parts(detail: FunctionDetail, marks: CostMarks) -> list[CostPart]:
    estimated = True if marks.estimated else None
    own = CostPart(
        detail.function, "lambda", detail.invocations_total, detail.cost_total_pd, detail.unpriced, estimated=estimated
    )
    return [own, *detail.calls_by_service]


def _cold_starts(number: float) -> str:
    return f"{count(number)} cold {'start' if number == 1 else 'starts'}"


def _costs(mark: str) -> Callable[[float], str]:
    """What a bar says: with the mark of the whole, if it is something."""
    return lambda amount_pd: f"{mark if amount_pd else ''}{_dollars(amount_pd)}"


def _dollars(amount_pd: float) -> str:
    return dollars(round(amount_pd))


def _short_dollars(amount_pd: float) -> str:
    return _dollars(amount_pd).rstrip("0").rstrip(".")
