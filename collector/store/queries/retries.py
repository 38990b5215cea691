"""What retries cost: runs of one request after its first.

Lambda runs an asynchronous event that failed up to twice more, with the request id that it had. What SQS, a stream or a
caller sends again is another request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from collector.store.queries.common import TimeRange
from collector.store.queries.windows import nanoseconds
from collector.store.statements import select_among
from collector.store.tables import invocations, issue_occurrences

MOST = 1_000  # occurrences of an issue, the newest, that are looked at: 25 ms on a busy machine


@dataclass(frozen=True, slots=True)
class Retries:
    count: int
    cost_pd: int  # with their calls, of those whose cost is known
    of: int  # invocations that were looked at


def retries_among(rows: Iterable[Row[*tuple[Any, ...]]], first_ns: Mapping[str, int] | None = None) -> Retries:
    """Of rows with `function_id`, `request_id`, `started_ns`, `cost_pd` and `calls_cost_pd`. `first_ns`: when the first
    run of each request began, of one function's; without, the first run is among the rows."""
    found = list(rows)
    begins: dict[tuple[int, str], int] = {}
    for row in found:
        if row.request_id:
            key = (row.function_id, row.request_id)
            began = first_ns.get(row.request_id, row.started_ns) if first_ns is not None else row.started_ns
            begins[key] = min(began, begins.get(key, began))
    again = [row for row in found if row.request_id and row.started_ns > begins[row.function_id, row.request_id]]
    return Retries(len(again), sum((row.cost_pd or 0) + row.calls_cost_pd for row in again), len(found))


def retries_of_issue(connection: Connection, issue_id: int, function_id: int, window: TimeRange) -> Retries:
    """Among the invocations with the issue, the newest MOST. Their first run may have failed otherwise."""
    start_ns, end_ns = nanoseconds(window)
    occurred, ran = issue_occurrences.c, invocations.c
    rows = connection.execute(
        select(ran.function_id, ran.request_id, ran.started_ns, ran.cost_pd, ran.calls_cost_pd)
        .select_from(issue_occurrences)
        .join(invocations, and_(ran.started_ns == occurred.started_ns, ran.span_id == occurred.span_id))
        .where(occurred.issue_id == issue_id, occurred.started_ns >= start_ns, occurred.started_ns < end_ns)
        .order_by(occurred.started_ns.desc(), occurred.span_id.desc())
        .limit(MOST)
    ).all()
    requests = sorted({row.request_id for row in rows if row.request_id})
    statement = (
        "SELECT request_id, MIN(started_ns) FROM invocations WHERE request_id IN [some] "  # noqa: S608  # our number
        f"AND function_id = {function_id} GROUP BY request_id"
    )
    first_ns = {row[0]: row[1] for row in select_among(connection, statement, "[some]", requests)}
    return retries_among(rows, first_ns)
