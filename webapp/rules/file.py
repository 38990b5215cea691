"""Rules and mute windows as a YAML file: shown, compared with another, and applied as `clew alerts apply` does."""

from __future__ import annotations

from flask import Response, g, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response as BaseResponse

from collector.alerts import actions
from collector.alerts.pages import list_mutes, read_rules
from collector.alerts.rule_file import LARGEST_OF_PAGE, Difference, FileFault, RuleFile, compare, read_file, write_file
from webapp.rules.views import blueprint
from webapp.store import begin, connect

FILE = "file"  # where rules come from that were applied here


@blueprint.get("/alerts/rules.yaml")
def download() -> Response:
    with connect() as connection:
        text = _written(connection)
    answer = Response(text, mimetype="application/yaml")
    answer.headers["Content-Disposition"] = 'attachment; filename="clew-rules.yaml"'
    return answer


@blueprint.get("/alerts/rules-file")
def file() -> str:
    """All of it as YAML, and a form for another."""
    with connect() as connection:
        text = _written(connection)
    return render_template("rules/file.html", now=text, text="", difference=None, fault=None)


@blueprint.post("/alerts/rules-file")
def use_file() -> str | BaseResponse | tuple[str, int]:
    """Shows what the file would change, or applies it."""
    text = request.form.get("file", "").replace("\r\n", "\n")
    with connect() as connection:
        now = _written(connection)
    try:
        read = read_file(text, largest=LARGEST_OF_PAGE)
    except FileFault as fault:
        return render_template("rules/file.html", now=now, text=text, difference=None, fault=fault), 400
    if request.form.get("action") != "apply":
        with connect() as connection:
            difference = _difference(connection, read)
        return render_template("rules/file.html", now=now, text=text, difference=difference, fault=None)
    with begin() as connection:
        difference = _difference(connection, read)
        for rule in read.rules:
            actions.change_rule(connection, rule, origin=FILE, now_ms=g.now_ms)
        actions.remove_rules(connection, difference.removed, now_ms=g.now_ms)
        for mute in difference.changed_mutes:
            actions.change_mute(connection, mute, now_ms=g.now_ms)
        actions.remove_mutes(connection, difference.removed_mutes)
    return redirect(url_for("rules.index"), 303)


def _difference(connection: Connection, read: RuleFile) -> Difference:
    stored = read_rules(connection)
    return compare(
        read,
        {id: one.rule for id, one in stored.items()},
        {row.mute.id: row.mute for row in list_mutes(connection, now_ms=g.now_ms)},
        removable=frozenset(id for id, one in stored.items() if one.origin == FILE),
    )


def _written(connection: Connection) -> str:
    return write_file(
        {id: stored.rule for id, stored in read_rules(connection).items()},
        {row.mute.id: row.mute for row in list_mutes(connection, now_ms=g.now_ms)},
    )
