"""Many minutes of load and of trouble, and then a count: is everything that was acknowledged stored, and once?

    scripts/bench soak --minutes 30
    scripts/bench soak --minutes 30 --postgresql    into a server that this starts, restarts and crashes

Clients send all the while, and send again what was not answered 200. One trouble after the other, by chance: the
collector is killed, is stopped in order, its database is locked or gone, 300 clients hang in their body, bombs arrive.
Prints what clients were answered, the collector's memory, and what the database holds. Exit code 1 where that is not
what was sent.
"""

from __future__ import annotations

import argparse
import gzip
import random
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from benchmarks.machine import describe_machine
from tests.collector.app.clew import Clew
from tests.collector.app.load import Load, Stored, stored
from tests.databases import PostgresServer, create_sqlite

IDLE_S = 5
CALM_S = 3.0  # between two troubles
TROUBLE_S = 8.0  # that a lock or an absence lasts: longer than the collector waits for either
HANGING = 300  # more than CLEW_THREADS
_HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


class Soak:
    """A collector, its clients, and what befalls them."""

    def __init__(self, url: str, *, clients: int, server: PostgresServer | None) -> None:
        self._url = url
        self._server = server
        self._process = Clew(url)
        time.sleep(IDLE_S)
        self.idle_mib = _memory(self._process, "VmRSS")
        self._port = self._process.port
        self.peak_mib = 0.0
        self.troubles: Counter[str] = Counter()
        self.load = Load(self._port, clients=clients, payload="x" * 1_000)
        self.load.start()

    def run(self, seconds: float, chance: random.Random) -> None:
        """Troubles for so long, then calm until every client has its answer."""
        troubles: list[Callable[[], None]] = [self._kill, self._stop, self._hang, self._bomb]
        troubles += [self._restart, self._crash] if self._server is not None else [self._lock]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.load.wait(1)
            time.sleep(chance.random() * CALM_S)
            trouble = chance.choice(troubles)
            self.troubles[trouble.__name__.strip("_")] += 1
            trouble()
        self.load.wait(100)
        self.load.finish()

    def close(self) -> None:
        self.load.abandon()
        self._look()
        self._process.__exit__()

    def _look(self) -> None:
        self.peak_mib = max(self.peak_mib, _memory(self._process, "VmHWM"))

    def _kill(self) -> None:
        self._look()
        self._process.kill()
        self._again()

    def _stop(self) -> None:
        self._look()
        self._process.signal(signal.SIGTERM)
        code, _, err = self._process.wait()
        if code:
            raise RuntimeError(f"SIGTERM ended it with exit code {code}: {err}")
        self._again()

    def _again(self) -> None:
        self._process.__exit__()
        self._process = Clew(self._url, CLEW_PORT=self._port)

    def _lock(self) -> None:
        path = self._url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(TROUBLE_S)
            other.execute("ROLLBACK")

    def _restart(self) -> None:
        self._absence(crash=False)

    def _crash(self) -> None:
        self._absence(crash=True)

    def _absence(self, *, crash: bool) -> None:
        assert self._server is not None
        self._server.go(crash=crash)
        time.sleep(TROUBLE_S)
        self._server.come_back()

    def _hang(self) -> None:
        """Half of them send nothing of their body, the others a byte now and then."""
        head = _HEAD + b"Content-Length: 9999\r\n\r\n"
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", self._port), timeout=20))
                for _ in range(HANGING)
            ]
            for client in clients:
                client.sendall(head)
            for _ in range(int(TROUBLE_S)):
                for client in clients[::2]:
                    with suppress(OSError):
                        client.sendall(b"\n")
                time.sleep(1)
            self.load.wait(1)  # others are served while they hang

    def _bomb(self) -> None:
        bomb = gzip.compress(bytes(256 * 1024 * 1024))
        head = _HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self._port), timeout=30) as client:
                client.sendall(head + bomb)
                answer = client.recv(100)
            if not answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 429 ")):
                raise RuntimeError(f"a bomb was answered {answer!r}")


def _memory(process: Clew, what: str) -> float:
    return int(Path(f"/proc/{process.pid}/status").read_text().partition(f"{what}:")[2].split()[0]) / 1024


@contextmanager
def database(*, postgresql: bool) -> Iterator[tuple[str, PostgresServer | None]]:
    if not postgresql:
        with tempfile.TemporaryDirectory() as folder:
            yield create_sqlite(Path(folder, "clew.db")), None
        return
    server = PostgresServer()
    try:
        yield server.url(server.create(durable=True)), server
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of the order of troubles")
    options = parser.parse_args()
    print(describe_machine())
    with database(postgresql=options.postgresql) as (url, server):
        soak = Soak(url, clients=options.clients, server=server)
        try:
            soak.run(options.minutes * 60, random.Random(options.seed))
        finally:
            soak.close()
        found = stored(url)
    load = soak.load
    expected = Stored.of(len(load.acknowledged))
    print("troubles:   ", ", ".join(f"{count} {name}" for name, count in sorted(soak.troubles.items())))
    print("answers:    ", ", ".join(f"{count} {status or 'none'}" for status, count in sorted(load.answers.items())))
    print("no advice:  ", load.without_advice)
    print("memory:     ", f"{soak.idle_mib:.0f} MiB idle, {soak.peak_mib:.0f} MiB at most")
    print("sent:       ", expected)
    print("stored:     ", found.counts)
    lost, extra = len(load.acknowledged - found.traces), len(found.traces - load.acknowledged)
    print(f"lost:         {lost}; stored and unknown: {extra}")
    if lost or extra or found.counts != expected or load.without_advice:
        sys.exit("What is stored is not what was sent.")


if __name__ == "__main__":
    main()
