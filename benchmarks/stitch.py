"""What other requests wait while one transaction grows very large.

    scripts/bench stitch                      every shape, 100,000 invocations, into SQLite
    scripts/bench stitch --shape batch        a batch that 10,000 transactions set off
    scripts/bench stitch --postgresql         into a server that this starts

The collector's own writer and stitcher run as they do in it. One thread stores the transaction's invocations, 100 to a
request, at `--rate` a second; another one stores a single invocation that has nothing to do with it, every 10 ms, and
measures how long that takes. `others` is the same load in which every invocation is a transaction of its own. At the
end all must be where it belongs, and the transaction's row must have all of it.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import NamedTuple, TypeVar

from sqlalchemy import Engine, func, select

from benchmarks.ingestion.steps import databases
from benchmarks.machine import describe_machine, percentile
from collector.domain.facts import Export, Facts, Function, Invocation, LinkKey, Result, Side, Signal
from collector.domain.ids import export_id, hash63
from collector.store import tables
from collector.store.engine import open_engine
from collector.store.schema import upgrade
from collector.store.stitcher import Stitcher
from collector.store.writer import Writer

PER_REQUEST = 100
EVERY_S = 0.01
PARENTS = 10_000
MS = 1_000_000
QUEUED = 30  # of the prober's own, which may be in the queue at any time
T = TypeVar("T")
_run_pass = Stitcher.run_pass
FUNCTION = Function(hash63("bench"), "lambda", "123", "eu-west-1", "bench", "python3.12", "arm64", 128, 3000, 0)


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while some := list(islice(iterator, size)):
        yield some


class Shape(NamedTuple):
    """`requests` gives what to store; `size` is how many invocations the large transaction has in the end."""

    requests: Callable[[int, int], Iterator[list[tuple[Invocation, list[LinkKey]]]]]
    size: Callable[[int], int]


def invocation(number: int, started_ns: int, *, trace: int | None = None) -> Invocation:
    return Invocation(
        started_ns=started_ns,
        span_id=number,
        trace_id=(number if trace is None else trace).to_bytes(16, "big"),
        function_id=FUNCTION.id,
        request_id=f"request-{number}",
        duration_ns=10 * MS,
        finished=True,
        result=Result.OK,
        span_result=Result.OK,
        cold_start=False,
        init_ns=None,
        memory_mb=128,
        max_memory_mb=60,
        billed_ms=10,
        cost_pd=1_000,
        trigger="sqs",
        trigger_resource_id=None,
        services="s3 1",
        calls=1,
        call_errors=0,
    )


def key(name: str, side: Side, row: Invocation, *, pointer: bool = False) -> LinkKey:
    return LinkKey(hash63(name), side, row.started_ns, row.span_id, row.trace_id, pointer)


Stored = list[tuple[Invocation, list[LinkKey]]]


def others(size: int, start_ns: int) -> Iterator[Stored]:
    rows = [invocation(number, start_ns + number * 1000) for number in range(1, size + 1)]
    for some in batched(rows, PER_REQUEST):
        yield [(row, []) for row in some]


def fan_out(size: int, start_ns: int) -> Iterator[Stored]:
    """One invocation sends a message for each of the others."""
    entry = invocation(1, start_ns)
    for some in batched(range(2, size + 1), PER_REQUEST):
        rows = [invocation(number, start_ns + number * 1000) for number in some]
        sent = [key(f"sqs:{row.span_id}", Side.PRODUCED, entry) for row in rows]
        yield [(entry, sent), *((row, [key(f"sqs:{row.span_id}", Side.CONSUMED, row)]) for row in rows)]


def late(size: int, start_ns: int) -> Iterator[Stored]:
    """The same, but the invocation that sent them all comes last."""
    entry = invocation(1, start_ns)
    sent = []
    for some in batched(range(2, size + 1), PER_REQUEST):
        rows = [invocation(number, start_ns + number * 1000) for number in some]
        sent += [key(f"sqs:{row.span_id}", Side.PRODUCED, entry) for row in rows]
        yield [(row, [key(f"sqs:{row.span_id}", Side.CONSUMED, row)]) for row in rows]
    for some_keys in batched(sent, 10_000):
        yield [(entry, list(some_keys))]


def chain(size: int, start_ns: int) -> Iterator[Stored]:
    """Each sets off the next; the last ones arrive first."""
    for some in batched(range(size, 0, -1), PER_REQUEST):
        rows = [invocation(number, start_ns + number * MS) for number in some]
        yield [
            (
                row,
                [
                    key(f"sqs:{row.span_id}", Side.CONSUMED, row),
                    key(f"sqs:{row.span_id + 1}", Side.PRODUCED, row),
                ],
            )
            for row in rows
        ]


def one_trace(size: int, start_ns: int) -> Iterator[Stored]:
    """Trace context is carried to all of them."""
    rows = [invocation(number, start_ns + number * 1000, trace=1) for number in range(1, size + 1)]
    for some in batched(rows, PER_REQUEST):
        yield [(row, []) for row in some]


def execution(size: int, start_ns: int) -> Iterator[Stored]:
    """Steps of one execution that nobody was seen to start."""
    rows = [invocation(number, start_ns + number * 1000) for number in range(1, size + 1)]
    for some in batched(rows, PER_REQUEST):
        yield [(row, [key("states:execution", Side.SHARED, row)]) for row in some]


def item(size: int, start_ns: int) -> Iterator[Stored]:
    """One item of a table is written again and again, and each change sets an invocation off."""
    for some in batched(range(2, size + 1, 2), PER_REQUEST // 2):
        stored: Stored = []
        for number in some:
            writer = invocation(number, start_ns + number * MS)
            reader = invocation(number + 1, start_ns + number * MS + 1000)
            stored.append((writer, [key("dynamodb-item:x", Side.PRODUCED, writer, pointer=True)]))
            stored.append((reader, [key("dynamodb-item:x", Side.CONSUMED, reader, pointer=True)]))
        yield stored


def batch(size: int, start_ns: int) -> Iterator[Stored]:
    """Batches of 10,000 messages, each of another transaction; half of the senders arrive after the batch."""
    numbers = count(1)
    for _ in range(max(1, size // PARENTS)):
        senders = [invocation(next(numbers), start_ns + number * 1000) for number in range(PARENTS)]
        taker = invocation(next(numbers), start_ns + 20_000 * MS)
        taken = [key(f"sqs:{row.span_id}", Side.CONSUMED, taker) for row in senders]
        for index, some in enumerate(batched(senders, PER_REQUEST)):
            if index == PARENTS // PER_REQUEST // 2:
                yield [(taker, taken)]
            yield [(row, [key(f"sqs:{row.span_id}", Side.PRODUCED, row)]) for row in some]


SHAPES = {
    "others": Shape(others, lambda _: 1),
    "fan_out": Shape(fan_out, lambda size: size),
    "late": Shape(late, lambda size: size),
    "one_trace": Shape(one_trace, lambda size: size),
    "execution": Shape(execution, lambda size: size),
    "item": Shape(item, lambda _: 2),
    "chain": Shape(chain, lambda size: size),
    "batch": Shape(batch, lambda _: 1),
}


def facts_of(stored: Stored) -> Facts:
    body = repr([(row.span_id, len(keys)) for row, keys in stored]).encode() + repr(stored[0][1][:1]).encode()
    made = Facts(Export(b"", Signal.TRACES, len(stored), stored[0][0].started_ns // MS, body))
    made.export = made.export._replace(id=export_id(stored[0][0].started_ns, body))
    made.functions = [FUNCTION]
    made.invocations = [row for row, _ in stored]
    made.link_keys = [one for _, keys in stored for one in keys]
    made.traces = {row.trace_id for row, _ in stored}
    return made


def measure(url: str, shape: Shape, size: int, rate: int) -> None:
    engine = open_engine(url)
    upgrade(engine)
    passes = _passes_timed()
    writer = Writer(engine)
    writer.start()
    growing = threading.Event()
    start_ns = time.time_ns() - 3_000 * 10**9
    waits: list[float] = []

    def probe() -> None:
        for number in count(10**12):
            if growing.is_set():
                return
            facts = facts_of([(invocation(number, start_ns + (number - 10**12) * MS), [])])
            begin = time.perf_counter()
            writer.submit(facts, facts.size)
            waits.append(time.perf_counter() - begin)
            time.sleep(EVERY_S)

    prober = threading.Thread(target=probe)
    prober.start()
    begin = time.monotonic()
    sent = 0
    for stored in shape.requests(size, start_ns):
        facts = facts_of(stored)
        writer.submit(facts, facts.size)
        sent += len(stored)
        time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
    grown_s = time.monotonic() - begin
    settle(engine)
    growing.set()
    prober.join()
    settled_s = time.monotonic() - begin
    writer.close()
    largest = check(engine, shape.size(size))
    engine.dispose()
    print(
        f"  p50 {percentile(waits, 0.5) * 1000:6.1f}  p99 {percentile(waits, 0.99) * 1000:6.1f}  "
        f"max {max(waits) * 1000:6.1f} ms of {len(waits):,} commits; CPU of a pass "
        f"p50 {percentile(passes, 0.5) * 1000:.1f}  p99 {percentile(passes, 0.99) * 1000:.1f}  "
        f"max {max(passes) * 1000:.1f} ms, of all {sum(passes):.1f} s; stored in {grown_s:.0f} s, "
        f"in place after {settled_s:.0f} s; largest {largest:,}"
    )


def _passes_timed() -> list[float]:
    """Where the CPU time of each pass of the stitcher goes: what a request may have to wait for on an idle machine."""
    passes: list[float] = []

    def timed(stitcher: Stitcher) -> float | None:
        begin = time.thread_time()
        try:
            return _run_pass(stitcher)
        finally:
            passes.append(time.thread_time() - begin)

    Stitcher.run_pass = timed  # type: ignore[assignment, method-assign]  # it takes no bound here
    return passes


def settle(engine: Engine) -> None:
    """Waits until nothing is left to stitch."""
    reader = open_engine(engine.url.render_as_string(hide_password=False), read_only=True)
    while True:
        with reader.connect() as connection:
            left = sum(
                connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (tables.stitch_queue, tables.stitch_jobs)
            )
        if left <= QUEUED:
            with reader.connect() as connection:
                if not connection.scalar(select(func.count()).select_from(tables.stitch_jobs)):
                    break
        time.sleep(0.2)
    reader.dispose()


def check(engine: Engine, size: int) -> int:
    with engine.connect() as connection:
        stored = connection.scalar(select(func.count()).select_from(tables.invocations))
        placed = connection.scalar(select(func.count(tables.memberships.c.trace_id.distinct())))
        traces = connection.scalar(select(func.count(tables.invocations.c.trace_id.distinct())))
        largest: int = connection.scalar(select(func.max(tables.transactions.c.invocations))) or 0
    if placed != traces:
        raise RuntimeError(f"of {traces} traces ({stored} invocations) {placed} are in a transaction")
    if largest < size:
        raise RuntimeError(f"the largest transaction has {largest} invocations instead of {size}")
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invocations", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=2_500, help="invocations a second (default: 2,500)")
    parser.add_argument("--shape", choices=sorted(SHAPES), action="append", help="default: all")
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    print(
        f"{describe_machine()}\n{options.invocations:,} invocations at {options.rate:,} a second, into "
        f"{'PostgreSQL' if options.postgresql else 'SQLite'}; how long another request takes to be stored:"
    )
    with databases(postgresql=options.postgresql) as new_url:
        for name in options.shape or SHAPES:
            print(f"{name}", flush=True)
            measure(new_url(), SHAPES[name], options.invocations, options.rate)


if __name__ == "__main__":
    main()
