"""The System map: functions and resources, and what flows between them over the window."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from collector.domain.arns import parse_arn
from collector.domain.facts import Direction
from collector.domain.histogram import percentile_ms
from collector.store.queries.common import FunctionRef, ResourceRef, TimeRange
from collector.store.queries.functions import CALLS_COST, known_cost
from collector.store.queries.lookups import FUNCTION_COLUMNS, functions_by_id, resources_by_id, unknown_function
from collector.store.queries.windows import grouped, rollup, slices
from collector.store.tables import edge_durations, edge_stats, flow_stats, function_durations, function_stats, functions

_EDGE_SUMS = ("calls", "errors", "duration_us", "cost_pd", "unpriced")
MOST_EDGES = 2_000  # the busiest; a drawing of more is no map


@dataclass(frozen=True, slots=True)
class MapFunction:
    function: FunctionRef
    invocations: int
    errors: int
    average_ms: float | None
    p95_ms: float | None
    cost_pd: int | None
    calls_cost_pd: int = 0  # of those of its calls that have a price
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class MapResource:
    resource: ResourceRef
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class MapEdge:
    """`source` and `target` are "function:<id>" or "resource:<id>". Triggers run from resource to function, or to the
    resource that it hands something to: from Transcribe to the bucket of its transcripts."""

    source: str
    target: str
    trigger: bool
    calls: int
    errors: int
    average_ms: float | None  # None for triggers: nothing measures them
    p95_ms: float | None
    cost_pd: int | None = None  # of those calls that have a price; None: none has, or it is a trigger
    unpriced: int = 0  # calls without one


@dataclass(frozen=True, slots=True)
class SystemMap:
    functions: tuple[MapFunction, ...]
    resources: tuple[MapResource, ...]
    edges: tuple[MapEdge, ...]


@dataclass(slots=True)
class _Flow:
    """What flows along one edge. Several resources can be one function under several names."""

    calls: int = 0
    errors: int = 0
    duration_us: int = 0
    cost_pd: int = 0
    unpriced: int = 0
    histogram: Counter[int] = field(default_factory=Counter)


_EdgeKey = tuple[str, str, bool]  # source, target, trigger


def get_system_map(connection: Connection, window: TimeRange) -> SystemMap:
    """Everything with traffic within the window. A resource that is a known function (Lambda invoke) is merged
    into that function's node. Of more than MOST_EDGES edges the busiest are kept."""
    rows = _edges(connection, window)
    handed = _handed_on(connection, window)
    ids = {row[1] for row in rows} | {id for source, target, _ in handed for id in (source, target)}
    resources = list(resources_by_id(connection, ids).values())
    same = _functions_behind(connection, [found for found in resources if found.service == "lambda"])
    flows = _flows(rows, _edge_histograms(connection, window), same)
    for source, target, events in handed:
        if source not in same and target not in same:
            flows[f"resource:{source}", f"resource:{target}", True] = _Flow(calls=events)
    return SystemMap(
        functions=_functions(connection, window, {row[0] for row in rows} | set(same.values())),
        resources=_resources([found for found in resources if found.id not in same], flows),
        edges=tuple(_edge(key, flow) for key, flow in sorted(flows.items())),
    )


def _edges(connection: Connection, window: TimeRange) -> list[tuple[int, ...]]:
    """(function, resource, direction, calls, errors, duration_us, cost_pd, unpriced), busiest first."""
    stats = edge_stats.c
    rows = rollup(
        edge_stats,
        slices(window),
        [stats.function_id, stats.resource_id, stats.direction, *(stats[name] for name in _EDGE_SUMS)],
    )
    keys = [rows.c.function_id, rows.c.resource_id, rows.c.direction]
    found = grouped(rows, keys, *_EDGE_SUMS).subquery()
    statement = (
        select(found)
        .where(found.c.calls > 0)
        .order_by(found.c.calls.desc(), found.c.function_id, found.c.resource_id, found.c.direction)
        .limit(MOST_EDGES)
    )
    return [tuple(row) for row in connection.execute(statement)]


def _handed_on(connection: Connection, window: TimeRange) -> list[tuple[int, int, int]]:
    """(source resource, target resource, events), most first."""
    stats = flow_stats.c
    rows = rollup(flow_stats, slices(window), [stats.source_id, stats.target_id, stats.events])
    found = grouped(rows, [rows.c.source_id, rows.c.target_id], "events").subquery()
    statement = (
        select(found)
        .where(found.c.events > 0)
        .order_by(found.c.events.desc(), found.c.source_id, found.c.target_id)
        .limit(MOST_EDGES)
    )
    return [(row[0], row[1], int(row[2])) for row in connection.execute(statement)]


