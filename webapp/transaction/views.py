"""The transaction page: why it failed, what it touched, when, and what it said."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import quote

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for

from collector.store.queries.cost_marks import CostMarks
from collector.store.queries.transaction import TransactionDetail, find_transaction, get_transaction
from webapp.arguments import read_text
from webapp.store import connect
from webapp.transaction.cause import count_failed, find_causes
from webapp.transaction.panel import MOST_ATTRIBUTES, build_panel, whole_payload
from webapp.transaction.picture import draw_transaction
from webapp.transaction.timeline import ROWS, build_timeline
from webapp.transaction.tree import build_tree

blueprint = Blueprint("transaction", __name__, template_folder="templates")

LOG_LINES = 1000


@blueprint.get("/transactions/<trace_id:transaction_id>")
def show(transaction_id: bytes) -> str:
    """:raise 404: no such transaction."""
    detail = _read(transaction_id)
    tree = build_tree(detail)
    span_url = _span_urls(transaction_id)
    everything = request.args.get("rows") == "all"
    panel = build_panel(tree, read_text("span"))
    timeline = build_timeline(tree, limit=None if everything else ROWS)
    words = read_text("logs")
    lines = [line for line in detail.logs if words.lower() in f"{line.function.name} {line.message}".lower()]
    return render_template(
        "transaction/show.html",
        detail=detail,
        span_url=span_url,
        causes=find_causes(tree),
        running=[span for span in detail.spans if span.kind == "invocation" and tree.open_end(span) == "running"],
        told=[(span, issue) for span in detail.spans for issue in span.reported],
        partial=[row for row in timeline.rows if row.partial],
        marks=_marks(detail),
        failed_invocations=max(detail.failed_invocations, count_failed(tree)),
        handled=[span for span in detail.spans if span.kind == "call" and span.failed],
        picture=draw_transaction(tree, span_url),
        timeline=timeline,
        panel=panel,
        most_attributes=MOST_ATTRIBUTES,
        selected=panel.span.key if panel else "",
        lines=lines if everything else lines[:LOG_LINES],
        lines_total=len(lines),
        logs_search=words,
        logs_total=len(detail.logs),
    )


@blueprint.get("/traces/<trace_id:trace_id>")
def trace(trace_id: bytes) -> Response:
    """The transaction that a trace belongs to: where a function's own link to its trace leads.

    What was just sent takes a moment: until then the answer is 404 with a page that looks again by itself.
    """
    with connect() as connection:
        transaction_id = find_transaction(connection, trace_id)
    if transaction_id is not None:
        return cast("Response", redirect(url_for("transaction.show", transaction_id=transaction_id)))
    return make_response(render_template("transaction/awaited.html", trace_id=trace_id, code=404), 404)


@blueprint.get("/transactions/<trace_id:transaction_id>/spans/<key>")
def span(transaction_id: bytes, key: str) -> str:
    """The panel alone, for the script that opens it in place.

    :raise 404: no such transaction, or no such span in it.
    """
    detail = _read(transaction_id)
    panel = build_panel(build_tree(detail), key)
    if panel is None:
        abort(404, "This transaction has no such span.")
    return render_template("transaction/panel.html", detail=detail, panel=panel, most_attributes=MOST_ATTRIBUTES)


@blueprint.get("/transactions/<trace_id:transaction_id>/spans/<key>/<any(request, response):part>")
def payload(transaction_id: bytes, key: str, part: str) -> Response:
    """A payload whole and as it was received, as a file: nothing of it is ever run or laid out by a browser.

    :raise 404: no such transaction, no such span in it, or no such payload.
    """
    span = build_tree(_read(transaction_id)).spans.get(key)
    text = whole_payload(span, part) if span is not None else None
    if text is None:
        abort(404, "This transaction has no such payload.")
    response = Response(text.encode("utf-8", "replace"), mimetype="text/plain")
    response.headers.set("Content-Disposition", "attachment", filename=f"{key}-{part}.txt")
    return response


def _read(transaction_id: bytes) -> TransactionDetail:
    with connect() as connection:
        detail = get_transaction(connection, transaction_id)
    if detail is None:
        abort(
            404,
            f"No transaction {transaction_id.hex()}. What was just received takes a moment to appear; "
            "what is old enough may have been deleted.",
        )
    return detail


def _marks(detail: TransactionDetail) -> CostMarks:
    return CostMarks(
        estimated=any(one.reported_ns is None and one.cost_pd is not None for one in detail.invocations),
        unpriced=any(one.cost_pd is None or one.unpriced_calls for one in detail.invocations),
        with_calls=bool(detail.calls_cost_pd),
    )


def _span_urls(transaction_id: bytes) -> Callable[[str], str]:
    """The address that opens a span's panel. Flask puts together one, not one per row: 10,000 take it 300 ms."""
    before, _, after = url_for(
        "transaction.show", transaction_id=transaction_id, span="KEY", _anchor="details"
    ).rpartition("KEY")
    return lambda key: f"{before}{quote(key)}{after}"
