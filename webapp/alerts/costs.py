"""How sure what an alert is said to have cost is."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from collector.alerts.model import Alert
from collector.store.queries.common import TimeRange
from collector.store.queries.cost_marks import CostMarks, marks_of_functions, marks_of_issues

# Of several functions together: calls are priced by their sizes, so a sum that may have some is an estimate.
SEVERAL = CostMarks(with_calls=True)
_BEFORE_MS = 3_600_000  # what an alert tells of began somewhat before it


def cost_marks(connection: Connection, alerts: Collection[Alert], now_ms: int) -> dict[int, CostMarks]:
    """By the alert's id."""
    if not alerts:
        return {}
    window = TimeRange(min(alert.since_s for alert in alerts) * 1000 - _BEFORE_MS, now_ms)
    subjects = [alert.subject for alert in alerts]
    issues = {subject.issue_id for subject in subjects if subject.issue_id is not None}
    functions = {subject.function_id for subject in subjects if subject.function_id is not None}
    of_issues = marks_of_issues(connection, issues, window)
    of_functions = marks_of_functions(connection, functions, window)
    return {
        alert.id: of_issues.get(alert.subject.issue_id or -1)
        or of_functions.get(alert.subject.function_id or -1)
        or SEVERAL
        for alert in alerts
    }
