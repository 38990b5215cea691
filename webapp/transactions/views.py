"""The Transactions page: what outside triggers set in motion."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request

from collector.store.queries.cost_marks import marks_of_transactions
from collector.store.queries.lookups import function_by_id, function_names, issue_by_id, resource_by_id
from collector.store.queries.transactions import Outcome, list_transactions, summarize_transactions
from webapp import charts
from webapp.arguments import read_cursor, read_id, read_tag, read_text
from webapp.store import connect
from webapp.tag_costs import read_tag_costs

blueprint = Blueprint("transactions", __name__, template_folder="templates")


@blueprint.get("/transactions")
def index() -> str:
    function_id, resource_id, issue_id = read_id("function"), read_id("resource"), read_id("issue")
    search, outcome, tag = read_text("q"), _read_outcome(), read_tag()
    window = g.period.window
    with connect() as connection:
        page = list_transactions(
            connection,
            window,
            function_id=function_id,
            resource_id=resource_id,
            issue_id=issue_id,
            outcome=outcome,
            search=search,
            tag=tag,
            cursor=read_cursor(),
        )
        marks = marks_of_transactions(connection, [row.id for row in page.rows])
        summary = summarize_transactions(
            connection,
            window,
            function_id=function_id,
            resource_id=resource_id,
            issue_id=issue_id,
            outcome=outcome,
            search=search,
            tag=tag,
        )
        functions = function_names(connection)
        if function_id is not None and all(function.id != function_id for function in functions):
            functions.extend(filter(None, [function_by_id(connection, function_id)]))
        # Named only to say what a filter that came with a link means.
        resource = resource_by_id(connection, resource_id) if resource_id is not None else None
        issue = issue_by_id(connection, issue_id) if issue_id is not None else None
    return render_template(
        "transactions/index.html",
        page=page,
        marks=marks,
        summary=summary,
        functions=functions,
        function_id=function_id,
        resource_id=resource_id,
        resource=resource,
        issue_id=issue_id,
        issue=issue,
        outcome=outcome,
        outcomes=Outcome,
        search=search,
        tag=tag,
        tag_costs=read_tag_costs(tag),
        filtered=bool(
            function_id is not None
            or resource_id is not None
            or issue_id is not None
            or search
            or tag
            or outcome != Outcome.ANY
        ),
        figure=charts.stacked_bars(
            summary.started,
            summary.with_issues_trend,
            summary.bucket_s,
            g.now_ms,
            noun="transactions",
            part_noun="with issues",
        ),
    )


def _read_outcome() -> Outcome:
    try:
        return Outcome(request.args.get("outcome", ""))
    except ValueError:
        return Outcome.ANY
