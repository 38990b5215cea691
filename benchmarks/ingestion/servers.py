"""The servers that the load is sent to: `clew up` on either database, and Arize Phoenix."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

from sqlalchemy import Engine, create_engine, func, select, text

from benchmarks.tracers.environments import make_environment
from collector.store import tables
from collector.store.engine import open_engine
from tests.collector.app.clew import Clew
from tests.databases import PostgresServer, create_sqlite

LOCKS = Path(__file__).parent / "requirements"
SETTLE_S = 600.0  # that storing and stitching may lag behind the last answer
START_S = 600.0  # Phoenix makes its tables first: over two minutes on a busy machine
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def keep_to_one_core(pid: int) -> None:
    """So `exports/s` is of one core. With more, threads that run at the same time fight for Python's lock."""
    for process in (pid, *children(pid)):
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {0})
    os.sched_setaffinity(0, range(1, os.cpu_count() or 1) or {0})


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def resident_mib(pid: int, what: str = "VmHWM") -> float:
    """The most that it held at once, or VmRSS: what it holds."""
    return int(Path(f"/proc/{pid}/status").read_text().partition(f"{what}:")[2].split()[0]) / 1024


class Server(ABC):
    """A server of its own kind, running. Leaving the block stops it and takes its database along."""

    name: str
    pid: int
    port: int

    @abstractmethod
    def settle(self, spans: int) -> None:
        """Waits until it has worked off all that it acknowledged, so many spans."""

    @abstractmethod
    def stop(self) -> None:
        """Ends the process; what it stored stays."""

    @abstractmethod
    def stored_spans(self) -> int: ...

    @abstractmethod
    def size(self) -> int:
        """Bytes on disk, indexes included. After `stop`."""

    @abstractmethod
    def remove(self) -> None: ...

    def database_cpu_seconds(self) -> float:
        """Of a database server beside it."""
        return 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.remove()


class ClewServer(Server):
    """`clew up`, into a new SQLite file in a folder, or into a new database of a PostgreSQL server."""

    def __init__(self, folder: Path, postgresql: PostgresServer | None = None) -> None:
        self.name = "Clew, SQLite" if postgresql is None else "Clew, PostgreSQL"
        self._postgresql = postgresql
        self._path = folder / "clew.db"
        if postgresql is None:
            self.url = create_sqlite(self._path)
        else:
            self.url = postgresql.url(postgresql.create(durable=True))
        self._engine = open_engine(self.url, read_only=True)
        self.start()

    def start(self) -> None:
        self._clew = Clew(self.url)
        self.pid, self.port = self._clew.pid, self._clew.port

    def settle(self, spans: int) -> None:  # noqa: ARG002  # what it acknowledged is stored
        deadline = time.monotonic() + SETTLE_S
        queue = select(func.count()).select_from(tables.stitch_queue)
        while time.monotonic() < deadline:
            with self._engine.connect() as connection:
                if not connection.scalar(queue):
                    return
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} has not stitched everything after {SETTLE_S:.0f} s")

    def stop(self) -> None:
        self._clew.__exit__()

    def stored_spans(self) -> int:
        with self._engine.connect() as connection:
            return sum(
                connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (tables.invocations, tables.calls)
            )

    def size(self) -> int:
        if self._postgresql is None:
            self._engine.dispose()  # the last connection takes the write-ahead log along
            return self._path.stat().st_size
        with self._engine.connect() as connection:
            return int(connection.scalar(select(func.pg_database_size(func.current_database()))) or 0)

    def remove(self) -> None:
        self._engine.dispose()
        if self._postgresql is not None:
            self._postgresql.drop(self.url.partition("@/")[2].partition("?")[0])
        for file in self._path.parent.glob("clew.db*"):
            file.unlink()

    def database_cpu_seconds(self) -> float:
        if self._postgresql is None:
            return 0.0
        with self._engine.connect() as connection:
            folder = connection.scalar(text("SHOW data_directory"))
        first = int(Path(str(folder), "postmaster.pid").read_text().split()[0])
        total = cpu_seconds(first)
        for child in children(first):
            with suppress(FileNotFoundError):  # it has ended meanwhile, and counts in its parent
                total += cpu_seconds(child)
        return total


class PhoenixServer(Server):
    """Arize Phoenix as it comes, on SQLite. It acknowledges spans before it stores them."""

    def __init__(self, folder: Path) -> None:
        self.name = "Phoenix, SQLite"
        python = make_environment("phoenix", LOCKS)
        self._folder = folder / "phoenix"
        self._folder.mkdir()
        self.port, grpc = _free_port(), _free_port()
        settings = {
            "PHOENIX_WORKING_DIR": self._folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": self.port,
            "PHOENIX_GRPC_PORT": grpc,
            "PHOENIX_TELEMETRY_ENABLED": "false",  # it would report its use to its makers
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [str(python.with_name("phoenix")), "serve"],
            env=os.environ | {name: str(value) for name, value in settings.items()} | {"PYTHONPATH": ""},
            stdout=self._log,
            stderr=self._log,
        )
        self.pid = self._process.pid
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                return
            time.sleep(0.2)
        self._process.kill()
        raise RuntimeError((self._folder / "log").read_text()[-2_000:])

    def settle(self, spans: int) -> None:
        deadline = time.monotonic() + SETTLE_S
        while self.stored_spans() < spans and time.monotonic() < deadline:
            time.sleep(0.5)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def stored_spans(self) -> int:
        engine: Engine = create_engine(f"sqlite:///{self._folder}/phoenix.db")
        try:
            with engine.connect() as connection:
                return int(connection.scalar(text("SELECT count(*) FROM spans")) or 0)
        finally:
            engine.dispose()

    def size(self) -> int:
        return sum(file.stat().st_size for file in self._folder.glob("phoenix.db*"))

    def remove(self) -> None:
        for file in self._folder.glob("phoenix.db*"):
            file.unlink()


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
