"""Rules and mute windows as a YAML file: shown, compared with another, and applied as `clew alerts apply` does."""

from __future__ import annotations

from flask import Response, g, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response as BaseResponse

from collector.alerts.pages import list_mutes, read_rules
from collector.alerts.rule_changes import apply_file, difference
from collector.alerts.rule_file import LARGEST_OF_PAGE, FileFault, read_file, write_file
from webapp.rules.views import blueprint
from webapp.store import begin, connect


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
            found = difference(connection, read)
        return render_template("rules/file.html", now=now, text=text, difference=found, fault=None)
    with begin() as connection:
        apply_file(connection, read, now_ms=g.now_ms)
    return redirect(url_for("rules.index"), 303)


def _written(connection: Connection) -> str:
    return write_file(
        {id: stored.rule for id, stored in read_rules(connection).items()},
        {row.mute.id: row.mute for row in list_mutes(connection, now_ms=g.now_ms)},
    )
