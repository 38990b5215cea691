"""The System map: functions and resources, and what flows between them over the window."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from collector.store.queries.common import FunctionRef, ResourceRef, TimeRange


@dataclass(frozen=True, slots=True)
class MapFunction:
    function: FunctionRef
    invocations: int
    errors: int
    average_ms: float | None
    p95_ms: float | None
    cost_pd: int | None


@dataclass(frozen=True, slots=True)
class MapResource:
    resource: ResourceRef
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class MapEdge:
    """`source` and `target` are "function:<id>" or "resource:<id>". Triggers run from resource to function."""

    source: str
    target: str
    trigger: bool
    calls: int
    errors: int
    average_ms: float | None  # None for triggers: nothing measures them
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class SystemMap:
    functions: tuple[MapFunction, ...]
    resources: tuple[MapResource, ...]
    edges: tuple[MapEdge, ...]


def get_system_map(connection: Connection, window: TimeRange) -> SystemMap:
    """Everything with traffic within the window. A resource that is a known function (Lambda invoke) is merged
    into that function's node."""
    raise NotImplementedError
