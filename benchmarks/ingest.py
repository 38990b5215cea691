"""How fast exports are taken in: a load generator in its own process sends over HTTP to a real `clew up`.

    scripts/bench ingest                               exports of 6 spans, then batches of 510, on SQLite and PostgreSQL
    scripts/bench ingest --peer phoenix                the same load to Arize Phoenix, in turn with it
    scripts/bench ingest --stored 10000000             into a database with so many spans, and into an empty one
    scripts/bench ingest --bare                        without payloads
    scripts/bench ingest --steps --databases sqlite    CPU of each step, in this process and without HTTP

What is sent is what the example's functions send (benchmarks/exports.py). Every figure is of one server's process from
the first request until all that it acknowledged is stored and stitched. On a machine that others use, or whose load
generator needs the other core, CPU seconds are what lasts: spans per second of CPU are what one core does.
Exit code 1 where something that was acknowledged is missing, or is there twice.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exports import exports, without_payloads
from benchmarks.ingestion.filling import fill
from benchmarks.ingestion.load import write_requests
from benchmarks.ingestion.servers import (
    ClewServer,
    PhoenixServer,
    Server,
    cpu_seconds,
    keep_to_one_core,
    resident_mib,
)
from benchmarks.ingestion.steps import SPANS_PER_EXPORT, report_steps
from benchmarks.machine import describe_machine
from tests.databases import PostgresServer

WARM_UP = 200  # exports, before anything is measured
EXPORTS_PER_BATCH = 85  # 510 spans: what a batching sender of 512 at most sends of ours
HEADINGS = (
    "server",
    "spans/request",
    "exports/s",
    "spans/s",
    "CPU s/M spans",
    "+ database",
    "spans/s/core",
    "MiB",
    "bytes/span",
    "missing",
)


@dataclass(frozen=True)
class Load:
    """Requests in a file, and how many exports of six spans they hold."""

    path: Path
    requests: int
    exports: int

    @property
    def spans(self) -> int:
        return self.exports * SPANS_PER_EXPORT


@dataclass(frozen=True)
class Measured:
    """One load, sent to one server."""

    server: str
    load: Load
    seconds: float
    cpu_s: float
    database_cpu_s: float
    peak_mib: float
    bytes_per_span: float
    missing: int  # spans; negative: there are more than were sent
    answers: Counter[str]

    @property
    def cpu_per_million(self) -> float:
        return self.cpu_s / self.load.spans * 1_000_000

    def row(self) -> tuple[str, ...]:
        return (
            self.server,
            f"{self.load.spans / self.load.requests:.0f}",
            f"{self.load.exports / self.seconds:,.0f}",
            f"{self.load.spans / self.seconds:,.0f}",
            f"{self.cpu_per_million:.1f}",
            f"{self.database_cpu_s / self.load.spans * 1_000_000:.1f}",
            f"{1_000_000 / self.cpu_per_million:,.0f}",
            f"{self.peak_mib:.0f}",
            f"{self.bytes_per_span:.0f}",
            f"{self.missing}",
        )


class Loads:
    """Makes loads: the same seed makes the same one, another seed one with other ids."""

    def __init__(self, folder: Path, *, bare: bool) -> None:
        self._folder = folder
        self._bare = bare

    def bodies(self, count: int, seed: int = 1) -> list[bytes]:
        start_ns = time.time_ns() - 3_600 * 10**9
        found = exports(count, start_ns=start_ns, every_ns=3_500 * 10**9 // count, seed=seed)
        return [without_payloads(body) if self._bare else body for body in found]

    def make(self, count: int, *, merge: int = 1, seed: int = 1) -> Load:
        requests = merged(self.bodies(count, seed), merge)
        path = self._folder / f"load-{count}-{merge}-{seed}"
        write_requests(path, requests)
        return Load(path, len(requests), count)


def merged(bodies: Sequence[bytes], merge: int) -> list[bytes]:
    """Messages one after another are one message with the repeated fields of all."""
    return [b"".join(bodies[at : at + merge]) for at in range(0, len(bodies), merge)]


def send(server: Server, load: Load, connections: int) -> tuple[float, Counter[str]]:
    line = [sys.executable, "-m", "benchmarks.ingestion.load", str(server.port), str(connections), str(load.path)]
    result = json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return result["seconds"], Counter(result["answers"])


def measure(server: Server, load: Load, *, before: int, connections: int) -> Measured:
    """`before`: spans that it holds already. Stops it."""
    begin, database_begin = cpu_seconds(server.pid), server.database_cpu_seconds()
    seconds, answers = send(server, load, connections)
    server.settle(before + load.spans)
    cpu, database_cpu = cpu_seconds(server.pid) - begin, server.database_cpu_seconds() - database_begin
    peak = resident_mib(server.pid)
    server.stop()
    return Measured(
        server.name,
        load,
        seconds,
        cpu,
        database_cpu,
        peak,
        server.size() / (before + load.spans),
        before + load.spans - server.stored_spans(),
        answers,
    )


def run_once(server: Server, load: Load, warm_up: Load, connections: int, *, one_core: bool) -> Measured:
    with server:
        if one_core:
            keep_to_one_core(server.pid)
        send(server, warm_up, connections)
        server.settle(warm_up.spans)
        return measure(server, load, before=warm_up.spans, connections=connections)


def grow(server: ClewServer, loads: Loads, options: argparse.Namespace) -> Iterator[Measured]:
    """The same load into a database that is empty, and into one that holds `--stored` spans."""
    with server:
        if options.one_core:
            keep_to_one_core(server.pid)
        empty = loads.make(options.exports, seed=2)
        yield measure(server, empty, before=0, connections=options.connections)
        copies = max(1, options.stored // empty.spans - 1)
        begin = time.monotonic()
        fill(server.url, copies)
        held = server.stored_spans()
        print(f"filled with {held:,} spans in {time.monotonic() - begin:.0f} s", flush=True)
        server.start()
        if options.one_core:
            keep_to_one_core(server.pid)
        warm_up = loads.make(WARM_UP, seed=3)
        send(server, warm_up, options.connections)
        server.settle(held + warm_up.spans)
        load = loads.make(options.exports, seed=4)
        yield measure(server, load, before=held + warm_up.spans, connections=options.connections)


def report(found: Sequence[Measured]) -> None:
    rows = [HEADINGS, *(measured.row() for measured in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    refused = [(measured.server, measured.answers) for measured in found if set(measured.answers) - {"200"}]
    for server, answers in refused:
        print(f"{server} answered " + ", ".join(f"{count} {status}" for status, count in answers.items()))


def medians(found: Sequence[Measured]) -> list[Measured]:
    """Of each server and size of request the run of the middle CPU time."""
    groups: dict[tuple[str, int], list[Measured]] = {}
    for measured in found:
        groups.setdefault((measured.server, measured.load.requests), []).append(measured)
    return [sorted(some, key=lambda one: one.cpu_s)[(len(some) - 1) // 2] for some in groups.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", type=int, default=10_000, help="exports of six spans (default: 10000)")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--connections", type=int, default=16, help="kept alive, one request under way on each")
    parser.add_argument("--merge", type=int, nargs="+", default=[1, EXPORTS_PER_BATCH], help="exports in one request")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn with the others")
    parser.add_argument("--one-core", action="store_true", help="the server runs on one core, all others on the rest")
    parser.add_argument("--bare", action="store_true", help="without payloads")
    parser.add_argument("--peer", choices=("phoenix",))
    parser.add_argument("--stored", type=int, default=0, help="spans in the database before the load")
    parser.add_argument("--steps", action="store_true", help="the CPU of each step, without HTTP")
    parser.add_argument("--group", type=int, default=100, help="exports to a commit, with --steps (default: 100)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        loads = Loads(Path(name), bare=options.bare)
        bodies = loads.bodies(min(1_000, options.exports))
        size = statistics.mean(map(len, bodies))
        print(f"{describe_machine()}\n{options.exports} exports of {SPANS_PER_EXPORT} spans, {size:.0f} bytes each")
        if options.steps:
            for database in options.databases:
                for merge in options.merge:
                    requests = merged(loads.bodies(options.exports), merge)
                    print(f"\n{merge * SPANS_PER_EXPORT} spans to a request, ", end="")
                    report_steps(
                        requests,
                        group=max(1, options.group // merge),
                        invocations=options.exports,
                        postgresql=database == "postgresql",
                        runs=options.runs,
                    )
            return
        postgresql = PostgresServer() if "postgresql" in options.databases else None
        if postgresql is not None:
            stack.callback(postgresql.stop)
        servers = [
            _clew(Path(name), postgresql if database == "postgresql" else None) for database in options.databases
        ]
        if options.stored:
            found = [measured for new in servers for measured in grow(new(), loads, options)]
        else:
            found = _compare(servers, loads, Path(name), options)
        report(found if options.stored else medians(found))
        print(f"load at the end {describe_machine().partition('load ')[2].partition(',')[0]}")
        if any(measured.missing for measured in found if not measured.server.startswith("Phoenix")):
            sys.exit("What is stored is not what was acknowledged.")


def _clew(folder: Path, postgresql: PostgresServer | None) -> Callable[[], ClewServer]:
    return lambda: ClewServer(folder, postgresql)


def _compare(
    clews: Sequence[Callable[[], ClewServer]], loads: Loads, folder: Path, options: argparse.Namespace
) -> list[Measured]:
    servers: list[Callable[[], Server]] = [*clews]
    if options.peer is not None:
        servers.append(lambda: PhoenixServer(Path(tempfile.mkdtemp(dir=folder))))
    found: list[Measured] = []
    warm_up = loads.make(WARM_UP, seed=2)
    all_loads = [loads.make(options.exports, merge=merge) for merge in options.merge]
    for _ in range(options.runs):
        for load in all_loads:
            found.extend(
                run_once(new(), load, warm_up, options.connections, one_core=options.one_core) for new in servers
            )
    return found


if __name__ == "__main__":
    main()
