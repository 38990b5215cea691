"""What becomes known of an invocation, piece by piece, and what the database then knows of it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Engine, Table, select

from collector.domain.facts import Facts
from collector.domain.intake import read_logs, read_traces
from collector.store import tables
from collector.store.commit import Seen, write_facts
from collector.store.stitcher import Stitcher
from collector.store.sweep import Sweeper
from tests.collector.domain.otlp import (
    MS,
    RECEIVED_MS,
    SECOND,
    START_NS,
    call,
    exception,
    export,
    export_logs,
    invocation,
    log,
)

LATER_NS = START_NS + 3_600 * SECOND


BUCKET = "uploads"


def traces(body: bytes) -> Facts:
    return read_traces(body, received_ms=RECEIVED_MS).facts


def end(number: int = 1, *, at: int = 0, request: str = "", lasted: int = 3_000, error: str | None = None) -> Facts:
    """The whole of an invocation, which called S3 twice."""
    return traces(
        export(
            spans=[
                invocation(
                    id=number * 16,
                    trace=number,
                    start=at,
                    duration=lasted * MS,
                    request=request or f"request-{number}",
                    attrs={"clew.tag.number": number, "clew.tag.version": "end"},
                    error=error,
                    events=[exception("ValueError", error)] if error is not None else [],
                ),
                call("S3.GetObject", id=number * 16 + 1, trace=number, parent=number * 16, name=BUCKET, start=at + MS),
                call(
                    "S3.PutObject",
                    id=number * 16 + 2,
                    trace=number,
                    parent=number * 16,
                    name=BUCKET,
                    start=at + 100 * MS,
                    duration=2_000 * MS,
                ),
            ]
        )
    )


def checkpoint(number: int = 1, *, at: int = 0, request: str = "", after: int = 500, timeout: bool = False) -> Facts:
    """The same invocation while its second call is open; `timeout`: shortly before its deadline."""
    attrs: dict[str, object] = {"clew.unfinished": True, "clew.lambda.deadline": START_NS + at + 3 * SECOND}
    attrs["clew.tag.number"] = number
    if timeout:
        attrs["error.type"] = "Sandbox.Timedout"
    return traces(
        export(
            spans=[
                invocation(
                    id=number * 16,
                    trace=number,
                    start=at,
                    duration=after * MS,
                    request=request or f"request-{number}",
                    attrs=attrs,
                    error="Task timed out after 3.00 seconds" if timeout else None,
                ),
                call("S3.GetObject", id=number * 16 + 1, trace=number, parent=number * 16, name=BUCKET, start=at + MS),
                call(
                    "S3.PutObject",
                    id=number * 16 + 2,
                    trace=number,
                    parent=number * 16,
                    name=BUCKET,
                    start=at + 100 * MS,
                    duration=(after - 100) * MS,
                    attrs={"clew.unfinished": True},
                ),
            ]
        )
    )


def report(
    number: int = 1,
    *,
    at: int = 0,
    request: str = "",
    kind: str = "platform.report",
    status: str = "success",
    named: bool = False,
    lasted: float = 3_001.5,
    error_type: str | None = None,
    used: int = 91,
) -> Facts:
    """What the platform says; `named`: with the span, not only the request."""
    ended = (START_NS + at) / 1e9 + (lasted / 1e3 if kind == "platform.report" else -0.005)
    time = f"2026-05-28T20:{26 + int(ended - START_NS / 1e9 + 40) // 60}:{(ended - START_NS / 1e9 + 40) % 60:06.3f}Z"
    record: dict[str, Any] = {"requestId": request or f"request-{number}", "status": status}
    if error_type is not None:
        record["errorType"] = error_type
    record["metrics"] = {"durationMs": lasted}
    if kind == "platform.report":
        record["metrics"] |= {"billedDurationMs": int(lasted) + 1, "memorySizeMB": 512, "maxMemoryUsedMB": used}
    body = json.dumps({"time": time, "type": kind, "record": record})
    attrs = {"faas.invocation_id": record["requestId"]} | ({"clew.invocation.start": START_NS + at} if named else {})
    line = log(body, trace=number if named else b"", span=number * 16 if named else b"", attrs=attrs, at=at)
    return read_logs(export_logs(line, logger="clew.telemetry"), received_ms=RECEIVED_MS).facts


def store(database: Engine, *group: Facts) -> None:
    with database.begin() as connection:
        write_facts(connection, group, Seen())


def sweep(database: Engine, now_ns: int = LATER_NS) -> None:
    sweeper = Sweeper(database, now=lambda: now_ns)
    while sweeper.run_pass():
        pass


def stitch(database: Engine) -> None:
    while Stitcher(database).run_pass() is not None:
        pass


def rows(database: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return sorted(
            (tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)))), key=repr
        )


def only(database: Engine, *columns: str, table: Table = tables.invocations) -> tuple[Any, ...]:
    (row,) = rows(database, table, *columns)
    return row


def known(database: Engine) -> dict[str, Any]:
    """All that pages read, without what is worth nothing: sums of zero, and issues that nothing is an occurrence of."""
    occurred = {row[0] for row in rows(database, tables.issue_occurrences, "issue_id")}
    found: dict[str, Any] = {
        table.name: rows(database, table, *table.columns.keys())
        for table in (tables.invocations, tables.calls, tables.invocation_tags, tables.issue_occurrences)
    }
    found["issues"] = [row for row in rows(database, tables.issues, "id", "type", "kind") if row[0] in occurred]
    for table in (tables.function_stats, tables.edge_stats, tables.issue_stats):
        key = [column.name for column in table.primary_key.columns]
        sums = [column.name for column in table.columns if column.name not in key]
        found[table.name] = [row for row in rows(database, table, *key, *sums) if any(row[len(key) :])]
    for table in (tables.function_durations, tables.edge_durations):
        found[table.name] = [row for row in rows(database, table, *table.columns.keys()) if row[-1]]
    found["transactions"] = rows(database, tables.transactions, *tables.transactions.c.keys())
    return found
