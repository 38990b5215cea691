"""The alerts' pages: what is wrong now, what was, and one alert with all that happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from collector.alerts import actions
from collector.alerts.model import Alert, AlertState, Severity, began
from collector.alerts.pages import (
    StoredRule,
    find_alert,
    find_rule,
    held_s,
    history_of,
    list_alerts,
    read_rules,
    situations,
    told_instead,
    trend,
)
from collector.store.queries.channels import count_dead, list_channels, list_deliveries, tickets_of_alert
from collector.store.queries.common import TimeRange
from collector.store.queries.function import InvocationRow, list_invocations
from collector.store.queries.windows import first_minute
from webapp import charts
from webapp.access import visitor_name
from webapp.alerts.costs import SEVERAL, cost_marks
from webapp.alerts.timeline import timeline
from webapp.arguments import read_id, read_text
from webapp.formatting.times import iso
from webapp.identifiers import format_id, parse_id
from webapp.period import LENGTHS_MS
from webapp.rules.words import describe_condition, quantity
from webapp.store import begin, connect

blueprint = Blueprint("alerts", __name__, template_folder="templates")

MOST = 50  # on one page
MOST_AT_ONCE = 500  # that one form changes
MOST_SAMPLES = 8
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SNOOZES = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "12h": 12 * HOUR_MS, "1d": DAY_MS, "1w": 7 * DAY_MS}
STATES = ("all", "open", "acknowledged", "resolved")
_POINTS = 240  # of a chart


class Groups(NamedTuple):
    """What is not over, the most severe first."""

    open: list[Alert]
    acknowledged: list[Alert]
    snoozed: list[Alert]


@blueprint.get("/alerts")
def index() -> str:
    with connect() as connection:
        page = list_alerts(connection, state="active")
        groups = _grouped(page.alerts)
        shown = _first(groups, MOST)
        listed = [alert for group in shown for alert in group]
        situation = situations(connection, [alert.id for alert in listed], now_ms=g.now_ms)
        marks = cost_marks(connection, listed, g.now_ms)
        rules = read_rules(connection)
        channels = list_channels(connection)
        received = first_minute(connection) is not None
        dead = count_dead(connection, g.now_ms - DAY_MS)
        latest = list_alerts(connection, state="resolved", most=5).alerts
    return render_template(
        "alerts/index.html",
        groups=shown,
        unacknowledged=groups.open,
        left_out=sum(map(len, groups)) - sum(map(len, shown)),
        situation=situation,
        cost_marks=marks,
        rules=rules,
        channels=channels,
        hearing=[channel for channel in channels if channel.enabled],
        dead=dead,
        received=received,
        more=page.next_before is not None,
        latest=latest,
        snoozes=SNOOZES,
        covering=covering,
        against=_against,
        runbook=_runbook,
    )


@blueprint.get("/alerts/history")
def history() -> str:
    state = request.args.get("state", "all")
    severity = request.args.get("severity", "")
    rule_id, function_id = read_text("rule"), read_id("function")
    if state not in STATES:
        state = "all"
    if severity not in list(Severity):
        severity = ""
    with connect() as connection:
        page = list_alerts(
            connection,
            state=state,
            rule_id=rule_id or None,
            severity=Severity(severity) if severity else None,
            function_id=function_id,
            before=_read_before(),
            most=MOST,
        )
        rules = read_rules(connection)
    return render_template(
        "alerts/history.html",
        page=page,
        rules=rules,
        state=state,
        states=STATES,
        severity=severity,
        severities=list(Severity),
        rule_id=rule_id,
        function_id=function_id,
        filtered=bool(state != "all" or severity or rule_id or function_id is not None),
        against=_against,
    )


@blueprint.get("/alerts/<id:alert_id>")
def show(alert_id: int) -> str:
    """:raise 404: no such alert."""
    with connect() as connection:
        alert = find_alert(connection, alert_id)
        if alert is None:
            abort(404, f"No alert with the id {format_id(alert_id)} is known.")
        stored = find_rule(connection, alert.rule_id)
        message = situations(connection, [alert_id], now_ms=g.now_ms).get(alert_id)
        marks = cost_marks(connection, [alert], g.now_ms).get(alert_id, SEVERAL)
        deliveries = list_deliveries(connection, alert_id=alert_id, limit=200)
        instead = None if deliveries else _instead(connection, alert)
        events = history_of(connection, alert_id)
        tickets = tickets_of_alert(connection, alert_id)
        samples = _samples(connection, alert, stored, message.issue_id if message is not None else None)
        figure = _figure(connection, alert, stored) if stored is not None else None
    return render_template(
        "alerts/show.html",
        alert=alert,
        stored=stored,
        words=describe_condition(stored.rule) if stored is not None else "",
        message=message,
        cost_marks=marks,
        deliveries=deliveries,
        instead=instead,
        held_s=held_s(stored.rule) if stored is not None else 0,
        timeline=timeline(events, deliveries),
        tickets=tickets,
        samples=samples,
        figure=figure,
        snoozes=SNOOZES,
        covering=covering,
        against=_against,
    )


@blueprint.post("/alerts")
def change() -> Response:
    """Acknowledges, snoozes or resolves the alerts that are named, and goes back to where the form was.

    :raise 400: no such action, no such time, an id that is none.
    """
    form = request.form
    ids = [_id(text) for text in form.getlist("alert")[:MOST_AT_ONCE]]
    actor, now_ms = visitor_name(), int(g.now_ms)
    note = form.get("note", "").replace("\0", "").strip()[:500]
    with begin() as connection:
        match form.get("action"):
            case "acknowledge":
                actions.acknowledge(connection, ids, actor, now_ms=now_ms, note=note)
            case "resolve":
                actions.resolve(connection, ids, actor, now_ms=now_ms, note=note)
            case "snooze":
                if (length_ms := SNOOZES.get(form.get("for", ""))) is None:
                    abort(400, "An alert is snoozed for one, four or twelve hours, a day or a week.")
                actions.snooze(connection, ids, actor, until_ms=now_ms + length_ms, now_ms=now_ms)
            case "wake":
                # The next round of the evaluation comes later than that.
                actions.snooze(connection, ids, actor, until_ms=now_ms + 1, now_ms=now_ms, note="no longer")
            case _:
                abort(400, "An alert is acknowledged, snoozed or resolved.")
    back = form.get("back", "")
    # Only within these pages: what a form was made to say leads nowhere else.
    return redirect(back if back.startswith("/alerts") else url_for("alerts.index"), 303)


def covering(alert: Alert) -> dict[str, str]:
    """The period, as arguments of an address, that shows when the alert was on."""
    if alert.state is not AlertState.RESOLVED:
        lasted_ms = g.now_ms - alert.since_s * 1000
        for key, length_ms in LENGTHS_MS.items():
            if lasted_ms + 10 * 60_000 < length_ms:
                return {"range": key}
    end_s = g.now_ms // 1000 if alert.state is not AlertState.RESOLVED else alert.last_s + 900
    return {"from": _minute(alert.since_s - 900), "to": _minute(min(end_s, g.now_ms // 1000 + 60))}


def _minute(seconds: int) -> str:
    return f"{iso(seconds * 1000)[:16]}Z"


def _grouped(alerts: Sequence[Alert]) -> Groups:
    order = list(Severity)
    groups = Groups([], [], [])
    for alert in sorted(alerts, key=lambda alert: (order.index(alert.severity), -alert.since_s, alert.id)):
        if alert.snoozed_until_ms is not None and alert.snoozed_until_ms > g.now_ms:
            groups.snoozed.append(alert)
        elif alert.state is AlertState.ACKNOWLEDGED:
            groups.acknowledged.append(alert)
        else:
            groups.open.append(alert)
    return groups


def _first(groups: Groups, most: int) -> Groups:
    """As many of them as a page has room for."""
    opened = groups.open[:most]
    acknowledged = groups.acknowledged[: most - len(opened)]
    return Groups(opened, acknowledged, groups.snoozed[: most - len(opened) - len(acknowledged)])


def _against(alert: Alert, rules: Mapping[str, StoredRule], *, worst: bool = False) -> str:
    """The value beside its threshold, in the unit of the rule; of a rule that is gone the numbers alone."""
    stored = rules.get(alert.rule_id)
    value = alert.peak if worst or alert.state is AlertState.RESOLVED else alert.value
    if stored is None:
        return f"{value:.3g}, threshold {alert.threshold:.3g}"
    condition = stored.rule.condition
    said = quantity(condition, value)
    return f"{said}, threshold {quantity(condition, alert.threshold)}" if alert.threshold else said


def _runbook(alert: Alert, rules: Mapping[str, StoredRule]) -> bool:
    """Whether the rule's description is worth a place in a list: somebody wrote it."""
    stored = rules.get(alert.rule_id)
    return stored is not None and (stored.origin != "default" or stored.updated_ms != stored.created_ms)


