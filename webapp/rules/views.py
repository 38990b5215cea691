"""The rules' pages: a list, and a form for each kind of condition that shows when the rule would have fired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from collector.alerts import actions
from collector.alerts.conditions import KINDS
from collector.alerts.model import ConditionKind, Fired, Grouping, Metric, Preview, Rule, Severity
from collector.alerts.pages import (
    StoredRule,
    broken_rules,
    describe,
    find_rule,
    functions_within,
    list_alerts,
    list_rules,
    preview_rule,
    read_rule,
    read_rules,
    trend,
)
from collector.store.queries.channels import list_channels
from collector.store.queries.windows import first_minute
from webapp import charts
from webapp.rules.faults import LABELS, FormFault, read_form
from webapp.rules.form import MOST_BURNS, REPEATS, form_of, id_of, new_form, percentiles, sent_form, values_of
from webapp.rules.words import ABOUT, GROUPS, describe_condition, describe_repeat, quantity
from webapp.store import begin, connect

blueprint = Blueprint("rules", __name__, template_folder="templates")

PAGE = "page"  # where a rule comes from that was made here
LOOKED_S = 7 * 86_400  # the preview's
MOST_POINTS = 672  # of its chart: one each quarter of an hour of a week
DRAFT = "draft"  # the id of a rule that has none yet


@blueprint.get("/alerts/rules")
def index() -> str:
    with connect() as connection:
        rows = list_rules(connection)
        broken = broken_rules(connection)
        channels = list_channels(connection)
    return render_template(
        "rules/index.html",
        rows=rows,
        broken=broken,
        channels=channels,
        defaults=[channel.name for channel in channels if channel.is_default and channel.enabled],
        describe_condition=describe_condition,
        describe_repeat=describe_repeat,
        describe=describe,
    )


@blueprint.get("/alerts/new-rule")
def new() -> str:
    """The choice of a condition, or the form of the one that the address names."""
    kind = _kind(request.args.get("condition", ""))
    if kind is None:
        return render_template("rules/kinds.html", groups=GROUPS, kinds=KINDS, about=ABOUT)
    return _form(new_form(kind), None)


@blueprint.post("/alerts/new-rule")
def create() -> str | Response | tuple[str, int]:
    form = sent_form(request.form)
    if _kind(form["condition"]) is None:
        abort(400, "There is no such condition.")
    with connect() as connection:
        known = read_rules(connection)
    previews = request.form.get("action") == "preview"
    rule, faults = read_form(id_of(form["name"], known.__contains__, "rule"), form, named=not previews)
    if rule is None:
        return _form(form, None, faults=faults), 400
    if previews:
        return _form(form, None, shown=_shown(rule))
    with begin() as connection:
        actions.change_rule(connection, rule, origin=PAGE, now_ms=g.now_ms)
    return redirect(url_for("rules.index"), 303)


@blueprint.get("/alerts/rules/<rule_id>")
def show(rule_id: str) -> str:
    """:raise 404: no such rule."""
    with connect() as connection:
        stored = _stored(connection, rule_id)
    return _form(form_of(stored.rule), stored)


@blueprint.post("/alerts/rules/<rule_id>")
def change(rule_id: str) -> str | Response | tuple[str, int]:
    """:raise 404: no such rule."""
    form = sent_form(request.form)
    with connect() as connection:
        stored = _stored(connection, rule_id)
    rule, faults = read_form(rule_id, form)
    if rule is None:
        return _form(form, stored, faults=faults), 400
    if request.form.get("action") == "preview":
        return _form(form, stored, shown=_shown(rule))
    with begin() as connection:
        actions.change_rule(connection, rule, origin=PAGE, now_ms=g.now_ms)
    return redirect(url_for("rules.index"), 303)


@blueprint.post("/alerts/rules/<rule_id>/switch")
def switch(rule_id: str) -> Response:
    """On or off. :raise 404: no such rule."""
    with begin() as connection:
        rule = _stored(connection, rule_id).rule
        changed = read_rule(rule.id, values_of(form_of(rule) | {"enabled": request.form.get("enabled") == "1"}))
        actions.change_rule(connection, changed, origin=PAGE, now_ms=g.now_ms)
    return redirect(url_for("rules.index"), 303)


@blueprint.post("/alerts/rules/<rule_id>/delete")
def delete(rule_id: str) -> Response:
    """Its alerts resolve. One that cannot be read goes as well. :raise 404: no such rule."""
    with begin() as connection:
        if all(rule.id != rule_id for rule in broken_rules(connection)):
            _stored(connection, rule_id)
        actions.remove_rules(connection, [rule_id], now_ms=g.now_ms)
    return redirect(url_for("rules.index"), 303)


@blueprint.post("/alerts/preview")
def preview() -> str:
    """When the rule of the form would have fired, as a part of a page; nothing is stored."""
    form = sent_form(request.form)
    if _kind(form["condition"]) is None:
        abort(400, "There is no such condition.")
    rule, faults = read_form(DRAFT, form, named=False)
    return render_template(
        "rules/_preview.html", faults=_by_field(faults), shown=_shown(rule) if rule is not None else None
    )


class _Shown:
    """A preview with all that its part of the page says."""

    def __init__(self, connection: Connection, rule: Rule) -> None:
        self.rule = rule
        self.words = describe_condition(rule)
        self.preview: Preview = preview_rule(connection, rule, now_ms=g.now_ms)
        self.functions = functions_within(connection, rule)
        self.since_ms: int | None = None  # when the first data came, if that was later than the chart could begin
        self.figure: Markup | None = None
        if not self.preview.reason:
            self.figure = self._draw(connection)

    def amount(self, value: float) -> str:
        return quantity(self.rule.condition, value)

    def lasted_s(self, fired: Fired) -> int:
        """Including the window's last minute."""
        return (fired.until_s if fired.until_s is not None else self.preview.end_s) - fired.since_s + 60

    def _draw(self, connection: Connection) -> Markup | None:
        end_s = self.preview.end_s
        start_s = end_s - LOOKED_S
        first_s = first_minute(connection)
        if first_s is not None and first_s > start_s:
            # An hour at least: an axis of two minutes says nothing.
            start_s, self.since_ms = min(first_s, end_s - 3_600) // 60 * 60, first_s * 1000
        step_s = -(-(end_s - start_s) // MOST_POINTS // 60) * 60
        found = trend(connection, self.rule, start_s=start_s, end_s=end_s, step_s=step_s, now_ms=g.now_ms)
        if len(found.points) < 2:
            return None
        fired = [(one.since_s, one.until_s, one.peak) for one in self.preview.fired]
        condition = self.rule.condition
        seen = [(t, value if first_s is None or t > first_s else None) for t, value in found.points]
        points = charts.with_peaks(seen, fired, lowest=condition.below is not None and condition.above is None)
        return charts.against_threshold(points, found.threshold, fired, words=self.amount)


def _shown(rule: Rule) -> _Shown:
    with connect() as connection:
        return _Shown(connection, rule)


def _form(
    form: dict[str, Any],
    stored: StoredRule | None,
    *,
    faults: Sequence[FormFault] = (),
    shown: _Shown | None = None,
) -> str:
    kind = _kind(form["condition"])
    if kind is None:
        abort(400, "There is no such condition.")
    with connect() as connection:
        firing = list_alerts(connection, rule_id=stored.rule.id, most=20).alerts if stored is not None else ()
        channels = list_channels(connection)
    return render_template(
        "rules/edit.html",
        form=form,
        stored=stored,
        kind=kind,
        about=KINDS[kind],
        said=ABOUT[kind],
        words=describe_condition(stored.rule) if stored is not None else "",
        faults=_by_field(faults),
        labels=LABELS,
        shown=shown,
        firing=firing,
        channels=channels,
        gone=[name for name in form["channels"] if name not in {channel.name for channel in channels}],
        severities=list(Severity),
        groupings={
            Grouping.FUNCTION: "each function by itself",
            Grouping.TOGETHER: "all of them together",
            Grouping.RESOURCE: "each queue or stream by itself",
            Grouping.ISSUE: "each issue by itself",
        },
        metrics=list(Metric),
        percentiles=percentiles(),
        repeats=REPEATS if form["repeat"] in REPEATS else (*REPEATS, form["repeat"]),
        most_burns=min(MOST_BURNS, len(form["burns"]) + 1),
    )


def _by_field(faults: Sequence[FormFault]) -> dict[str, FormFault]:
    return {fault.field: fault for fault in faults}


def _stored(connection: Connection, rule_id: str) -> StoredRule:
    stored = find_rule(connection, rule_id)
    if stored is None:
        abort(404, "There is no such rule. It may have been deleted.")
    return stored


def _kind(text: str) -> ConditionKind | None:
    try:
        return ConditionKind(text)
    except ValueError:
        return None
