"""What the writer counts, and how large the database is, as measures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from collector.domain.measures import Durations, Histogram, Labels, Measure, one
from collector.store import tables
from collector.store.engine import sqlite_path
from collector.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from collector.store.writer import Writer

_READ_EVERY_S = 10.0  # the database is not asked more often than this, whoever asks us


class WriterCounts:
    """Kept by the writer's thread. An export that is sent again counts again."""

    def __init__(self) -> None:
        self.commits = 0
        self.failed_commits = 0
        self.stored_exports = 0
        self.returned_exports = 0  # to be sent again, because the database failed
        self.unstorable_exports = 0
        self.stitch_passes = 0
        self.failed_passes = 0  # of the stitcher and the sweep; tried again
        self.commit_s = Durations()
        self.wait_s = Durations()  # of an export, from being read to being stored


def store_measures(writer: Writer, reading: Engine) -> list[Measure | Histogram]:
    counts = writer.counts
    database = _Database(reading)
    return [
        Measure("store_alive", "gauge", "1 if exports can be stored.", lambda: one(int(writer.alive))),
        Measure("waiting_exports", "gauge", "Exports that wait for their commit.", lambda: one(writer.waiting)),
        Measure("waiting_bytes", "gauge", "What they hold in memory.", lambda: one(writer.waiting_bytes)),
        Measure("commits", "counter", "Commits of exports.", lambda: one(counts.commits)),
        Measure("failed_commits", "counter", "Commits that the database failed.", lambda: one(counts.failed_commits)),
        Measure("stored_exports", "counter", "Exports stored.", lambda: one(counts.stored_exports)),
        Measure(
            "returned_exports",
            "counter",
            "Exports to be sent again, because the database failed.",
            lambda: one(counts.returned_exports),
        ),
        Measure(
            "unstorable_exports",
            "counter",
            "Exports that the database refused for themselves.",
            lambda: one(counts.unstorable_exports),
        ),
        Measure(
            "stitch_passes",
            "counter",
            "Passes that put traces into their transactions.",
            lambda: one(counts.stitch_passes),
        ),
        Measure(
            "failed_passes",
            "counter",
            "Passes of the stitcher or the sweep that failed and are tried again.",
            lambda: one(counts.failed_passes),
        ),
        Measure(
            "unstitched_traces",
            "gauge",
            "Traces that wait to be put into their transactions.",
            database.unstitched_traces,
        ),
        Measure("database_bytes", "gauge", "Size of the database.", database.size),
        Histogram("commit_seconds", "Durations of commits.", counts.commit_s.read),
        Histogram("export_wait_seconds", "From reading an export to its commit.", counts.wait_s.read),
    ]


class _Database:
    """Numbers that the database is asked for. None where it does not answer."""

    def __init__(self, reading: Engine) -> None:
        self._reading = reading
        self._read_at = -_READ_EVERY_S
        self._size: dict[Labels, float] = {}
        self._unstitched: dict[Labels, float] = {}

    def size(self) -> dict[Labels, float]:
        self._read()
        return self._size

    def unstitched_traces(self) -> dict[Labels, float]:
        self._read()
        return self._unstitched

    def _read(self) -> None:
        now = time.monotonic()
        if now - self._read_at < _READ_EVERY_S:
            return
        self._read_at = now
        self._size, self._unstitched = {}, {}
        try:
            path = sqlite_path(self._reading)
            with self._reading.connect() as connection:
                self._unstitched = one(connection.scalar(select(func.count()).select_from(tables.stitch_queue)) or 0)
                if path is None:
                    size = connection.scalar(select(func.pg_database_size(func.current_database())))
                    self._size = one(int(size or 0))
            if path is not None:
                files = (path, path.with_name(f"{path.name}-wal"))
                self._size = one(sum(file.stat().st_size for file in files if file.exists()))
        except (SQLAlchemyError, StoreError, OSError):
            pass  # whoever scrapes us sees that it is missing, and by clew_store_alive why
