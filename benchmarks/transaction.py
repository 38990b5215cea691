"""How long the server takes for the page of one large transaction.

    scripts/bench transaction                         10,000 spans, and 100,000 invocations; SQLite
    scripts/bench transaction --postgresql            into a server that this starts

Each invocation is an export of its own with its calls. The first one sends a message for each of the others, and half
of these carry its trace context. The time is that of the Flask application, first requests included; beside it its CPU
time, because machines are shared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.ingestion.steps import databases
from benchmarks.machine import describe_machine, percentile
from collector.domain.intake import read_traces
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.schema import upgrade
from collector.store.stitcher import Stitcher
from tests.collector.domain.otlp import MS, START_NS, call, export, invocation, trace_bytes
from webapp import create_app

GROUP = 200
SENT_PER_EXPORT = 500


def bodies(invocations: int, calls: int) -> Iterator[bytes]:
    entry = 1
    for first in range(2, invocations + 1, SENT_PER_EXPORT):
        some = range(first, min(first + SENT_PER_EXPORT, invocations + 1))
        sent = call("SQS.SendMessageBatch", id=10**9 + first, parent=1, start=first, keys=[f"sqs:{n}" for n in some])
        yield export(spans=[invocation(id=1, trace=entry), sent] if first == 2 else [sent])
    for number in range(2, invocations + 1):
        trace = number if number % 2 else entry
        spans: list[Span] = [
            invocation(
                id=number,
                trace=trace,
                parent=1 if trace == entry else b"",
                start=number * MS,
                request=f"r{number}",
                attrs={"clew.link.keys": [f"sqs:{number}"], "clew.event": '{"Records": []}'},
            )
        ]
        at = number * MS
        spans.extend(
            call("S3.PutObject", id=2 * 10**9 + 10 * number + n, trace=trace, parent=number, start=at + n, name="b")
            for n in range(calls)
        )
        yield export(spans=spans)


def fill(url: str, invocations: int, calls: int) -> None:
    engine = open_engine(url)
    upgrade(engine)
    seen, group = Seen(), []
    # A clock of its own: nobody waits for the sums of a large transaction here.
    ahead = iter(range(10**15))
    stitcher = Stitcher(engine, clock=lambda: time.time_ns() + next(ahead) * 10**9)
    for body in bodies(invocations, calls):
        group.append(read_traces(body, received_ms=START_NS // MS + 86_000_000).facts)
        if len(group) == GROUP:
            with engine.begin() as connection:
                write_facts(connection, group, seen)
            group = []
            stitcher.run_pass()
    with engine.begin() as connection:
        write_facts(connection, group, seen)
    while stitcher.run_pass() is not None:
        pass
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--large", type=int, default=100_000, help="invocations of the large one")
    options = parser.parse_args()
    print(f"{describe_machine()}, {'PostgreSQL' if options.postgresql else 'SQLite'}")
    for invocations, calls in ((1_667, 5), (options.large, 1)):
        with databases(postgresql=options.postgresql) as new_url:
            url = new_url()
            begin = time.monotonic()
            fill(url, invocations, calls)
            filled_s = time.monotonic() - begin
            reader = open_engine(url, read_only=True)
            client = create_app(reader).test_client()
            took, cpu = [], []
            for _ in range(options.rounds):
                begin, used = time.perf_counter(), time.process_time()
                answer = client.get(f"/transactions/{trace_bytes(1).hex()}")
                took.append((time.perf_counter() - begin) * 1000)
                cpu.append((time.process_time() - used) * 1000)
                if answer.status_code != 200:
                    raise RuntimeError(f"the page answers {answer.status}")
            reader.dispose()
        print(
            f"{invocations:,} invocations with {calls} calls each (filled in {filled_s:.0f} s): "
            f"p50 {percentile(took, 0.5):.0f}  p95 {percentile(took, 0.95):.0f} ms, of CPU "
            f"p50 {percentile(cpu, 0.5):.0f}  p95 {percentile(cpu, 0.95):.0f} ms, {len(answer.data) // 1024:,} KiB"
        )


if __name__ == "__main__":
    main()
