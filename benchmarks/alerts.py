"""What a round of the alerts' evaluation costs: 1,000 rules over 1,000 functions that all run all the time.

    scripts/bench alerts
    scripts/bench alerts --database postgresql://…      an empty database; counts this process alone

Fills the rollups as ingest would have, at the end of a month of 31 days: three hours of minutes and the month's hours,
with histograms of the last fourteen days, for every function. Then time goes on: new minutes come, of every fifth
function the last invocation after the minute was looked at, and some of them late, and rounds look at them. Prints the
CPU time of the process: of the rounds after a start, which reads all of that, by starting anew every minute for a
quarter of an hour; of whole rounds (once a minute); and of those between. Each as median and maximum.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, Engine, insert, update

from benchmarks.machine import describe_machine
from collector.alerts.conditions import completed
from collector.alerts.model import Condition, ConditionKind, Grouping, Metric, Notice, Rule, Scope
from collector.alerts.rounds import Rounds
from collector.alerts.rule_store import delete_rules, read_rules, save_rule
from collector.domain.histogram import bucket_of
from collector.domain.ids import hash63
from collector.store import tables
from collector.store.alert_tables import alert_position, late_minutes
from collector.store.engine import open_engine
from collector.store.schema import upgrade
from collector.store.statements import Row, adding, write

NOW = datetime(2026, 12, 31, 23, 10, tzinfo=UTC)
MINUTES, HOURS, HISTOGRAM_HOURS = 180, 31 * 24, 14 * 24
BUCKETS = tuple(bucket_of(round(5 * 1.5**step * 1e6)) for step in range(8))
WINDOWS = (300, 600, 900, 3600)
SMALL = {60: 1, 3600: 60}


class Clock:
    """A clock that only the benchmark moves."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s

    def __call__(self) -> int:
        return self.now_s * 1_000_000_000


