"""The page of mute windows: when nobody is to be told."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from collector.alerts import actions
from collector.alerts.pages import MuteRow, RuleFault, describe, list_mutes, read_mute, read_rules
from webapp.rules.faults import FormFault, form_fault
from webapp.rules.form import WEEKDAYS, id_of, mute_form, mute_values, new_mute_form, sent_mute_form
from webapp.rules.words import DAYS, describe_time
from webapp.store import begin, connect

blueprint = Blueprint("mutes", __name__, template_folder="templates")


@blueprint.get("/alerts/mutes")
def index() -> str:
    """The list, and the form of a new window or of the one that the address names."""
    with connect() as connection:
        rows = list_mutes(connection, now_ms=g.now_ms)
    chosen = next((row for row in rows if row.mute.id == request.args.get("mute")), None)
    form = mute_form(chosen.mute, g.now_ms) if chosen is not None else new_mute_form(g.now_ms)
    return _page(rows, form, chosen)


@blueprint.post("/alerts/mutes")
def save() -> Response | tuple[str, int]:
    """Makes a window, or changes the one that the form names."""
    form, id = sent_mute_form(request.form), request.form.get("id", "")
    with connect() as connection:
        rows = list_mutes(connection, now_ms=g.now_ms)
    chosen = next((row for row in rows if row.mute.id == id), None)
    if id and chosen is None:
        abort(404, "There is no such mute window. It may have been removed.")
    known = {row.mute.id for row in rows}
    if not form["name"]:
        return _page(rows, form, chosen, FormFault("name", "a mute window needs a name")), 400
    try:
        mute = read_mute(id or id_of(form["name"], known.__contains__, "mute"), mute_values(form))
    except RuleFault as fault:
        return _page(rows, form, chosen, form_fault(fault)), 400
    with begin() as connection:
        actions.change_mute(connection, mute, now_ms=g.now_ms)
    return redirect(url_for("mutes.index"), 303)


@blueprint.post("/alerts/mutes/<mute_id>/delete")
def delete(mute_id: str) -> Response:
    """What it covered is told from the next round on."""
    with begin() as connection:
        actions.remove_mutes(connection, [mute_id])
    return redirect(url_for("mutes.index"), 303)


def _page(rows: list[MuteRow], form: dict[str, Any], chosen: MuteRow | None, fault: FormFault | None = None) -> str:
    with connect() as connection:
        rules = read_rules(connection)
    return render_template(
        "rules/mutes.html",
        rows=rows,
        form=form,
        chosen=chosen,
        fault=fault,
        rules=rules,
        weekdays=list(zip(WEEKDAYS, DAYS, strict=True)),
        describe=describe,
        describe_time=describe_time,
    )
