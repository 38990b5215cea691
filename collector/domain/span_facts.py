"""A span on its way in, and its place among the others of its export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.trace.v1 import trace_pb2

from collector.domain.calls import Target
from collector.domain.spans import Value


@dataclass(slots=True, eq=False)
class SpanFacts:
    """The protobuf message beside what was read of it once: each look into the message costs 50 to 150 ns."""

    span: trace_pb2.Span
    trace_id: bytes
    span_id: bytes
    number: int  # the span id as the tables hold it
    parent_id: bytes  # empty: none
    kind: int
    name: str
    started_ns: int
    duration_ns: int
    failed: bool
    finished: bool  # False: still open when it was sent, its end is unknown
    attributes: Mapping[str, Value]
    parent: SpanFacts | None = None  # where it is in the same export
    owner: SpanFacts | None = None  # the invocation that it is part of
    target: Target | None = None  # of a call
    cost_pd: int | None = None  # of a call
    calls: list[SpanFacts] = field(default_factory=list)  # of an invocation
    visited: bool = False


def connect(received: Iterable[SpanFacts]) -> list[SpanFacts]:
    """Sets every span's parent, and drops the worse of two that are the same span.

    The finished one is the better; of two such, the longer; of equals the first.
    """
    by_id: dict[bytes, SpanFacts] = {}
    for item in received:
        key = item.trace_id + item.span_id
        known = by_id.get(key)
        if known is None or (item.finished, item.duration_ns) > (known.finished, known.duration_ns):
            by_id[key] = item
    for item in by_id.values():
        if item.parent_id == item.span_id:
            item.parent_id = b""
        if item.parent_id:
            item.parent = by_id.get(item.trace_id + item.parent_id)
    return list(by_id.values())


def assign_owners(spans: Iterable[SpanFacts], invocations: Iterable[SpanFacts]) -> None:
    """Sets the invocation that each span is part of. Looks at each span once, whatever cycles parents make."""
    for item in invocations:
        item.owner, item.visited = item, True
    for item in spans:
        path: list[SpanFacts] = []
        current: SpanFacts | None = item
        while current is not None and not current.visited:
            current.visited = True
            path.append(current)
            current = current.parent
        owner = current.owner if current is not None else None
        for step in path:
            step.owner = owner


def release(spans: Iterable[SpanFacts]) -> None:
    """Breaks the cycles among spans, so that they and the request they are part of are freed at once.

    Waiting for the garbage collector would keep the payloads of hundreds of requests in memory.
    """
    for item in spans:
        item.parent = item.owner = None
        item.calls.clear()
