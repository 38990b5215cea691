"""How long the server takes for each page, with a given number of transactions stored.

    scripts/bench pages --exports 20000

Fills a new SQLite database (or opens `--database URL` as it is), then asks the Flask application for every page, over
the last day and the last seven, in turns; prints the median and the 95th percentile of the server's own time, first
requests included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack

from flask.testing import FlaskClient
from sqlalchemy import Engine

from benchmarks.exports import exports
from benchmarks.machine import describe_machine, percentile
from collector.domain.facts import Facts
from collector.domain.intake import read_traces
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.queries.common import TimeRange
from collector.store.queries.functions import list_functions
from collector.store.queries.issues import list_issues
from collector.store.queries.transactions import list_transactions
from collector.store.schema import upgrade
from collector.store.stitcher import Stitcher
from webapp import create_app
from webapp.identifiers import format_id

DAY_S = 86_400
GROUP = 500
WINDOWS = ("24h", "7d")


def fill(url: str, count: int) -> None:
    """`count` exports spread over the last day, stitched."""
    engine = open_engine(url)
    upgrade(engine)
    received_ms = time.time_ns() // 1_000_000
    seen = Seen()
    group: list[Facts] = []
    for body in exports(count, start_ns=time.time_ns() - (DAY_S - 60) * 10**9, every_ns=(DAY_S - 120) * 10**9 // count):
        group.append(read_traces(body, received_ms=received_ms).facts)
        if len(group) == GROUP:
            _write(engine, group, seen)
            group = []
    _write(engine, group, seen)
    stitcher = Stitcher(engine)
    while stitcher.run_pass() is not None:
        pass
    engine.dispose()


def _write(engine: Engine, group: list[Facts], seen: Seen) -> None:
    with engine.begin() as connection:
        write_facts(connection, group, seen)
    seen.confirm()


def addresses(engine: Engine) -> dict[str, str]:
    """Every page, opened on something that is in the database."""
    now_ms = time.time_ns() // 1_000_000
    window = TimeRange(now_ms - 7 * DAY_S * 1_000, now_ms)
    with engine.connect() as connection:
        function = list_functions(connection, window, sort="invocations")[0].function
        issues = list_issues(connection, window)
        transaction = list_transactions(connection, window).rows[0]
    pages = {
        "functions": "/",
        "function": f"/functions/{format_id(function.id)}",
        "issues": "/issues",
        "transactions": "/transactions",
        "transactions, searched": f"/transactions?q={function.name}",
        "transactions, of a function": f"/transactions?function={format_id(function.id)}",
        "transaction": f"/transactions/{transaction.id.hex()}",
        "system map": "/map",
    }
    if issues:
        pages["function, of an issue"] = (
            f"/functions/{format_id(issues[0].function.id)}?issue={format_id(issues[0].id)}"
        )
    return pages


def measure(client: FlaskClient, pages: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds per request, by page."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, path in pages.items():
            for window in WINDOWS:
                begin = time.perf_counter()
                answer = client.get(f"{path}{'&' if '?' in path else '?'}range={window}")
                times[name].append((time.perf_counter() - begin) * 1_000)
                if answer.status_code != 200:
                    raise SystemExit(f"{path} answered {answer.status}")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", type=int, default=20_000, help="invocations to store first (default: 20000)")
    parser.add_argument("--database", metavar="URL", help="measure this database as it is")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with ExitStack() as stack:
        url = options.database
        if url is None:
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/bench.db"
            fill(url, options.exports)
        engine = open_engine(url, read_only=True)
        stack.callback(engine.dispose)
        print(describe_machine())
        print(f"{'page':30} {'first':>8} {'median':>8} {'p95':>8}   ms, last {' and last '.join(WINDOWS)}")
        for name, times in measure(create_app(engine).test_client(), addresses(engine), options.rounds).items():
            print(f"{name:30} {times[0]:8.1f} {percentile(times, 0.5):8.1f} {percentile(times, 0.95):8.1f}")


if __name__ == "__main__":
    main()
