"""What the alerts' pages and the command line read: rules, alerts, history, mute windows, previews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from collector.alerts.catalog import Catalog, describe
from collector.alerts.fields import RuleFault
from collector.alerts.model import (
    Alert,
    AlertEvent,
    AlertState,
    MuteWindow,
    Preview,
    Rule,
    Severity,
    Subject,
    SubjectKind,
)
from collector.alerts.mute_text import read_mute
from collector.alerts.mutes import is_on
from collector.alerts.precedence import held_s
from collector.alerts.preview import preview
from collector.alerts.rule_store import BrokenRule, StoredRule, broken_rules, find_rule, read_mutes, read_rules
from collector.alerts.rule_text import read_rule, write_rule
from collector.alerts.situation import situations, told_instead
from collector.alerts.trend import Trend, trend
from collector.store import tables
from collector.store.alert_tables import alert_events, alerts

MOST = 200
_STATES = {
    "active": (AlertState.OPEN, AlertState.ACKNOWLEDGED),
    "open": (AlertState.OPEN,),
    "acknowledged": (AlertState.ACKNOWLEDGED,),
    "resolved": (AlertState.RESOLVED,),
    "all": tuple(AlertState),
}
STATES = tuple(_STATES)

__all__ = [
    "MOST",
    "STATES",
    "AlertPage",
    "BrokenRule",
    "MuteRow",
    "RuleFault",
    "RuleRow",
    "StoredRule",
    "Trend",
    "broken_rules",
    "count_active",
    "describe",
    "find_alert",
    "find_rule",
    "functions_within",
    "held_s",
    "history_of",
    "list_alerts",
    "list_mutes",
    "list_rules",
    "preview_rule",
    "read_mute",
    "read_rule",
    "read_rules",
    "situations",
    "told_instead",
    "trend",
    "write_rule",
]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule with how it is doing. `functions`: how many its scope holds now."""

    rule: Rule
    origin: str  # "default", "page" or "file"
    created_ms: int
    updated_ms: int
    functions: int
    active: int  # alerts that are open or acknowledged
    last_fired_ms: int | None


@dataclass(frozen=True, slots=True)
class AlertPage:
    """`next_before`: what `before` must be for the next page; None: this is the last one."""

    alerts: tuple[Alert, ...]
    next_before: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class MuteRow:
    mute: MuteWindow
    is_on: bool  # now


def list_rules(connection: Connection) -> list[RuleRow]:
    """All rules, by name."""
    catalog = Catalog()
    catalog.refresh(connection)
    per_rule = select(alerts.c.rule_id, func.count(), func.max(alerts.c.opened_ms)).group_by(alerts.c.rule_id)
    fired = {id: last_ms for id, _, last_ms in connection.execute(per_rule)}
    unresolved = per_rule.where(alerts.c.state != AlertState.RESOLVED)
    active = {id: count for id, count, _ in connection.execute(unresolved)}
    rows = [
        RuleRow(
            stored.rule,
            stored.origin,
            stored.created_ms,
            stored.updated_ms,
            len(catalog.within(stored.rule.scope)),
            active.get(id, 0),
            fired.get(id),
        )
        for id, stored in read_rules(connection).items()
    ]
    rows.sort(key=lambda row: (row.rule.name.lower(), row.rule.id))
    return rows


def list_alerts(
    connection: Connection,
    *,
    state: str = "active",
    rule_id: str | None = None,
    severity: Severity | None = None,
    function_id: int | None = None,
    issue_id: int | None = None,
    before: tuple[int, int] | None = None,
    most: int = MOST,
) -> AlertPage:
    """Alerts, those that began last first. `state` is one of STATES; `before` is a page's `next_before`."""
    wanted: list[ColumnElement[bool]] = [alerts.c.state.in_(list(_STATES.get(state, _STATES["active"])))]
    if rule_id is not None:
        wanted.append(alerts.c.rule_id == rule_id)
    if severity is not None:
        wanted.append(alerts.c.severity == severity)
    if function_id is not None:
        wanted.append(alerts.c.function_id == function_id)
    if issue_id is not None:
        wanted.append(alerts.c.issue_id == issue_id)
    if before is not None:
        since_s, id = before
        wanted.append(or_(alerts.c.since_s < since_s, (alerts.c.since_s == since_s) & (alerts.c.id < id)))
    statement = _alerts().where(*wanted).order_by(alerts.c.since_s.desc(), alerts.c.id.desc()).limit(most + 1)
    found = [_alert(row) for row in connection.execute(statement)]
    following = (found[most - 1].since_s, found[most - 1].id) if len(found) > most else None
    return AlertPage(tuple(found[:most]), following)


