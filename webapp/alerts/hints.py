"""Alerts on other pages: how many are open, and which are open about a function or an issue."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from flask import Flask, g
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from collector.alerts.model import Alert, Severity
from collector.alerts.pages import count_active, list_alerts
from collector.store.errors import StoreError
from webapp.store import connect

MOST_HINTS = 50

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    app.add_template_global(open_alerts)


def open_alerts() -> tuple[int, str]:
    """How many alerts are open that nobody acknowledged, and the worst severity of them, "" where there is none."""
    try:
        with connect() as connection:
            counts = count_active(connection, now_ms=g.now_ms)
    except (StoreError, SQLAlchemyError) as error:
        log.warning("the open alerts cannot be counted: %s", error)  # the page itself says what is wrong
        return 0, ""
    worst = next((severity for severity in Severity if counts.get(severity)), "")
    return sum(counts.values()), str(worst)


def alerts_about(
    connection: Connection, *, function_id: int | None = None, issue_id: int | None = None
) -> Sequence[Alert]:
    """Those that are open or acknowledged, the most severe first."""
    page = list_alerts(connection, function_id=function_id, issue_id=issue_id, most=MOST_HINTS)
    order = list(Severity)
    return sorted(page.alerts, key=lambda alert: (order.index(alert.severity), -alert.since_s))
