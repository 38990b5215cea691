"""What retention costs those who send meanwhile: exports are stored while as many old ones are deleted.

    scripts/bench retention [--exports 30000] [--database postgresql]

Prints how long exports waited for their commit, alone and beside a pass of retention, how long that pass took, its
longest step, and what the database took on disk before and after.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.machine import describe_machine, percentile
from collector.domain.facts import Call, Facts, Invocation
from collector.domain.ids import export_id
from collector.domain.intake import read_traces
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.partitions import make_ahead
from collector.store.periods import Periods
from collector.store.pruner import Pruner
from collector.store.schema import upgrade
from collector.store.space import disk
from collector.store.stitcher import Stitcher
from collector.store.writer import Writer
from tests.collector.domain.otlp import call, export, invocation, resource

DAY_NS = 86_400_000_000_000
OLD_DAYS = 20
PAYLOAD = 2_500  # bytes that do not compress, per export
TOGETHER = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", type=int, default=30_000, help="old ones, each an invocation and five calls")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="clew-retention-") as folder:
        if options.database == "sqlite":
            measure(f"sqlite:///{Path(folder, 'clew.db')}", options.exports)
            return
        from tests.databases import PostgresServer  # noqa: PLC0415

        server = PostgresServer()
        try:
            measure(server.url(server.create(migrated=False)), options.exports)
        finally:
            server.stop()


def measure(url: str, count: int) -> None:
    engine = open_engine(url)
    upgrade(engine)
    reader = open_engine(url, read_only=True)
    now_ns = time.time_ns()
    for days in range(OLD_DAYS + 1, -1, -3):
        make_ahead(engine, now_ns - days * DAY_NS)
    fill(engine, count, now_ns)
    with engine.begin() as connection:
        before = disk(connection)
    writer = Writer(engine)
    writer.start()
    alone = send(writer, 3.0, 10_000_000)
    pruner = Pruner(engine, reader, Periods(exports=5, rows=6, minutes=10, hours=12))
    ended = threading.Event()
    took: list[float] = []

    def prune() -> None:
        begun = time.perf_counter()
        print("deleted", dict(pruner.run()))
        took.append(time.perf_counter() - begun)
        ended.set()

    thread = threading.Thread(target=prune)
    thread.start()
    beside: list[float] = []
    while not ended.is_set():
        beside += send(writer, 0.5, 20_000_000 + len(beside))
    thread.join()
    writer.close()
    with engine.begin() as connection:
        after = disk(connection)
    print(
        f"{count} exports of {OLD_DAYS} to 8 days ago, {before.total >> 20} MiB on disk; afterwards {after.total >> 20}"
    )
    print(f"a pass took {took[0]:.1f} s, its longest step {pruner.longest_s * 1000:.0f} ms")
    for name, waits in (("alone", alone), ("beside it", beside)):
        ms = sorted(wait * 1000 for wait in waits)
        print(
            f"an export waits {name}: median {statistics.median(ms):.1f} ms, p99 {percentile(ms, 0.99):.1f} ms, "
            f"longest {ms[-1]:.1f} ms, of {len(ms)}"
        )
    engine.dispose()
    reader.dispose()


def fill(engine: Engine, count: int, now_ns: int) -> None:
    seen = Seen()
    for start in range(0, count, TOGETHER):
        group = [
            made(number, now_ns - round((OLD_DAYS - 12 * number / count) * DAY_NS))
            for number in range(start, min(start + TOGETHER, count))
        ]
        with engine.begin() as connection:
            write_facts(connection, group, seen)
        seen.confirm()
    stitcher = Stitcher(engine)
    while stitcher.run_pass() is not None:
        pass


def made(number: int, started_ns: int) -> Facts:
    """An export as the tracer sends it, moved to its time."""
    ids = [number * 10 + index + 1 for index in range(6)]
    calls = [call("S3.PutObject", name=f"bucket-{n % 7}", id=n, trace=number + 1, parent=ids[0]) for n in ids[1:]]
    spans = [invocation(f"function-{number % 20}", id=ids[0], trace=number + 1), *calls]
    body = export(resource=resource(f"function-{number % 20}"), spans=spans)
    facts = read_traces(body, received_ms=started_ns // 1_000_000).facts
    shift = started_ns - facts.invocations[0].started_ns

    def moved(row: Invocation | Call) -> Invocation | Call:
        return row._replace(started_ns=row.started_ns + shift)

    facts.invocations = [moved(row) for row in facts.invocations]  # type: ignore[misc]
    facts.calls = [moved(row) for row in facts.calls]  # type: ignore[misc]
    facts.link_keys = [row._replace(started_ns=row.started_ns + shift) for row in facts.link_keys]
    body = os.urandom(PAYLOAD)
    facts.export = facts.export._replace(id=export_id(started_ns, body), body=body)
    return facts


def send(writer: Writer, seconds: float, first: int) -> list[float]:
    """One export after the other; how long each waited."""
    waits: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        facts = made(first + len(waits), time.time_ns())
        begun = time.perf_counter()
        writer.submit(facts, PAYLOAD)
        waits.append(time.perf_counter() - begun)
    return waits


if __name__ == "__main__":
    main()
