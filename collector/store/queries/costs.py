"""What things cost, by part: the invocations of each function, the calls of each service, the values of a tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select, text, union_all

from collector.domain.facts import Direction
from collector.store.queries.common import FunctionRef, ResourceRef, TimeRange
from collector.store.queries.lookups import storable, unknown_function
from collector.store.queries.windows import Slice, grouped, nanoseconds, rollup, slices, total
from collector.store.tables import edge_stats, invocations, issue_occurrences, resources, tag_stats

MOST_KEYS = 100
MOST_VALUES = 100
_FEW_STARTS = 1_000  # rollup rows of one edge that are asked for one by one


@dataclass(frozen=True, slots=True)
class CostPart:
    """The invocations of a function, or the calls of a service (`function` is None)."""

    function: FunctionRef | None
    service: str  # "lambda" for a function
    count: int  # invocations or calls
    cost_pd: int | None  # of those that have a known one; None: none has
    unpriced: int  # of `count`, those whose cost is not known
    # False: invocations, all of which Lambda has reported on; None: it has on some, perhaps
    estimated: bool | None = True
    # The calls of a function are parts of their own.
    calls_cost_pd: int = 0
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class IssueCost:
    """What the invocations with an issue cost: each attempt that failed with it is one."""

    occurrences: int
    cost_pd: int | None  # None: not known of any
    calls_cost_pd: int
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class TagCost:
    """The invocations with one value of a tag."""

    value: str
    invocations: int
    errors: int
    cost_pd: int | None
    calls_cost_pd: int
    unpriced_calls: int
    unpriced: int = 0  # of `invocations`, those whose own cost is unknown


def parts_of(
    found: Iterable[Row[*tuple[Any, ...]]],
    calls: Iterable[Row[*tuple[Any, ...]]],
    functions: Mapping[int, FunctionRef],
    known: Mapping[int | None, ResourceRef],
) -> tuple[CostPart, ...]:
    """Of rows of `invocations` and `calls`: dearest first, then what is not known. What AWS charges nothing for is left
    out."""
    own: dict[int, list[Row[*tuple[Any, ...]]]] = {}
    for row in found:
        own.setdefault(row.function_id, []).append(row)
    services: dict[str, list[int | None]] = {}
    for row in calls:
        resource = known.get(row.resource_id)
        if resource is not None:
            services.setdefault(resource.service, []).append(row.cost_pd)
    parts = [
        _part(
            [row.cost_pd for row in rows],
            functions.get(id) or unknown_function(id),
            "lambda",
            estimated=any(row.reported_ns is None for row in rows),
        )
        for id, rows in own.items()
    ]
    parts.extend(_part(costs, None, service) for service, costs in services.items())
    return _ordered(parts)


def calls_by_service(connection: Connection, function_id: int, window: TimeRange) -> tuple[CostPart, ...]:
    """What a function's calls cost in the window; as `parts_of`."""
    edges = edge_stats.c
    rows = union_all(
        *(
            select(edges.resource_id, edges.calls, edges.cost_pd, edges.unpriced).where(
                edges.resolution == part.resolution,
                _starts(edges.start_s, part),
                edges.function_id == function_id,
                edges.direction == Direction.CALLS,
            )
            for part in slices(window)
        )
    ).subquery()
    joined = (
        select(resources.c.service, rows.c.calls, rows.c.cost_pd, rows.c.unpriced)
        .join(resources, resources.c.id == rows.c.resource_id)
        .subquery()
    )
    statement = grouped(joined, [joined.c.service], "calls", "cost_pd", "unpriced")
    return _ordered(
        CostPart(None, service, calls, cost_pd if unpriced < calls else None, unpriced)
        for service, calls, cost_pd, unpriced in connection.execute(statement)
        if calls
    )


