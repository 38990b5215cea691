"""What must not happen to what was acknowledged: loss, or being counted twice. Whatever happens to the collector.

Clients send all the while, and send again what was not answered 200. Afterwards every export is stored, in rows and in
sums, exactly once; every refusal told the client to come again; and the collector recovered without help.
"""

from __future__ import annotations

import gzip
import http.client
import os
import random
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.collector.app.clew import Clew
from tests.collector.app.load import assert_each_is_stored_once, load
from tests.databases import PostgresServer, create_sqlite
from tests.proof.unsteady import free_port

MIB = 1024 * 1024


def wait_for_health(process: Clew, status: str) -> None:
    deadline = time.monotonic() + 60
    while process.health()["status"] != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_again_and_again(database_url: str) -> None:
    """kill -9 at moments of chance, on each database, under load; the next process takes over where it was."""
    chance = random.Random(20261121)
    port = free_port()
    process = Clew(database_url, CLEW_PORT=port, CLEW_GRPC="false")
    with load(port) as clients:
        for _ in range(5):
            clients.wait(chance.randrange(1, 150))
            time.sleep(chance.random() / 20)
            process.kill()
            process.__exit__()
            process = Clew(database_url, CLEW_PORT=port, CLEW_GRPC="false")
        clients.wait(50)
    process.__exit__()

    assert clients.answers[0] > 0
    assert_each_is_stored_once(database_url, clients)


def test_stopped_in_order_under_load(database_url: str) -> None:
    """SIGTERM drains: no client meets a broken answer twice, the exit code is 0, and the next process goes on."""
    port = free_port()
    process = Clew(database_url, CLEW_PORT=port, CLEW_GRPC="false")
    with load(port) as clients:
        for _ in range(2):
            clients.wait(100)
            process.signal(15)
            assert (0, "", "") == process.wait()
            process.__exit__()
            process = Clew(database_url, CLEW_PORT=port, CLEW_GRPC="false")
        clients.wait(50)
    process.__exit__()

    assert_each_is_stored_once(database_url, clients)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "clew", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    """With no space left on its disk SQLite stores nothing, and goes on once there is space again."""
    path = small_disk / "clew.db"
    url = create_sqlite(path)
    filler = small_disk / "filler"
    with Clew(path) as process, load(process.port, payload="x" * 2_000) as clients:
        clients.wait(20)
        with filler.open("wb") as file:
            file.write(bytes(4 * MIB))
        clients.wait_for_refusals(50)
        assert "unavailable" == process.health()["status"]
        filler.unlink()
        clients.wait(20)
        assert "ok" == process.health()["status"]

    assert clients.answers[503] > 0
    assert_each_is_stored_once(url, clients)


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """The same where the file may not grow, which any user can try."""
    path = tmp_path / "clew.db"
    url = create_sqlite(path)
    with Clew(path) as process, load(process.port) as clients:
        clients.wait(20)
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        wal = path.with_name("clew.db-wal").stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (wal + 100_000, hard))
        clients.wait_for_refusals(50)
        assert "unavailable" == process.health()["status"]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (soft, hard))
        clients.wait(50)
        assert "ok" == process.health()["status"]

    assert clients.answers[503] > 0
    assert_each_is_stored_once(url, clients)


def test_locked_by_another_process(tmp_path: Path) -> None:
    """Another program that holds SQLite's write lock for longer than we wait makes clients come again."""
    path = tmp_path / "clew.db"
    url = create_sqlite(path)
    with Clew(path) as process, load(process.port) as clients:
        clients.wait(20)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN IMMEDIATE")
            clients.wait_for_refusals(8)
            assert "unavailable" == process.health()["status"]
            other.execute("ROLLBACK")
        clients.wait(50)
        assert "ok" == process.health()["status"]

    assert clients.answers[503] > 0
    assert_each_is_stored_once(url, clients)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


def test_postgresql_restarts_and_crashes(own_server: PostgresServer) -> None:
    """A server that is restarted, or crashes, and is gone meanwhile makes clients come again until it is back."""
    name = own_server.create(durable=True)
    url = own_server.url(name)
    with Clew(url) as process, load(process.port) as clients:
        for crash in (False, True):
            clients.wait(50)
            own_server.go(crash=crash)
            clients.wait_for_refusals(50)
            assert "unavailable" == process.health()["status"]
            own_server.come_back()
            clients.wait(50)
            wait_for_health(process, "ok")

    assert clients.answers[503] > 0
    assert_each_is_stored_once(url, clients)


def peak_mib(process: Clew) -> float:
    """The most that was ever resident."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def post_bomb(port: int, bomb: bytes) -> int:
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/v1/traces", bomb, headers)
        return connection.getresponse().status


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory was in use")
def test_ten_times_too_much(tmp_path: Path) -> None:
    """Ten times the exports that may wait, while the database takes none, and bombs among them, stay in bounds."""
    path = tmp_path / "clew.db"
    url = create_sqlite(path)
    payload = os.urandom(500_000).hex()  # of each span: 3 MB an export, and 48 of them are twice what may wait
    bomb = gzip.compress(bytes(64 * MIB))
    with Clew(path) as process:
        with load(process.port, clients=48, payload=payload) as clients:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
                other.execute("BEGIN IMMEDIATE")
                bombs = {post_bomb(process.port, bomb) for _ in range(50)}
                clients.wait_for_refusals(210)  # 640 MB: ten times CLEW_MAX_QUEUE_BYTES
                other.execute("ROLLBACK")
            clients.wait(100)
        peak = peak_mib(process)
        assert "ok" == process.health()["status"]

    assert clients.answers[429] > 0
    assert bombs <= {413, 429}
    assert peak < 400, f"{peak:.0f} MiB"
    assert_each_is_stored_once(url, clients)
