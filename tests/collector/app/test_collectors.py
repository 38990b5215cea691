"""Several collectors on one PostgreSQL: whoever takes what, and whoever dies, everything is counted once."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Engine, func, select

from collector.domain.facts import Direction
from collector.store import tables
from collector.store.stitcher import Stitcher
from tests.collector.app.clew import TIMEOUT_S, Clew
from tests.collector.domain.otlp import call, export, invocation

COLLECTORS = 3
CLIENTS = 6
EXPORTS = 60  # of each client
KILLS = 4
HEADERS = {"content-type": "application/x-protobuf"}


@pytest.fixture
def collectors(postgresql_database: Engine) -> Iterator[list[Clew]]:
    url = postgresql_database.url.render_as_string(hide_password=False)
    running = [Clew(url, CLEW_GRPC="false") for _ in range(COLLECTORS)]
    yield running
    for process in running:
        process.__exit__()


def test_kills_at_random_moments(postgresql_database: Engine, collectors: list[Clew]) -> None:
    """Clients send again, to another collector, until they are answered 200; some send twice without need."""
    database, chance = postgresql_database, random.Random(5)
    url = database.url.render_as_string(hide_password=False)
    answered = threading.Semaphore(0)

    def send(client: int) -> int:
        choose, accepted = random.Random(client), 0
        for number in range(EXPORTS):
            body = _export(client * 1_000 + number)
            for _ in range(1 + choose.randrange(2)):
                while not _accepted(choose.choice(collectors), body):
                    pass
                accepted += 1
            answered.release()
        return accepted

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(send, client) for client in range(1, CLIENTS + 1)]
        for _ in range(KILLS):
            for _ in range(CLIENTS * EXPORTS // (KILLS + 1)):
                assert answered.acquire(timeout=TIMEOUT_S)
            index = chance.randrange(COLLECTORS)
            collectors[index].kill()
            collectors[index].__exit__()
            collectors[index] = Clew(url, CLEW_GRPC="false")
        accepted = sum(client.result() for client in clients)

    for process in collectors:
        process.__exit__()
    stitcher = Stitcher(database)
    while stitcher.run_pass() is not None:
        pass
    wanted = CLIENTS * EXPORTS
    assert accepted > wanted  # some were sent twice
    with database.begin() as connection:
        found = {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in (tables.exports, tables.invocations, tables.calls, tables.transactions, tables.stitch_queue)
        }
        stats, edges = tables.function_stats.c, tables.edge_stats.c
        for resolution in (60, 3600):
            found[f"invocations per {resolution} s"] = connection.scalar(
                select(func.sum(stats.invocations)).where(stats.resolution == resolution)
            )
            found[f"calls per {resolution} s"] = connection.scalar(
                select(func.sum(edges.calls)).where(
                    edges.resolution == resolution, edges.direction == int(Direction.CALLS)
                )
            )
    assert {
        "exports": wanted,
        "invocations": wanted,
        "calls": 5 * wanted,
        "transactions": wanted,
        "stitch_queue": 0,
        "invocations per 60 s": wanted,
        "calls per 60 s": 5 * wanted,
        "invocations per 3600 s": wanted,
        "calls per 3600 s": 5 * wanted,
    } == found


def _export(trace: int) -> bytes:
    """An invocation and five calls."""
    ids = [trace * 10 + index for index in range(6)]
    calls = [call("S3.PutObject", name="audio", id=id, trace=trace, parent=ids[0]) for id in ids[1:]]
    return export(spans=[invocation(id=ids[0], trace=trace), *calls])


def _accepted(collector: Clew, body: bytes) -> bool:
    """A collector that is dead, or dies before it answers, has perhaps stored it and perhaps not."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", collector.port, timeout=TIMEOUT_S)) as connection:
            connection.request("POST", "/v1/traces", body, HEADERS)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
