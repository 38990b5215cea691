"""Examples of an issue: its newest occurrences, and of these what their spans tell."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Row, and_, select
from zstandard import ZstdError

from collector.domain.facts import Result, Signal
from collector.domain.ids import span_bytes
from collector.domain.spans import Span, Value, read_spans
from collector.store.codec import decompress
from collector.store.queries.common import Tag, TimeRange
from collector.store.queries.lookups import ran_ns
from collector.store.queries.tags import tags_of
from collector.store.queries.transaction_models import ExceptionDetail
from collector.store.queries.transaction_spans import exception_of
from collector.store.queries.windows import nanoseconds
from collector.store.tables import exports, invocations, issue_occurrences, memberships, trace_exports

MOST = 10
# An invocation's span is in the export that begins with it, as a rule. Of others, so many before it are looked at.
_EXPORTS = 4
_LONGEST_BODY = 8 * 1024 * 1024  # compressed: larger ones are left to the transaction's page
_VERSIONS = ("faas.version", "service.version")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """One occurrence. Of an invocation that is not there, as of one that was refused, only when and where it was."""

    started_ns: int
    span_id: int
    trace_id: bytes
    transaction_id: bytes | None  # None: not stitched yet
    result: Result | None
    finished: bool
    duration_ns: int | None
    request_id: str | None
    cost_pd: int | None
    version: str  # "" where it is not known
    message: str  # its own; "" where its span does not say
    tags: tuple[Tag, ...]
    calls_cost_pd: int = 0  # of those of its calls that have a price
    unpriced_calls: int = 0
    reported: bool = False  # by the platform: what was billed is known, no estimate


@dataclass(frozen=True, slots=True)
class Samples:
    rows: tuple[Sample, ...]  # newest first
    exception: ExceptionDetail | None  # of the newest one that has any
    exception_of: Sample | None
    versions: tuple[tuple[str, int], ...]  # of the function, with how many of the rows had them


def read_samples(connection: Connection, issue_id: int, window: TimeRange) -> Samples:
    """The newest within the window."""
    start_ns, end_ns = nanoseconds(window)
    occurred = issue_occurrences.c
    found = connection.execute(
        select(occurred.started_ns, occurred.span_id, occurred.trace_id, *_columns())
        .select_from(issue_occurrences)
        .outerjoin(
            invocations,
            and_(invocations.c.started_ns == occurred.started_ns, invocations.c.span_id == occurred.span_id),
        )
        .where(occurred.issue_id == issue_id, occurred.started_ns >= start_ns, occurred.started_ns < end_ns)
        .order_by(occurred.started_ns.desc(), occurred.span_id.desc())
        .limit(MOST)
    ).all()
    transactions: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for trace_id, transaction_id in connection.execute(
        select(memberships.c.trace_id, memberships.c.transaction_id)
        .where(memberships.c.trace_id.in_({row.trace_id for row in found}))
        .order_by(memberships.c.transaction_id)
    ):
        transactions[trace_id].append(transaction_id)
    tags = tags_of(connection, [(row.started_ns, row.span_id) for row in found])
    spans = [_read_span(connection, row) for row in found]
    exceptions = [_last_exception(span) for span in spans]
    rows = tuple(
        Sample(
            started_ns=row.started_ns,
            span_id=row.span_id,
            trace_id=row.trace_id,
            transaction_id=next(iter(transactions[row.trace_id]), None),
            result=Result(row.result) if row.result is not None else None,
            finished=row.finished is not False,
            duration_ns=ran_ns(row) if row.result is not None else None,
            request_id=row.request_id,
            cost_pd=row.cost_pd,
            calls_cost_pd=row.calls_cost_pd or 0,
            unpriced_calls=row.unpriced_calls or 0,
            reported=row.reported_ns is not None,
            version=_version(span.resource) if span is not None else "",
            message=(exception.message if exception else span.status_message) if span is not None else "",
            tags=tags.get((row.started_ns, row.span_id), ()),
        )
        for row, span, exception in zip(found, spans, exceptions, strict=True)
    )
    example = next((index for index, exception in enumerate(exceptions) if exception is not None), None)
    versions = Counter(row.version for row in rows if row.version)
    return Samples(
        rows,
        exceptions[example] if example is not None else None,
        rows[example] if example is not None else None,
        tuple(sorted(versions.items(), key=lambda item: (-item[1], item[0]))),
    )


def _columns() -> list[Any]:
    names = (
        "result",
        "finished",
        "duration_ns",
        "reported_ns",
        "request_id",
        "cost_pd",
        "calls_cost_pd",
        "unpriced_calls",
    )
    return [invocations.c[name] for name in names]


def _read_span(connection: Connection, row: Row[*tuple[Any, ...]]) -> Span | None:
    """The occurrence's span, from the exports of its trace that begin no later than it does: the latest of these hold
    it. None: it is not there, or came in none of them."""
    last = (row.started_ns + 1).to_bytes(8, "big") + bytes(8)
    ids = (
        select(trace_exports.c.export_id)
        .where(trace_exports.c.trace_id == row.trace_id, trace_exports.c.export_id < last)
        .order_by(trace_exports.c.export_id.desc())
        .limit(_EXPORTS)
    )
    bodies = connection.execute(
        select(exports.c.codec, exports.c.body)
        .where(exports.c.id.in_(connection.scalars(ids).all()), exports.c.signal == Signal.TRACES)
        .order_by(exports.c.id.desc())
    )
    wanted, best = span_bytes(row.span_id), None
    for codec, body in bodies:
        if len(body) > _LONGEST_BODY:
            continue
        try:
            for span in read_spans(decompress(codec, body), {row.trace_id}):
                if span.span_id == wanted and (best is None or span.ended_ns > best.ended_ns):
                    best = span
        except (DecodeError, ZstdError, ValueError) as error:
            logger.warning("an export cannot be read: %s", error)
    return best


def _last_exception(span: Span | None) -> ExceptionDetail | None:
    """Earlier ones were handled."""
    if span is None:
        return None
    return next((exception_of(event.attributes) for event in reversed(span.events) if event.name == "exception"), None)


def _version(resource: Mapping[str, Value]) -> str:
    return next((str(resource[name])[:200] for name in _VERSIONS if resource.get(name)), "")
