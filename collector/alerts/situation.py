"""What there is to know of alerts now, for their pages: the same words and figures as a message of this moment has."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from collector.alerts.catalog import Catalog
from collector.alerts.details import details_of
from collector.alerts.evaluation import Plan, Planner
from collector.alerts.lifecycle import COLUMNS, Record
from collector.alerts.message import Message
from collector.alerts.model import NoticeKind
from collector.alerts.notices import notice_of
from collector.alerts.precedence import Precedence
from collector.alerts.rule_store import read_rules
from collector.store.alert_tables import alerts

MOST = 50  # each takes some five short queries


def situations(connection: Connection, ids: Collection[int], *, now_ms: int) -> dict[int, Message]:
    """By alert. One that is over is told of as it was at its end; one whose rule is gone is left out, as are all but
    the first MOST."""
    wanted = list(ids)[:MOST]
    if not wanted:
        return {}
    rules = read_rules(connection)
    catalog = Catalog()
    catalog.refresh(connection)
    planner = Planner()
    rows = connection.execute(select(*(alerts.c[name] for name in COLUMNS)).where(alerts.c.id.in_(wanted)))
    now_s = now_ms // 60_000 * 60 + 60
    by_end: dict[int, list[tuple[Plan, Record]]] = {}
    for record in (Record(*row) for row in rows):
        stored = rules.get(record.rule_id)
        if stored is not None:
            end_s = min(record.last_s + 60, now_s) if record.is_over else now_s
            by_end.setdefault(end_s, []).append((planner.plan(stored.rule), record))
    found = {}
    for end_s, pairs in by_end.items():
        details = details_of(connection, catalog, pairs, now_s=end_s, now_ms=now_ms)
        for plan, record in pairs:
            kind = NoticeKind.RESOLVED if record.is_over else NoticeKind.OPENED
            notice = notice_of(kind, plan.rule, record, catalog, now_ms=now_ms, details=details[record.id])
            found[record.id] = Message.of(notice)
    return found


def told_instead(connection: Connection, id: int, *, now_ms: int) -> list[int]:
    """The alerts that somebody was told of instead of this one, because they are of the same failures: their ids."""
    planner = Planner()
    plans = {id: planner.plan(stored.rule) for id, stored in read_rules(connection).items()}
    columns = [alerts.c[name] for name in COLUMNS]
    record = next((Record(*row) for row in connection.execute(select(*columns).where(alerts.c.id == id))), None)
    if record is None or record.told_ms is not None:
        return []
    told = (alerts.c.function_id == record.function_id, alerts.c.issue_id.is_not(None), alerts.c.told_ms.is_not(None))
    precedence = Precedence(plans, [Record(*row) for row in connection.execute(select(*columns).where(*told))])
    if not precedence.may_wait(record):
        return []
    return [one.id for one in precedence.told_instead(record, (), now_ms=now_ms)]
