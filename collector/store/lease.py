"""Work that one of several collectors does at a time: a named lease, held for a while and renewed.

    lease = Lease(engine, "retention", duration_s=60)
    while True:
        if lease.acquire():  # takes it, or renews it
            ...  # a piece of work that takes less than a third of the duration
        sleep(20)
    lease.release()

Who dies holding it is succeeded once it expires. All times are the database's own, so that machines whose clocks differ
agree on who holds it; the holder measures its own share by a clock that never jumps. A piece of work that must not
happen twice even if its process was stopped for minutes asks `confirm` in the transaction that makes it last.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import BigInteger, Column, Connection, Engine, Table, Text, delete, literal_column, select

from collector.store.rollup_tables import metadata

# On a sharded PostgreSQL this stays a plain table of the node that all collectors talk to.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),  # "host:process:random"
    Column("expires_ms", BigInteger, nullable=False),  # since 1970, by the database's clock
    sqlite_with_rowid=False,
)

_NOW_MS = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
}
# Who holds it prolongs it; anyone takes it once it has expired; otherwise nothing is returned.
_ACQUIRE = """
INSERT INTO leases (name, holder, expires_ms) VALUES ({mark}, {mark}, {mark})
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_ms = excluded.expires_ms
WHERE leases.holder = excluded.holder OR leases.expires_ms <= {mark}
RETURNING name
"""


class Lease:
    """One collector's side of a lease. Not to be shared by threads.

    `duration_s` is how long others wait after the holder's last sign of life. Database failures are raised as they are.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        duration_s: float,
        holder: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[Connection], int] | None = None,
    ) -> None:
        self._engine = engine
        self._duration_s = duration_s
        self._monotonic = monotonic
        self._now_ms = now_ms or database_now_ms
        self._until = float("-inf")
        self.name = name
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def held(self) -> bool:
        """Whether it is ours for certain, without asking the database."""
        return self._monotonic() < self._until

    def acquire(self) -> bool:
        """Takes or prolongs it, in a transaction of its own. False: another holds it."""
        # Before the database is asked: what it takes to answer is not added to our share. The same holds for the
        # database's time, which is read before the row, which may be locked by another.
        before = self._monotonic()
        with self._engine.begin() as connection:
            now_ms = self._now_ms(connection)
            mark = "?" if connection.dialect.name == "sqlite" else "%s"
            taken = connection.exec_driver_sql(
                _ACQUIRE.format(mark=mark),
                (self.name, self.holder, now_ms + round(self._duration_s * 1000), now_ms),
            ).first()
        self._until = before + self._duration_s if taken is not None else float("-inf")
        return taken is not None

    def confirm(self, connection: Connection) -> bool:
        """Whether it is still ours, and stays so until this transaction ends: the lease's row is locked."""
        statement = select(leases.c.holder).where(leases.c.name == self.name)
        if connection.dialect.name != "sqlite":  # SQLite's writing transactions exclude each other
            statement = statement.with_for_update()
        return connection.scalar(statement) == self.holder

    def release(self) -> None:
        """Lets another have it at once. Does nothing where it is not ours."""
        self._until = float("-inf")
        with self._engine.begin() as connection:
            connection.execute(delete(leases).where(leases.c.name == self.name, leases.c.holder == self.holder))


def database_now_ms(connection: Connection) -> int:
    """Milliseconds since 1970 by the clock of the database's machine."""
    return connection.execute(select(literal_column(_NOW_MS[connection.dialect.name], BigInteger))).scalar_one()
