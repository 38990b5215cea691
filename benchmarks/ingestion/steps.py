"""What storing costs in each step of the way in, in this process: decoding, group commits, stitching; no HTTP.

As in the collector one step follows another and nothing is kept: a group is decoded and committed, and every thousand
exports are stitched. CPU time of this process, because machines are shared; several runs, each into a new database. At
the end everything must be there.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select

from benchmarks.machine import spread
from collector.domain.facts import Facts
from collector.domain.intake import read_traces
from collector.store import tables
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.schema import upgrade
from collector.store.stitcher import Stitcher
from tests.databases import PostgresServer

SPANS_PER_EXPORT = 6
STITCH_EVERY = 1_000  # exports: what the budget's 5,000 a second bring between two passes

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """CPU microseconds per export, and bytes per span."""

    decode: float
    commit: float
    stitch: float
    bytes_per_span: float

    @property
    def total(self) -> float:
        return self.decode + self.commit + self.stitch


class Clock:
    """Adds up the CPU time of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"decode": 0.0, "commit": 0.0, "stitch": 0.0}

    def time(self, step: str, do: Callable[[], T]) -> T:
        begin = time.process_time()
        result = do()
        self.seconds[step] += time.process_time() - begin
        return result


def measure(url: str, bodies: Sequence[bytes], *, group: int, invocations: int) -> Run:
    """`invocations` is how many all bodies hold. Raises RuntimeError if afterwards there are fewer or more."""
    engine = open_engine(url)
    upgrade(engine)
    received_ms = time.time_ns() // 1_000_000
    clock, seen, stitcher = Clock(), Seen(), Stitcher(engine)
    pass_every = max(1, STITCH_EVERY * len(bodies) // invocations // group)

    def decode(some: Sequence[bytes]) -> list[Facts]:
        return [read_traces(body, received_ms=received_ms).facts for body in some]

    def commit(facts: list[Facts]) -> None:
        with engine.begin() as connection:
            write_facts(connection, facts, seen)
        seen.confirm()

    for number, start in enumerate(range(0, len(bodies), group), 1):
        facts = clock.time("decode", lambda: decode(bodies[start : start + group]))  # noqa: B023  # called at once
        clock.time("commit", lambda: commit(facts))  # noqa: B023  # called at once
        if number % pass_every == 0:
            clock.time("stitch", stitcher.run_pass)
    while clock.time("stitch", stitcher.run_pass) is not None:
        pass
    with engine.connect() as connection:
        stored = connection.scalar(select(func.count()).select_from(tables.invocations))
        placed = connection.scalar(select(func.count(tables.memberships.c.trace_id.distinct())))
        if engine.dialect.name == "postgresql":
            size = connection.scalar(select(func.pg_database_size(func.current_database()))) or 0
    engine.dispose()
    if not stored == placed == invocations:
        raise RuntimeError(f"of {invocations} invocations {stored} are stored and {placed} in a transaction")
    if url.startswith("sqlite"):
        size = Path(url.removeprefix("sqlite:///")).stat().st_size
    per_export = 1_000_000 / invocations
    cost = {step: seconds * per_export for step, seconds in clock.seconds.items()}
    return Run(**cost, bytes_per_span=size / invocations / SPANS_PER_EXPORT)


@contextmanager
def databases(postgresql: bool) -> Iterator[Callable[[], str]]:
    """Gives the URL of a new database each time it is asked."""
    with tempfile.TemporaryDirectory() as folder:
        if not postgresql:
            numbers = iter(range(10**6))
            yield lambda: f"sqlite:///{folder}/{next(numbers)}.db"
            return
        server = PostgresServer()
        try:
            yield lambda: server.url(server.create(migrated=False))
        finally:
            server.stop()


def report_steps(requests: Sequence[bytes], *, group: int, invocations: int, postgresql: bool, runs: int) -> None:
    """Measures and prints."""
    print(f"{group} requests to a commit, into {'PostgreSQL' if postgresql else 'SQLite'}")
    with databases(postgresql) as new_url:
        found = [measure(new_url(), requests, group=group, invocations=invocations) for _ in range(runs)]
    print("CPU µs per export, median (least to most):")
    for step in ("decode", "commit", "stitch", "total"):
        print(f"  {step:8} {spread([getattr(run, step) for run in found])}")
    total = statistics.median(run.total for run in found)
    print(f"  = {1_000_000 / total:,.0f} exports/s, {SPANS_PER_EXPORT * 1_000_000 / total:,.0f} spans/s on one core")
    print(f"bytes on disk per span: {spread([run.bytes_per_span for run in found])}")