def _instead(connection: Connection, alert: Alert) -> Alert | None:
    """The alert that a channel was told of instead of this one."""
    for id in told_instead(connection, alert.id, now_ms=g.now_ms):
        if list_deliveries(connection, alert_id=id, limit=1):
            return find_alert(connection, id)
    return None


def _samples(
    connection: Connection, alert: Alert, stored: StoredRule | None, issue_id: int | None
) -> Sequence[InvocationRow]:
    """Invocations of its function while it was on, those with its issue where it has one."""
    if alert.subject.function_id is None:
        return ()
    window_s = stored.rule.window_s if stored is not None else 300
    window = TimeRange(max(0, (alert.since_s - window_s - 60)) * 1000, (alert.last_s + 120) * 1000)
    page = list_invocations(connection, alert.subject.function_id, window, issue_id=issue_id)
    return page.rows[:MOST_SAMPLES]


def _figure(connection: Connection, alert: Alert, stored: StoredRule) -> Markup | None:
    """The value around the time in which the alert was on, beside its threshold."""
    rule = stored.rule
    over = alert.state is AlertState.RESOLVED
    lasted_s = max(alert.last_s - alert.since_s, 600)
    start_s = alert.since_s - max(2 * rule.window_s, lasted_s // 2, 1_800)
    now_s = g.now_ms // 60_000 * 60
    # An alert that is open has its value from the minute that is not over, where its rule looks at that.
    end_s = min(now_s, alert.last_s + max(lasted_s // 2, 1_800)) if over else max(now_s, alert.last_s)
    if end_s - start_s < 120 or end_s - start_s > 40 * 86_400:
        return None
    step_s = -(-(end_s - start_s) // _POINTS // 60) * 60
    found = trend(
        connection,
        rule,
        start_s=start_s // 60 * 60,
        end_s=end_s,
        step_s=max(step_s, 60),
        now_ms=g.now_ms,
        key=alert.subject.key,
    )
    if len(found.points) < 2:
        return None
    # A value stands where the last minute of its window began, as the alert does, and holds until the next one.
    points = [(began(second), value) for second, value in found.points]
    points.append((found.points[-1][0], points[-1][1]))
    return charts.against_threshold(
        points,
        alert.threshold,
        [(alert.began_s, alert.last_s if over else None, alert.peak)],
        words=lambda value: quantity(rule.condition, value),
    )


def _id(text: str) -> int:
    found = parse_id(text)
    if found is None:
        abort(400, "That is no alert's id.")
    return found


def _read_before() -> tuple[int, int] | None:
    since, _, id = read_text("before").partition("-")
    number = parse_id(id)
    if number is None or not (since.isascii() and since.isdigit() and len(since) < 12):
        return None
    return int(since), number
