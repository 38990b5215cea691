"""What storing costs: CPU per export in each step of the way in, and bytes on disk per span.

    scripts/bench ingest --exports 20000 --group 100

Six-span exports with payloads go through decoding, group commits and stitching in this process; HTTP is not part of
it. CPU time, because machines are shared; several runs, each into a new database.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exports import exports
from benchmarks.machine import describe_machine, spread
from collector.domain.intake import read_traces
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.schema import upgrade
from collector.store.stitcher import Stitcher

SPANS_PER_EXPORT = 6


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


def measure(url: str, bodies: list[bytes], group: int) -> Run:
    engine = open_engine(url)
    upgrade(engine)
    received_ms = time.time_ns() // 1_000_000
    begin = time.process_time()
    facts = [read_traces(body, received_ms=received_ms).facts for body in bodies]
    decoded = time.process_time()
    seen = Seen()
    for start in range(0, len(facts), group):
        with engine.begin() as connection:
            write_facts(connection, facts[start : start + group], seen)
        seen.confirm()
    committed = time.process_time()
    stitcher = Stitcher(engine)
    while stitcher.run_pass() is not None:
        pass
    stitched = time.process_time()
    engine.dispose()
    size = Path(url.removeprefix("sqlite:///")).stat().st_size if url.startswith("sqlite") else 0
    per_export = 1_000_000 / len(bodies)
    return Run(
        (decoded - begin) * per_export,
        (committed - decoded) * per_export,
        (stitched - committed) * per_export,
        size / len(bodies) / SPANS_PER_EXPORT,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", type=int, default=10_000)
    parser.add_argument("--group", type=int, default=100, help="requests per commit (default: 100)")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    start_ns = time.time_ns() - 3_600 * 10**9
    bodies = list(exports(options.exports, start_ns=start_ns, every_ns=3_500 * 10**9 // options.exports))
    payload = statistics.mean(len(body) for body in bodies)
    print(
        f"{describe_machine()}\n{options.exports} exports of {SPANS_PER_EXPORT} spans, {payload:.0f} bytes each, SQLite"
    )
    runs = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(measure(f"sqlite:///{folder}/bench.db", bodies, options.group))
    print("CPU µs per export, median (least to most):")
    for step in ("decode", "commit", "stitch", "total"):
        print(f"  {step:8} {spread([getattr(run, step) for run in runs])}")
    total = statistics.median(run.total for run in runs)
    print(f"  = {1_000_000 / total:,.0f} exports/s, {SPANS_PER_EXPORT * 1_000_000 / total:,.0f} spans/s on one core")
    print(f"bytes on disk per span, payloads included: {spread([run.bytes_per_span for run in runs])}")


if __name__ == "__main__":
    main()
