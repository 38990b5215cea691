"""The transaction page: one transaction whole, read from the exports that hold it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, select

from collector.domain.facts import Capacity, Initialization, Result
from collector.store.queries.costs import parts_of
from collector.store.queries.lookups import labels, read_services, unknown_function
from collector.store.queries.retries import retries_among
from collector.store.queries.transaction_expired import add_expired, count_gone
from collector.store.queries.transaction_logged import add_logged
from collector.store.queries.transaction_logs import build_logs
from collector.store.queries.transaction_models import (
    ExceptionDetail,
    FailureDetail,
    InvocationDetail,
    LogLine,
    ReportedIssue,
    SpanDetail,
    TransactionDetail,
)
from collector.store.queries.transaction_scope import beside, scope_of
from collector.store.queries.transaction_source import Source, load
from collector.store.queries.transaction_spans import build_spans, key_of
from collector.store.tables import memberships, transactions

__all__ = [
    "ExceptionDetail",
    "FailureDetail",
    "InvocationDetail",
    "LogLine",
    "ReportedIssue",
    "SpanDetail",
    "TransactionDetail",
    "find_transaction",
    "get_transaction",
]

MAX_LOGS = 10_000


def get_transaction(
    connection: Connection, transaction_id: bytes, *, max_spans: int = 10_000
) -> TransactionDetail | None:
    """None: no such transaction. Every trace id in a transaction finds it, not only the entry's.

    Of a trace in several transactions, the earliest. Of more than `max_spans` spans or MAX_LOGS log lines, the
    earliest too.
    """
    own = select(transactions).where(transactions.c.id == transaction_id)
    row = connection.execute(own).one_or_none()
    if row is None:
        row = connection.execute(
            select(transactions)
            .join(memberships, memberships.c.transaction_id == transactions.c.id)
            .where(memberships.c.trace_id == transaction_id)
            .order_by(transactions.c.started_ns, transactions.c.id)
            .limit(1)
        ).one_or_none()
    if row is None:
        return None
    with _without_collection():
        return _read(connection, row, max_spans)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Makes 10,000 spans and what they hold without Python's looking through all of them for cycles again and again: it
    took a third of the page's time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read(connection: Connection, row: Row[*tuple[Any, ...]], max_spans: int) -> TransactionDetail:
    scope = scope_of(connection, row.id, row.invocations)
    source = load(connection, scope, max_spans=max_spans, max_logs=MAX_LOGS)
    left_out = max(0, row.invocations - len(source.invocations)) if scope.latest_ns is not None else 0
    add_logged(connection, source, max_spans=max_spans, max_logs=MAX_LOGS)
    without_payloads = add_expired(connection, source)
    spans = build_spans(source)
    logs = build_logs(source, spans)
    functions = [source.functions[id] for id in source.function_ids if id in source.functions]
    return TransactionDetail(
        id=row.id,
        started_ns=row.started_ns,
        duration_ns=row.ended_ns - row.started_ns,
        result=Result(row.result),
        entry=source.functions.get(row.entry_function_id) or unknown_function(row.entry_function_id),
        trigger=row.trigger,
        trigger_resource=source.resources.get(row.trigger_resource_id),
        invocations_total=row.invocations,
        failed_invocations=row.failed_invocations,
        cold_starts=row.cold_starts,
        cost_pd=row.cost_pd,
        accounts=tuple(sorted({function.account for function in functions} - {""})),
        regions=tuple(sorted({function.region for function in functions} - {""})),
        services=read_services(row.services),
        issues=labels(issue for found in source.issues.values() for issue in found),
        invocations=_invocations(source),
        spans=spans,
        logs=logs,
        spans_total=source.spans_total,
        logs_total=max(source.logs_total, len(logs)) + source.logged_cut,
        unreadable=source.unreadable,
        without_payloads=without_payloads,
        gone_invocations=count_gone(connection, source, row.invocations - left_out),
        # Each misses some calls: the one those that are not read, the other those that came without their invocation.
        calls_cost_pd=max(row.calls_cost_pd, sum(call.cost_pd or 0 for call in source.calls.values())),
        unpriced_calls=max(row.unpriced_calls, sum(call.cost_pd is None for call in source.calls.values())),
        left_out=left_out,
        beside=beside(connection, scope),
        costs=parts_of(source.invocations.values(), source.calls.values(), source.functions, source.resources),
        retries=retries_among(source.invocations.values()),
    )


def find_transaction(connection: Connection, trace_id: bytes) -> bytes | None:
    """The transaction that a trace belongs to; of several the earliest. None: it is not known, or not yet."""
    return connection.scalar(
        select(transactions.c.id)
        .join(memberships, memberships.c.transaction_id == transactions.c.id)
        .where(memberships.c.trace_id == trace_id)
        .order_by(transactions.c.started_ns, transactions.c.id)
        .limit(1)
    )


def _invocations(source: Source) -> tuple[InvocationDetail, ...]:
    return tuple(
        InvocationDetail(
            key=key_of(id),
            function=source.functions.get(row.function_id) or unknown_function(row.function_id),
            request_id=row.request_id,
            result=Result(row.result),
            finished=row.finished,
            cold_start=row.cold_start,
            init_ns=row.init_ns,
            initialization=Initialization(row.initialization) if row.initialization is not None else None,
            restore_ns=row.restore_ns,
            reported_ns=row.reported_ns,
            batch_size=row.batch_size,
            batch_failed=row.batch_failed,
            calls_cost_pd=row.calls_cost_pd,
            unpriced_calls=row.unpriced_calls,
            capacity=Capacity(row.capacity),
            ephemeral_mb=row.ephemeral_mb,
            failure=FailureDetail(failure.type, failure.message) if (failure := source.failures.get(id)) else None,
            memory_mb=row.memory_mb,
            max_memory_mb=row.max_memory_mb,
            billed_ms=row.billed_ms,
            cost_pd=row.cost_pd,
            trigger=row.trigger,
            issues=labels(source.issues.get(id, ())),
        )
        for id, row in source.invocations.items()
    )
