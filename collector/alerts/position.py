"""How far the evaluation is: one row, which changes in the commit of what was decided."""

from __future__ import annotations

import logging
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from collector.alerts.rule_store import add_default_rules
from collector.store.alert_tables import alert_position
from collector.store.issue_changes import latest_change

MINUTE_S = 60
MOST_AHEAD_S = 2 * MINUTE_S  # from the start of the minute that is not over: by how much clocks may differ

logger = logging.getLogger(__name__)


class Position(NamedTuple):
    """How far the evaluation is; a row of `alert_position`."""

    evaluated_s: int
    blind_until_s: int
    issue_cursor: int


def read_position(connection: Connection, *, lock: bool = False) -> Position | None:
    """None: nothing was ever evaluated. `lock`: nobody else moves it until the end of this transaction."""
    table = alert_position.c
    statement = select(table.evaluated_s, table.blind_until_s, table.issue_cursor).where(table.id == 0)
    if lock and connection.dialect.name != "sqlite":
        statement = statement.with_for_update()
    row = connection.execute(statement).first()
    return Position(*row) if row is not None else None


def begin(connection: Connection, now_ms: int) -> bool:
    """Where there is no position yet it is now: what was before is nobody's concern. One that lies ahead is of a clock
    that was wrong; to wait until the time comes there would be to miss what happens until then. Returns whether the
    evaluation goes on from where it was."""
    now_s = now_ms // 60_000 * MINUTE_S
    known = read_position(connection)
    if known is None:
        values = {"evaluated_s": now_s, "blind_until_s": now_s, "issue_cursor": latest_change(connection)}
        connection.execute(insert(alert_position).values(id=0, **values))
        add_default_rules(connection, now_ms=now_ms)
        return False
    ahead_s = known.evaluated_s - now_s
    if ahead_s > MOST_AHEAD_S:
        logger.warning("the clock was %d s ahead when rules were last evaluated; they go on from now", ahead_s)
        connection.execute(update(alert_position).values(evaluated_s=now_s, blind_until_s=now_s))
        return False
    return True


def move(connection: Connection, position: Position) -> None:
    """Writes it."""
    connection.execute(update(alert_position).where(alert_position.c.id == 0).values(**position._asdict()))