def rules(count: int, functions: int, generator: random.Random) -> Iterable[Rule]:
    """Of every kind; nine of ten about one function, the others about many or all of them."""
    kinds = [kind for kind in ConditionKind if kind is not ConditionKind.AGE]
    bounds = {
        ConditionKind.ERROR_RATE: 0.3,
        ConditionKind.DURATION: 60_000,
        ConditionKind.MEMORY: 0.95,
        ConditionKind.COLD_STARTS: 0.5,
        ConditionKind.COST: 50,
        ConditionKind.FORECAST: 1e6,
        ConditionKind.ANOMALY: 8,
        ConditionKind.ERRORS: 100,
        ConditionKind.ISSUE: 100,
        ConditionKind.INVOCATIONS: 100_000,
    }
    for number in range(count):
        kind = kinds[number % len(kinds)]
        scope = Scope() if number % 10 == 0 else Scope(functions=(f"function-{generator.randrange(functions)}",))
        if number % 20 == 0:
            scope = Scope(functions=(f"function-{number % 10}*",))
        below = kind is ConditionKind.INVOCATIONS and number % 2 == 0
        yield completed(
            Rule(
                id=f"rule-{number}",
                name=f"Rule {number}",
                condition=Condition(
                    kind,
                    above=None if below else bounds.get(kind, 10),
                    below=1 if below else None,
                    percentile=(0.5, 0.95, 0.99)[number % 3],
                    metric=(Metric.ERRORS, Metric.INVOCATIONS, Metric.COST)[number % 3],
                ),
                scope=scope,
                grouping=Grouping.TOGETHER if number % 50 == 0 else Grouping.FUNCTION,
                window_s=WINDOWS[number // len(kinds) % len(WINDOWS)],
                minimum=5,
                ignore_4xx=number % 2 == 0,
            )
        )


def fill(engine: Engine, functions: int, now_s: int, generator: random.Random) -> None:
    """Functions, an issue of each, and their rollups up to `now_s`."""
    with engine.begin() as connection:
        ids = [hash63("function", str(number)) for number in range(functions)]
        connection.execute(
            insert(tables.functions),
            [
                {
                    "id": id,
                    "kind": "lambda",
                    "account": "123",
                    "region": "eu-west-1",
                    "name": f"function-{number}",
                    "memory_mb": 512,
                    "timeout_ms": 30_000,
                    "first_seen_ms": (now_s - 30 * 86_400) * 1000,
                    "updated_ms": now_s * 1000,
                }
                for number, id in enumerate(ids)
            ],
        )
        connection.execute(
            insert(tables.issues),
            [
                {
                    "id": id,
                    "function_id": id,
                    "type": generator.choice(("Timeout", "ValueError", "HTTP 404")),
                    "message": "broken",
                    "first_seen_ms": 0,
                    "last_seen_ms": now_s * 1000,
                    "kind": 0,
                }
                for id in ids
            ],
        )
        for resolution, count in ((60, MINUTES), (3600, HOURS)):
            end = now_s // resolution * resolution
            for start_s in range(end - count * resolution, end, resolution):
                add(connection, ids, resolution, start_s, histograms=start_s >= end - HISTOGRAM_HOURS * resolution)


def add(connection: Connection, ids: Sequence[int], resolution: int, start_s: int, *, histograms: bool = True) -> None:
    """One minute, or hour, of these functions."""
    many = SMALL[resolution]
    stats: list[Row] = []
    durations: list[Row] = []
    issues: list[Row] = []
    columns = tables.function_stats.c.keys()
    for id in ids:
        errors = 3 if resolution == 3600 else int((id + start_s // 60) % 20 == 0)
        values = {
            "function_id": id,
            "resolution": resolution,
            "start_s": start_s,
            "invocations": 20 * many,
            "errors": errors,
            "duration_us": 400_000 * many,
            "max_memory_mb": 200,
            "cost_pd": 5_000_000 * many,
        }
        stats.append(tuple(values.get(name, 0) for name in columns))
        if histograms:
            counts = enumerate(BUCKETS)
            durations.extend((id, resolution, start_s, bucket, (3 if index else 2) * many) for index, bucket in counts)
        if errors:
            issues.append((id, resolution, start_s, errors, 0))
    write(connection, tables.function_stats, stats)
    write(connection, tables.function_durations, durations)
    write(connection, tables.issue_stats, issues)


def add_rest(connection: Connection, ids: Sequence[int], start_s: int) -> None:
    """What came of this minute of these functions after it was looked at: one invocation of each."""
    stats = tables.function_stats.c.keys()
    said = {"resolution": 60, "start_s": start_s, "invocations": 1, "duration_us": 20_000, "cost_pd": 250_000}
    write(
        connection,
        tables.function_stats,
        [tuple((said | {"function_id": id}).get(name, 0) for name in stats) for id in ids],
        adding(tables.function_stats, "invocations", "duration_us", "cost_pd"),
    )
    rows: list[Row] = [(id, 60, start_s, BUCKETS[0], 1) for id in ids]
    write(connection, tables.function_durations, rows, adding(tables.function_durations, "count"))


def measure(engine: Engine, reading: Engine, options: argparse.Namespace) -> None:
    """Prints the figures."""
    generator = random.Random(7)  # the same load every time
    clock = Clock(int(NOW.timestamp()))
    fill(engine, options.functions, clock.now_s, generator)
    told: list[Notice] = []

    def tell(_connection: Connection, notices: Sequence[Notice], *, now_ms: int) -> None:  # noqa: ARG001
        told.extend(notices)

    rounds = Rounds(engine, reading, now=clock, tell=tell)
    rounds.run()
    with engine.begin() as connection:
        delete_rules(connection, list(read_rules(connection)))
        for rule in rules(options.rules, options.functions, generator):
            save_rule(connection, rule, origin="file", now_ms=0)
        connection.execute(update(alert_position).values(blind_until_s=0))
    minutes = Minutes(
        engine, clock, [hash63("function", str(number)) for number in range(options.functions)], generator
    )
    print(f"{options.rules} rules over {options.functions} functions on {engine.dialect.name}")
    made = []
    for _ in range(options.starts):
        minutes.add()
        rounds = Rounds(engine, reading, now=clock, tell=tell)
        made.append(_spent_until_done(rounds))
        if len(made) == 1:
            each = ", ".join(f"{one:.0f}" for one in made[0])
            print(f"the first start of all, with {len(told)} alerts: {each} ms of CPU")
    print(f"other starts, {len(made) - 1} of them, each at another minute:")
    print(f"  the first round:            {extremes([one[0] for one in made[1:]])} ms of CPU")
    print(f"  the longest round:          {extremes([max(one) for one in made[1:]])} ms of CPU")
    print(f"  all until it has caught up: {extremes([sum(one) for one in made[1:]])} ms of CPU")
    print(f"  rounds until then:          {extremes([len(one) for one in made[1:]])}")
    whole, late_ones, between = [], [], []
    for _ in range(options.rounds):
        minutes.add()
        whole.append(_spent(rounds))
        late_ones.append(_spent(rounds))
        clock.now_s += 10
        between.append(_spent(rounds))
        clock.now_s -= 10
    print(f"a whole round, once a minute: {extremes(whole)} ms of CPU")
    print(f"then for 20 late minutes:     {extremes(late_ones)} ms of CPU")
    print(f"a round between them:         {extremes(between)} ms of CPU")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB at most")


@dataclass
class Minutes:
    """Lets time go on."""

    engine: Engine
    clock: Clock
    ids: Sequence[int]
    generator: random.Random
    _number: int = 0

    def add(self) -> None:
        """One minute, with what came late of those before it."""
        start_s = self.clock.now_s // 60 * 60
        late = [(self.clock() + index, self.generator.choice(self.ids), start_s - 900) for index in range(20)]
        with self.engine.begin() as connection:
            add(connection, self.ids, 60, start_s)
            add_rest(connection, self.ids[self._number % 5 :: 5], start_s - 60)
            write(connection, late_minutes, late)
        self._number += 1
        self.clock.now_s += 60


def extremes(values: Sequence[float]) -> str:
    """The median and the largest."""
    return f"{median(values):.0f}, at most {max(values):.0f}"


def _spent_until_done(rounds: Rounds) -> list[float]:
    """The CPU time of each round until nothing is behind, in ms."""
    each = []
    behind = True
    while behind:
        before = time.process_time()
        behind = rounds.run().behind
        each.append((time.process_time() - before) * 1000)
    return each


def _spent(rounds: Rounds) -> float:
    before = time.process_time()
    rounds.run()
    return (time.process_time() - before) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=1_000)
    parser.add_argument("--rules", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--database", help="an empty database; otherwise a new SQLite file")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{Path(folder, 'bench.db')}"
        engine = open_engine(url)
        upgrade(engine)
        reading = open_engine(url, read_only=True)
        measure(engine, reading, options)
        reading.dispose()
        engine.dispose()


if __name__ == "__main__":
    main()
