"""The Issues page: failures grouped by cause, and whatever else somebody may want to look at."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from collector.domain.facts import FAILURES, IssueKind
from collector.domain.issue_states import ACTIVE, Status
from collector.store import issue_states
from collector.store.queries.common import TimeRange
from collector.store.queries.cost_marks import NONE, marks_of_issues
from collector.store.queries.issue import get_issue
from collector.store.queries.issues import SORTS, IssueFilter, assignees, count_issues, issue_choices, list_issues
from webapp import charts, stacks
from webapp.access import visitor_name
from webapp.alerts.hints import alerts_about
from webapp.arguments import read_id, read_sorting, read_text
from webapp.formatting.numbers import count
from webapp.identifiers import format_id, parse_id
from webapp.store import begin, connect

blueprint = Blueprint("issues", __name__, template_folder="templates")

# By the address' argument: what the tab holds, in the order of the tabs. The first is what somebody should look at.
TABS: dict[str, tuple[str, frozenset[Status]]] = {
    "open": ("Open", ACTIVE),
    "regressed": ("Regressed", frozenset({Status.REGRESSED})),
    "resolved": ("Resolved", frozenset({Status.RESOLVED})),
    "muted": ("Muted", frozenset({Status.MUTED})),
    "all": ("All", frozenset(Status)),
}
MOST_AT_ONCE = 500  # issues that one form changes: a list has no more
HOUR_MS = 3_600_000
# By the form's value: how long an issue is muted; 0 for ever.
MUTES = {"1h": HOUR_MS, "8h": 8 * HOUR_MS, "1d": 24 * HOUR_MS, "1w": 168 * HOUR_MS, "ever": 0}
KINDS: dict[str, frozenset[IssueKind]] = {
    "failures": FAILURES,
    **{kind.name.lower().replace("_", "-"): frozenset({kind}) for kind in IssueKind},
}


@blueprint.get("/issues")
def index() -> str:
    sorting = read_sorting(SORTS, "attention")
    tab, kind = request.args.get("status", "open"), request.args.get("kind", "")
    if tab not in TABS:
        tab = "open"
    if kind not in KINDS:
        kind = ""
    wanted = IssueFilter(
        function_id=read_id("function"),
        type=read_text("type"),
        statuses=TABS[tab][1],
        kinds=KINDS.get(kind, frozenset()),
        assignee=read_text("assignee"),
        search=read_text("q"),
    )
    with connect() as connection:
        rows = list_issues(
            connection,
            g.period.window,
            wanted,
            sort=sorting.by,
            descending=sorting.descending,
            now_ms=g.now_ms,
        )
        marks = marks_of_issues(connection, [row.id for row in rows], g.period.window)
        counts = count_issues(connection, g.period.window, wanted, now_ms=g.now_ms)
        kinds, functions = issue_choices(connection, g.period.window)
        people = assignees(connection)
    return render_template(
        "issues/index.html",
        rows=rows,
        marks=marks,
        sorting=sorting,
        wanted=wanted,
        tab=tab,
        tabs=[(name, label, sum(counts[status] for status in statuses)) for name, (label, statuses) in TABS.items()],
        kind=kind,
        kinds=[(one.name.lower().replace("_", "-"), one, number) for one, number in kinds],
        functions=functions,
        people=people,
        filtered=bool(wanted.function_id is not None or wanted.type or kind or wanted.assignee or wanted.search),
    )


@blueprint.get("/issues/<id:issue_id>")
def show(issue_id: int) -> str:
    """:raise 404: no such issue."""
    with connect() as connection:
        issue = get_issue(connection, issue_id, g.period.window, now_ms=g.now_ms)
        if issue is None:
            abort(404, f"No issue with the id {format_id(issue_id)} has occurred yet.")
        people = assignees(connection)
        alerts = alerts_about(connection, issue_id=issue_id)
        marks = marks_of_issues(connection, [issue_id], TimeRange(0, g.now_ms)).get(issue_id, NONE)
    exception = issue.samples.exception
    return render_template(
        "issues/show.html",
        issue=issue,
        marks=marks,
        people=people,
        alerts=alerts,
        stack=stacks.blocks(stacks.ends(exception.stacktrace)) if exception is not None else [],
        trend=charts.bars(
            issue.trend,
            issue.bucket_s,
            g.now_ms,
            role="error" if issue.kind in FAILURES else "main",
            words=_occurrences,
            whole=True,
        ),
    )


@blueprint.post("/issues")
def change() -> Response:
    """Resolves, mutes, opens again or assigns the issues that are named, and goes back to where the form was.

    :raise 400: no such action, no such time, an id that is none.
    """
    form = request.form
    ids = [_id(text) for text in form.getlist("issue")[:MOST_AT_ONCE]]
    actor = visitor_name()
    with begin() as connection:
        match form.get("action"):
            case "resolve":
                issue_states.resolve(connection, ids, actor, now=_now_ns)
            case "reopen":
                issue_states.reopen(connection, ids, actor, now=_now_ns)
            case "mute":
                if (length_ms := MUTES.get(form.get("for", ""))) is None:
                    abort(400, "An issue is muted for an hour, eight hours, a day, a week or for ever.")
                until_ms = g.now_ms + length_ms if length_ms else None
                issue_states.mute(connection, ids, actor, until_ms=until_ms, now=_now_ns)
            case "assign":
                issue_states.assign(connection, ids, actor, assignee=form.get("assignee", ""), now=_now_ns)
            case _:
                abort(400, "An issue is resolved, muted, opened again or assigned.")
    back = form.get("back", "")
    # Only within these pages: what a form was made to say leads nowhere else.
    return redirect(back if back.startswith("/issues") else url_for("issues.index"), 303)


def _id(text: str) -> int:
    found = parse_id(text)
    if found is None:
        abort(400, "That is no issue's id.")
    return found


def _now_ns() -> int:
    now_ms: int = g.now_ms
    return now_ms * 1_000_000


def _occurrences(number: float) -> str:
    return f"{count(number)} {'occurrence' if number == 1 else 'occurrences'}"
