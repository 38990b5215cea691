"""The channels' pages: where alerts go, trying it, and what was delivered. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from collector.alerts import actions
from collector.alerts.channels.kinds import KINDS, Kind
from collector.alerts.directory import Directory, Draft, InvalidChannel, KeyringError, TestResult, UnknownChannel
from collector.alerts.model import Severity
from collector.alerts.pages import read_rules
from collector.store.queries.channels import MOST, ChannelRow, list_channels, list_deliveries
from webapp.arguments import read_id
from webapp.identifiers import parse_id
from webapp.store import begin, connect

blueprint = Blueprint("channels", __name__, template_folder="templates")

EXTENSION = "clew-channels"
STATES = ("waiting", "sent", "dead")
PER_PAGE = 100


@blueprint.get("/alerts/channels")
def index() -> str:
    with connect() as connection:
        rows = list_channels(connection)
    return render_template("channels/index.html", rows=rows, kinds=KINDS, summary=_summary, hosts=_hosts(rows))


@blueprint.get("/alerts/new-channel")
def kinds() -> str:
    """The choice of a kind, or the form of the one that the address names."""
    kind = KINDS.get(request.args.get("kind", ""))
    if kind is None:
        return render_template("channels/kinds.html", kinds=KINDS)
    with connect() as connection:
        first = not list_channels(connection)
    values = {field.name: field.default for field in kind.fields if not field.secret}
    form = {"name": kind.title, "enabled": True, "is_default": first, "sends_resolved": True, "least": "info"}
    return _form(kind, form, values, None)


@blueprint.post("/alerts/new-channel")
def create() -> str | Response | tuple[str, int]:
    kind = KINDS.get(request.form.get("kind", ""))
    if kind is None:
        abort(400, "There is no such kind of channel.")
    form, values = _sent(kind)
    try:
        id = _directory().add(_draft(kind, form, values))
    except (InvalidChannel, KeyringError) as error:
        return _form(kind, form, values, None, error=error), 400
    return redirect(url_for("channels.show", channel_id=id), 303)


@blueprint.get("/alerts/channels/<id:channel_id>")
def show(channel_id: int) -> str:
    """:raise 404: no such channel."""
    with connect() as connection:
        row = _find(connection, channel_id)
    return _form(_kind(row), _form_of(row), row.settings, row)


@blueprint.post("/alerts/channels/<id:channel_id>")
def change(channel_id: int) -> str | Response | tuple[str, int]:
    """:raise 404: no such channel."""
    with connect() as connection:
        row = _find(connection, channel_id)
    kind = _kind(row)
    form, values = _sent(kind)
    try:
        _directory().change(row.name, _draft(kind, form, values))
    except UnknownChannel:
        abort(404, "There is no such channel. It may have been removed.")
    except (InvalidChannel, KeyringError) as error:
        return _form(kind, form, values, row, error=error), 400
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


@blueprint.get("/alerts/channels/<id:channel_id>/test")
def tested(channel_id: int) -> Response:
    """What a test came to was shown here once; who comes back to the address finds the channel, which says it too."""
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


@blueprint.post("/alerts/channels/<id:channel_id>/test")
def test(channel_id: int) -> str:
    """Sends a test and shows what the service answered. Takes as long as that does, at most half a minute.

    :raise 404: no such channel."""
    with connect() as connection:
        name = _find(connection, channel_id).name
    try:
        result = _directory().test(name)
    except UnknownChannel:
        abort(404, "There is no such channel. It may have been removed.")
    with connect() as connection:
        row = _find(connection, channel_id)
    return _form(_kind(row), _form_of(row), row.settings, row, tested=result)


@blueprint.post("/alerts/channels/<id:channel_id>/remove")
def remove(channel_id: int) -> Response:
    """:raise 404: no such channel."""
    with connect() as connection:
        name = _find(connection, channel_id).name
    try:
        _directory().remove(name)
    except UnknownChannel:
        abort(404, "There is no such channel. It may have been removed.")
    return redirect(url_for("channels.index"), 303)


@blueprint.get("/alerts/deliveries")
def deliveries() -> str:
    channel_id, state = read_id("channel"), request.args.get("state", "")
    if state not in STATES:
        state = ""
    before = request.args.get("before", "")
    with connect() as connection:
        channels = list_channels(connection)
        rows = list_deliveries(
            connection,
            channel_id=channel_id,
            states=[state] if state else (),
            limit=PER_PAGE + 1,
            before_ms=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
        )
    return render_template(
        "channels/deliveries.html",
        rows=rows[:PER_PAGE],
        more=rows[PER_PAGE - 1].created_ms if len(rows) > PER_PAGE else None,
        channels=channels,
        channel_id=channel_id,
        state=state,
        states=STATES,
        filtered=bool(channel_id is not None or state),
    )


@blueprint.post("/alerts/deliveries")
def retry() -> Response:
    """Deliveries that were given up wait again, and the page is the one that the form was on."""
    ids = [id for text in request.form.getlist("delivery")[:MOST] if (id := parse_id(text)) is not None]
    with begin() as connection:
        actions.retry_deliveries(connection, ids, now_ms=g.now_ms)
    back = request.form.get("back", "")
    return redirect(back if back.startswith("/alerts") else url_for("channels.deliveries"), 303)


def _form(
    kind: Kind,
    form: Mapping[str, Any],
    values: Mapping[str, str],
    row: ChannelRow | None,
    *,
    error: InvalidChannel | KeyringError | None = None,
    tested: TestResult | None = None,
) -> str:
    with connect() as connection:
        latest = list_deliveries(connection, channel_id=row.id, limit=8) if row is not None else []
        rules = [stored.rule for stored in read_rules(connection).values()] if row is not None else []
    return render_template(
        "channels/edit.html",
        kind=kind,
        form=form,
        values=values,
        row=row,
        error=error,
        place=error.field if isinstance(error, InvalidChannel) else "",
        tested=tested,
        latest=latest,
        naming=[
            rule
            for rule in rules
            if row is not None and (row.name in rule.channels if rule.channels is not None else row.is_default)
        ],
        severities=list(Severity),
        host=_hosts([row]).get(row.id) if row is not None else None,
        locked=EXTENSION not in current_app.extensions,
    )


def _sent(kind: Kind) -> tuple[dict[str, Any], dict[str, str]]:
    sent = request.form
    form = {
        "name": sent.get("name", "").strip(),
        "least": sent.get("least", "info"),
        **{name: sent.get(name) == "1" for name in ("enabled", "is_default", "sends_resolved")},
    }
    return form, {field.name: sent.get(f"value-{field.name}", "").strip() for field in kind.fields}


def _draft(kind: Kind, form: Mapping[str, Any], values: Mapping[str, str]) -> Draft:
    if form["least"] not in list(Severity):
        raise InvalidChannel("least", "The least severity is critical, error, warning or info.")
    return Draft(
        form["name"],
        kind.name,
        values,
        enabled=form["enabled"],
        is_default=form["is_default"],
        sends_resolved=form["sends_resolved"],
        least_severity=Severity(form["least"]),
    )


def _form_of(row: ChannelRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "enabled": row.enabled,
        "is_default": row.is_default,
        "sends_resolved": row.sends_resolved,
        "least": row.least_severity,
    }


def _hosts(rows: Sequence[ChannelRow]) -> dict[int, str]:
    """By the channel's id; none where this dashboard has no keys."""
    directory: Directory | None = current_app.extensions.get(EXTENSION)
    return directory.hosts([row.id for row in rows]) if directory is not None else {}


def _summary(row: ChannelRow) -> str:
    """Where it leads, as far as that is no secret."""
    kind = KINDS.get(row.kind)
    if kind is None:
        return ""
    defaults = {field.name: field.default for field in kind.fields}
    return ", ".join(value for name, value in row.settings.items() if value and value != defaults.get(name))


def _find(connection: Connection, channel_id: int) -> ChannelRow:
    found = next((row for row in list_channels(connection) if row.id == channel_id), None)
    if found is None:
        abort(404, "There is no such channel. It may have been removed.")
    return found


def _kind(row: ChannelRow) -> Kind:
    kind = KINDS.get(row.kind)
    if kind is None:
        abort(404, "This version of Clew has no channels of that kind.")
    return kind


def _directory() -> Directory:
    if EXTENSION not in current_app.extensions:
        abort(403, "Channels cannot be changed here: this dashboard runs without the part that delivers.")
    return cast("Directory", current_app.extensions[EXTENSION])