def _edge_histograms(connection: Connection, window: TimeRange) -> dict[tuple[int, int], Counter[int]]:
    """Of calls, by function and resource; nothing measures triggers."""
    durations = edge_durations.c
    rows = rollup(
        edge_durations,
        slices(window),
        [durations.function_id, durations.resource_id, durations.bucket, durations.count],
        durations.direction == Direction.CALLS,
    )
    statement = grouped(rows, [rows.c.function_id, rows.c.resource_id, rows.c.bucket], "count")
    found: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for function_id, resource_id, bucket, count in connection.execute(statement):
        found[function_id, resource_id][bucket] = count
    return found


def _functions_behind(connection: Connection, resources: Collection[ResourceRef]) -> dict[int, int]:
    """The function that each of these Lambda resources is, where it is known: the same name and region, and the same
    account where the resource says which. Of namesakes in several accounts none can be told to be the one."""
    statement = select(*FUNCTION_COLUMNS).where(
        functions.c.kind == "lambda", functions.c.name.in_({resource.name for resource in resources})
    )
    known = [FunctionRef(*row) for row in connection.execute(statement)] if resources else []
    same = {}
    for resource in resources:
        arn = parse_arn(resource.arn or "")
        account = arn.account if arn else ""
        candidates = [
            function
            for function in known
            if (function.name, function.region) == (resource.name, resource.region)
            and (not account or function.account in {account, ""})
        ]
        if len(candidates) == 1:
            same[resource.id] = candidates[0].id
    return same


def _flows(
    rows: Collection[tuple[int, ...]],
    histograms: Mapping[tuple[int, int], Counter[int]],
    same: Mapping[int, int],
) -> dict[_EdgeKey, _Flow]:
    flows: defaultdict[_EdgeKey, _Flow] = defaultdict(_Flow)
    for function_id, resource_id, direction, calls, errors, duration_us, cost_pd, unpriced in rows:
        function = f"function:{function_id}"
        resource = f"function:{same[resource_id]}" if resource_id in same else f"resource:{resource_id}"
        triggers = direction == Direction.TRIGGERS
        flow = flows[(resource, function, True) if triggers else (function, resource, False)]
        flow.calls += calls
        flow.errors += errors
        flow.duration_us += duration_us
        flow.cost_pd += cost_pd
        flow.unpriced += unpriced
        if not triggers:
            flow.histogram.update(histograms.get((function_id, resource_id), {}))
    return dict(flows)


def _edge(key: _EdgeKey, flow: _Flow) -> MapEdge:
    source, target, trigger = key
    return MapEdge(
        source=source,
        target=target,
        trigger=trigger,
        calls=flow.calls,
        errors=flow.errors,
        average_ms=None if trigger else flow.duration_us / flow.calls / 1e3,
        p95_ms=None if trigger else percentile_ms(flow.histogram.items(), 0.95),
        cost_pd=None if trigger or flow.unpriced == flow.calls else flow.cost_pd,
        unpriced=0 if trigger else flow.unpriced,
    )


def _resources(resources: Collection[ResourceRef], flows: Mapping[_EdgeKey, _Flow]) -> tuple[MapResource, ...]:
    """With the sums of the calls that reach each; one that only triggers has none."""
    calls: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for (_, target, trigger), flow in flows.items():
        if not trigger:
            calls[target] += flow.calls
            errors[target] += flow.errors
    nodes = [
        MapResource(resource, calls[f"resource:{resource.id}"], errors[f"resource:{resource.id}"])
        for resource in resources
    ]
    return tuple(sorted(nodes, key=lambda node: (node.resource.service, node.resource.name, node.resource.id)))


def _functions(connection: Connection, window: TimeRange, linked: set[int]) -> tuple[MapFunction, ...]:
    """Those that ran in the window, and those that edges lead to."""
    stats, durations = function_stats.c, function_durations.c
    names = ("invocations", "errors", "duration_us", "cost_pd", "unpriced", *CALLS_COST)
    rows = rollup(function_stats, slices(window), [stats.function_id, *(stats[name] for name in names)])
    sums = {row[0]: tuple(row[1:]) for row in connection.execute(grouped(rows, [rows.c.function_id], *names))}
    rows = rollup(function_durations, slices(window), [durations.function_id, durations.bucket, durations.count])
    histograms: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for function_id, bucket, count in connection.execute(grouped(rows, [rows.c.function_id, rows.c.bucket], "count")):
        histograms[function_id].append((bucket, count))
    ids = linked | {id for id, values in sums.items() if values[0]}
    known = functions_by_id(connection, ids)
    nodes = []
    for id in ids:
        count, errors, duration_us, cost_pd, unpriced, calls_cost_pd, unpriced_calls = sums.get(id, (0,) * 7)
        function = known.get(id, unknown_function(id))
        nodes.append(
            MapFunction(
                function=function,
                invocations=count,
                errors=errors,
                average_ms=duration_us / count / 1e3 if count else None,
                p95_ms=percentile_ms(histograms.get(id, ()), 0.95),
                cost_pd=known_cost(function.kind, count, cost_pd, unpriced),
                calls_cost_pd=calls_cost_pd,
                unpriced_calls=unpriced_calls,
            )
        )
    return tuple(sorted(nodes, key=lambda node: (node.function.name, node.function.id)))
