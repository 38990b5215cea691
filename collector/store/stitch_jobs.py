"""What is too much for one pass of the stitcher, kept in the database until it is worked off in slices.

A slice takes a few milliseconds, and requests are stored between two of them. Jobs are asked for by passes and by
commits; whoever runs the next pass goes on with them, so nothing is lost when a collector dies.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from enum import IntEnum
from typing import NamedTuple

from sqlalchemy import Connection

from collector.store import tables
from collector.store.statements import Conflict, delete_by_key, smaller, write

_JOBS = tables.stitch_jobs


class Kind(IntEnum):
    """What is to be done with the subject."""

    CONSUMERS = 1  # join the consumers of a link key anew, up to a time: key, nanoseconds
    PLACES = 2  # place those anew that a trace has set off, as its place is another, and look behind them: trace id
    SUMS = 3  # sum a transaction up: transaction id
    REVIEW = 4  # as PLACES, but the trace's own place is what it was: it goes no further by itself


class Job(NamedTuple):
    kind: int
    subject: bytes
    due_ns: int
    token: int
    state: bytes


# Asked for again, a job starts again; a key's consumers at the earlier of the two starts, and sums at the time that
# they were due, or what is asked for all the time would never be done.
_CONFLICTS = {
    Kind.CONSUMERS: Conflict((smaller(_JOBS, "state"),)),
    Kind.PLACES: Conflict(("token = excluded.token", "state = excluded.state")),
    Kind.SUMS: Conflict(("token = excluded.token",)),
    Kind.REVIEW: Conflict(("token = excluded.token", "state = excluded.state")),
}
_SIGN = 1 << 63
START = b""
FOREVER_NS = (1 << 63) - 1


def ask(connection: Connection, jobs: Collection[Job]) -> None:
    for kind in Kind:
        some = {job.subject: job for job in jobs if job.kind == kind}
        write(connection, _JOBS, some.values(), _CONFLICTS[kind])


def rejoin(connection: Connection, keys: Collection[int], now_ns: int) -> None:
    """Asks for all consumers of these link keys to be joined anew: rows of theirs are gone."""
    ask(connection, [Job(Kind.CONSUMERS, key_subject(key), now_ns, now_ns, START) for key in keys])


def take(connection: Connection, kind: Kind, now_ns: int, most: int) -> list[Job]:
    """Those that are due, the one that has waited longest first."""
    statement = (
        "SELECT kind, subject, due_ns, token, state FROM stitch_jobs "  # noqa: S608  # numbers of ours
        f"WHERE kind = {int(kind)} AND due_ns <= {now_ns} ORDER BY due_ns, subject LIMIT {most}"
    )
    return [Job(*row) for row in connection.exec_driver_sql(statement).fetchall()]


def next_due_ns(connection: Connection) -> int | None:
    due: int | None = connection.exec_driver_sql("SELECT min(due_ns) FROM stitch_jobs").scalar()
    return due


def go_on(connection: Connection, job: Job, state: bytes, due_ns: int) -> None:
    """Keeps how far a job has come, unless it was asked for anew meanwhile."""
    _change(connection, "UPDATE stitch_jobs SET state = {}, due_ns = {}", (state, due_ns), job)


def start_again(connection: Connection, job: Job, due_ns: int) -> None:
    _change(connection, "UPDATE stitch_jobs SET state = {}, due_ns = {}", (START, due_ns), job)


def finish(connection: Connection, jobs: Collection[Job]) -> None:
    for job in jobs:
        _change(connection, "DELETE FROM stitch_jobs", (), job)


def cancel(connection: Connection, kind: Kind, subjects: Collection[bytes]) -> None:
    """Drops jobs whose work has been done otherwise: what they have come to so far may be outdated."""
    delete_by_key(connection, _JOBS, {(int(kind), subject) for subject in subjects})


def _change(connection: Connection, statement: str, values: tuple[object, ...], job: Job) -> None:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    where = f" WHERE kind = {mark} AND subject = {mark} AND token = {mark} AND state = {mark}"
    connection.exec_driver_sql(
        statement.format(mark, mark) + where, (*values, job.kind, job.subject, job.token, job.state)
    )


def key_subject(key: int, until_ns: int = FOREVER_NS) -> bytes:
    return struct.pack(">qq", key, until_ns)


def read_key_subject(subject: bytes) -> tuple[int, int]:
    key, until_ns = struct.unpack(">qq", subject)
    return key, until_ns


def pack_position(started_ns: int, span_id: int) -> bytes:
    """So that the earlier of two is the smaller as bytes too."""
    return struct.pack(">QQ", started_ns + _SIGN, span_id + _SIGN)


def unpack_position(state: bytes) -> tuple[int, int]:
    if not state:
        return -_SIGN, -_SIGN
    started, span = struct.unpack(">QQ", state)
    return started - _SIGN, span - _SIGN
