"""The Transactions page: what outside triggers set in motion."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request

from collector.store.queries.functions import list_functions
from collector.store.queries.issues import list_issues
from collector.store.queries.system_map import get_system_map
from collector.store.queries.transactions import Outcome, list_transactions, summarize_transactions
from webapp import charts
from webapp.arguments import read_cursor, read_id, read_text
from webapp.store import connect

blueprint = Blueprint("transactions", __name__, template_folder="templates")


@blueprint.get("/transactions")
def index() -> str:
    function_id, resource_id, issue_id = read_id("function"), read_id("resource"), read_id("issue")
    search, outcome = read_text("q"), _read_outcome()
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
            cursor=read_cursor(),
        )
        summary = summarize_transactions(
            connection,
            window,
            function_id=function_id,
            resource_id=resource_id,
            issue_id=issue_id,
            outcome=outcome,
            search=search,
        )
        functions = [row.function for row in list_functions(connection, window, sort="name", descending=False)]
        # Named only to say what a filter that came with a link means.
        resource = issue = None
        if resource_id is not None:
            known = get_system_map(connection, window).resources
            resource = next((node.resource for node in known if node.resource.id == resource_id), None)
        if issue_id is not None:
            issue = next((row for row in list_issues(connection, window) if row.id == issue_id), None)
    return render_template(
        "transactions/index.html",
        page=page,
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
        filtered=bool(
            function_id is not None
            or resource_id is not None
            or issue_id is not None
            or search
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
