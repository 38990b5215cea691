"""What a sum of costs is made of: whether a part of it is an estimate, or unknown.

The sums do not count the invocations that Lambda has not reported on. So the newest invocations of each sum are looked
at: whether reports arrive depends on how a function is installed, which rarely changes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
)

from collector.store.queries.common import TimeRange
from collector.store.queries.windows import nanoseconds
from collector.store.tables import (
    functions,
    invocation_tags,
    invocations,
    issue_occurrences,
    issues,
    memberships,
    transactions,
)

K = TypeVar("K", int, bytes)
MOST_READ = 20  # invocations of one sum; of the sums of 1,000 functions with 200 invocations each: 32 ms
_KEYS_AT_ONCE = 500  # parameters of a statement
_ESTIMATED, _UNPRICED, _WITH_CALLS = 1, 2, 4


class CostMarks(NamedTuple):
    """Of the newest invocations of a sum."""

    estimated: bool = False  # Lambda has not reported what it billed for one of them
    unpriced: bool = False  # no price is known for one of them, or for one of its calls
    with_calls: bool = False  # the sum has calls of other services in it, which are priced by their sizes


NONE = CostMarks()


def marks_of_functions(connection: Connection, ids: Collection[int], window: TimeRange) -> dict[int, CostMarks]:
    start_ns, end_ns = nanoseconds(window)
    newest = _newest(
        invocations,
        invocations.c.function_id == functions.c.id,
        invocations.c.started_ns >= start_ns,
        invocations.c.started_ns < end_ns,
        correlated=functions,
    )
    return _read(connection, functions.c.id, _flags(newest), ids)


def marks_of_issues(connection: Connection, ids: Collection[int], window: TimeRange) -> dict[int, CostMarks]:
    start_ns, end_ns = nanoseconds(window)
    occurrences = issue_occurrences.c
    newest = _newest(
        issue_occurrences.join(
            invocations,
            and_(invocations.c.started_ns == occurrences.started_ns, invocations.c.span_id == occurrences.span_id),
        ),
        occurrences.issue_id == issues.c.id,
        occurrences.started_ns >= start_ns,
        occurrences.started_ns < end_ns,
        correlated=issues,
        order=occurrences.started_ns,
    )
    return _read(connection, issues.c.id, _flags(newest), ids)


def marks_of_transactions(connection: Connection, ids: Collection[bytes]) -> dict[bytes, CostMarks]:
    """Here any invocations are looked at, not the newest: their order would be that of one trace."""
    some = _newest(
        memberships.join(invocations, invocations.c.trace_id == memberships.c.trace_id),
        memberships.c.transaction_id == transactions.c.id,
        correlated=transactions,
        order=None,
    )
    return _read(connection, transactions.c.id, _flags(some), ids)


def marks_of_tag_values(
    connection: Connection, key: str, values: Collection[str], window: TimeRange, *, function_id: int | None = None
) -> dict[str, CostMarks]:
    start_ns, end_ns = nanoseconds(window)
    tags = invocation_tags.c
    where = [tags.key == key, tags.value == bindparam("value"), tags.started_ns >= start_ns, tags.started_ns < end_ns]
    if function_id is not None:
        where.append(tags.function_id == function_id)
    newest = _newest(
        invocation_tags.join(
            invocations,
            and_(invocations.c.started_ns == tags.started_ns, invocations.c.span_id == tags.span_id),
        ),
        *where,
        order=tags.started_ns,
    )
    statement = select(_flags(newest))
    return {value: _marks(connection.scalar(statement, {"value": value})) for value in values}


def _newest(
    source: FromClause,
    *where: ColumnElement[bool],
    correlated: FromClause | None = None,
    order: Column[Any] | None = invocations.c.started_ns,
) -> Select[Any]:
    columns = (invocations.c[name] for name in ("cost_pd", "reported_ns", "calls_cost_pd", "unpriced_calls"))
    statement = select(*columns).select_from(source).where(*where).limit(MOST_READ)
    if correlated is not None:
        statement = statement.correlate(correlated)
    return statement if order is None else statement.order_by(order.desc())


def _flags(newest: Select[Any]) -> ScalarSelect[Any]:
    rows = newest.subquery()
    flags = (
        (and_(rows.c.cost_pd.is_not(None), rows.c.reported_ns.is_(None)), _ESTIMATED),
        (or_(rows.c.cost_pd.is_(None), rows.c.unpriced_calls > 0), _UNPRICED),
        (rows.c.calls_cost_pd > 0, _WITH_CALLS),
    )
    first, *others = (func.max(case((condition, flag), else_=0)) for condition, flag in flags)
    return select(sum(others, first)).scalar_subquery()


def _read(
    connection: Connection, key: ColumnElement[Any], flags: ScalarSelect[Any], ids: Collection[K]
) -> dict[K, CostMarks]:
    wanted = list(ids)
    found: dict[K, CostMarks] = {}
    for start in range(0, len(wanted), _KEYS_AT_ONCE):
        some = wanted[start : start + _KEYS_AT_ONCE]
        rows = connection.execute(select(key, flags).where(key.in_(some)))
        found |= {row[0]: _marks(row[1]) for row in rows}
    return found


def _marks(flags: int | None) -> CostMarks:
    flags = flags or 0
    return CostMarks(bool(flags & _ESTIMATED), bool(flags & _UNPRICED), bool(flags & _WITH_CALLS))