def find_alert(connection: Connection, id: int) -> Alert | None:
    """None: there is no such alert."""
    if not -(2**63) <= id < 2**63:
        return None
    row = connection.execute(_alerts().where(alerts.c.id == id)).first()
    return _alert(row) if row is not None else None


def history_of(connection: Connection, id: int) -> list[AlertEvent]:
    """What happened to an alert, oldest first."""
    if not -(2**63) <= id < 2**63:
        return []
    events = alert_events.c
    statement = select(alert_events).where(events.alert_id == id).order_by(events.number)
    return [
        AlertEvent(row.alert_id, row.at_ms, row.kind, row.actor, row.note, row.value)
        for row in connection.execute(statement)
    ]


def count_active(connection: Connection, *, now_ms: int) -> dict[Severity, int]:
    """How many alerts are open, not counting acknowledged and snoozed ones, by severity."""
    awake = or_(alerts.c.snoozed_until_ms.is_(None), alerts.c.snoozed_until_ms <= now_ms)
    statement = select(alerts.c.severity, func.count()).where(alerts.c.state == AlertState.OPEN, awake)
    return {Severity(name): count for name, count in connection.execute(statement.group_by(alerts.c.severity))}


def list_mutes(connection: Connection, *, now_ms: int) -> list[MuteRow]:
    """All mute windows, by name."""
    rows = [MuteRow(mute, is_on(mute, now_ms)) for mute in read_mutes(connection)]
    rows.sort(key=lambda row: (row.mute.name.lower(), row.mute.id))
    return rows


def preview_rule(connection: Connection, rule: Rule, *, now_ms: int) -> Preview:
    """When the rule would have fired in the last seven days. Takes up to two seconds, mostly much less."""
    return preview(connection, rule, now_ms=now_ms)


def functions_within(connection: Connection, rule: Rule) -> Sequence[str]:
    """Names of the functions in the rule's scope, sorted."""
    catalog = Catalog()
    catalog.refresh(connection)
    return sorted(catalog.functions[id].name for id in catalog.within(rule.scope))


def _alerts() -> Select[*tuple[Any, ...]]:
    functions = tables.functions.c
    return select(alerts, functions.name, functions.region, functions.account).outerjoin(
        tables.functions, functions.id == alerts.c.function_id
    )


def _alert(row: Row[*tuple[Any, ...]]) -> Alert:
    subject = Subject(
        SubjectKind(row.subject_kind),
        row.subject_key,
        row.subject_name,
        function_id=row.function_id,
        function_name=row.name,
        region=row.region,
        account=row.account,
        issue_id=row.issue_id,
        resource_id=row.resource_id,
    )
    return Alert(
        id=row.id,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        severity=Severity(row.severity),
        subject=subject,
        state=AlertState(row.state),
        since_s=row.since_s,
        last_s=row.last_s,
        opened_ms=row.opened_ms,
        value=row.value,
        peak=row.peak,
        threshold=row.threshold,
        count=row._mapping[alerts.c.count],
        snoozed_until_ms=row.snoozed_until_ms,
        acknowledged_ms=row.acknowledged_ms,
        acknowledged_by=row.acknowledged_by,
        resolved_ms=row.resolved_ms,
        resolved_by=row.resolved_by,
        muted=row.muted,
        told_ms=row.told_ms,
    )
