"""`clew` with a clock that runs ahead of the machine's, by as much as a file says at that moment.

python -m tests.collector.app.turned_clock FILE ARGUMENT...

FILE holds nanoseconds (eight bytes, little-endian). Only the clock is not the real one: this process's, and the one
that the database tells this process. Intervals are measured as ever.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

LAYOUT = "<q"


def write_ahead(path: Path, ahead_s: float) -> None:
    """Turns the clock of whoever reads the file; it is written in place, and so whole at any moment."""
    if not path.exists():
        path.write_bytes(bytes(struct.calcsize(LAYOUT)))
    with path.open("r+b") as file:
        file.write(struct.pack(LAYOUT, round(ahead_s * 1e9)))


def reading(path: Path) -> Callable[[], int]:
    """Nanoseconds ahead."""
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return lambda: int(struct.unpack_from(LAYOUT, memory)[0])


def turn(path: Path) -> None:
    """Before anything of Clew's is imported: its modules may keep the clock's functions."""
    ahead_ns, now_ns = reading(path), time.time_ns
    vars(time).update(time_ns=lambda: now_ns() + ahead_ns(), time=lambda: (now_ns() + ahead_ns()) / 1e9)

    from collector.store import lease

    database_now_ms = lease.database_now_ms

    def turned_ms(connection: Connection) -> int:
        return database_now_ms(connection) + ahead_ns() // 1_000_000

    vars(lease).update(database_now_ms=turned_ms)


if __name__ == "__main__":
    turn(Path(sys.argv.pop(1)))

    from collector.app.cli import main

    main(prog_name="clew")