def cost_of_issue(connection: Connection, issue_id: int, window: TimeRange | None = None) -> IssueCost:
    """Of every occurrence ever, or of those in the window."""
    where: list[ColumnElement[bool]] = [issue_occurrences.c.issue_id == issue_id]
    if window is not None:
        start_ns, end_ns = nanoseconds(window)
        where.extend((issue_occurrences.c.started_ns >= start_ns, issue_occurrences.c.started_ns < end_ns))
    if not storable(issue_id):
        return IssueCost(0, None, 0, 0)
    statement = (
        select(
            func.count(),
            func.count(invocations.c.cost_pd),
            *(total(invocations.c[name]) for name in ("cost_pd", "calls_cost_pd", "unpriced_calls")),
        )
        .select_from(issue_occurrences)
        .join(
            invocations,
            (invocations.c.started_ns == issue_occurrences.c.started_ns)
            & (invocations.c.span_id == issue_occurrences.c.span_id),
        )
        .where(*where)
    )
    row = tuple(connection.execute(statement).one())
    return IssueCost(row[0], row[2] if row[1] else None, row[3], row[4])


# One look into the index for each key: there are few keys and very many rows.
_KEYS = text(
    "WITH RECURSIVE found(key) AS (SELECT MIN(key) FROM tag_stats UNION ALL "
    "SELECT (SELECT MIN(tag_stats.key) FROM tag_stats WHERE tag_stats.key > found.key) FROM found "
    "WHERE found.key IS NOT NULL) SELECT key FROM found WHERE key IS NOT NULL LIMIT :most"
)


def tag_keys(connection: Connection) -> list[str]:
    """The keys of all tags that invocations have had, in order; at most MOST_KEYS."""
    return list(connection.scalars(_KEYS, {"most": MOST_KEYS}))


def cost_by_tag(
    connection: Connection, key: str, window: TimeRange, *, function_id: int | None = None
) -> tuple[TagCost, ...]:
    """The values of a tag with what the invocations that have them cost, dearest first; at most MOST_VALUES."""
    if "\0" in key or not storable(function_id):
        return ()
    sums = ("invocations", "errors", "cost_pd", "unpriced", "calls_cost_pd", "unpriced_calls")
    stats = tag_stats.c
    where = [stats.key == key]
    if function_id is not None:
        where.append(stats.function_id == function_id)
    rows = rollup(tag_stats, slices(window), [stats.value, *(stats[name] for name in sums)], *where)
    found = grouped(rows, [rows.c.value], *sums).subquery()
    statement = (
        select(found)
        .where(found.c.invocations > 0)
        .order_by((found.c.cost_pd + found.c.calls_cost_pd).desc(), found.c.invocations.desc(), found.c.value)
        .limit(MOST_VALUES)
    )
    return tuple(
        TagCost(
            row.value,
            row.invocations,
            row.errors,
            row.cost_pd if row.unpriced < row.invocations else None,
            row.calls_cost_pd,
            row.unpriced_calls,
            row.unpriced,
        )
        for row in connection.execute(statement)
    )


def _part(costs: list[int | None], function: FunctionRef | None, service: str, *, estimated: bool = True) -> CostPart:
    known = [cost for cost in costs if cost is not None]
    return CostPart(function, service, len(costs), sum(known) if known else None, len(costs) - len(known), estimated)


def _ordered(parts: Iterable[CostPart]) -> tuple[CostPart, ...]:
    kept = [part for part in parts if part.function is not None or part.cost_pd or part.unpriced]
    return tuple(sorted(kept, key=lambda part: (-(part.cost_pd or 0), part.cost_pd is None, part.service, part.count)))


def _starts(column: ColumnElement[int], part: Slice) -> ColumnElement[bool]:
    """One by one the rows of an edge are found in the index; a range would read those of all functions."""
    starts = range(part.start_s, part.end_s, part.resolution)
    if len(starts) > _FEW_STARTS:
        return column.between(part.start_s, part.end_s - 1)
    return column.in_(bindparam(None, list(starts), expanding=True, literal_execute=True))
