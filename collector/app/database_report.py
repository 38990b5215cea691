"""What the commands of `clew db` have to say, line by line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from collector.app.errors import CannotRun
from collector.app.times import moment
from collector.store.inventory import take_inventory
from collector.store.periods import DAY_S, NS, Kind, Periods
from collector.store.pruner import NotNow, Pruner
from collector.store.space import disk

if TYPE_CHECKING:
    from sqlalchemy import Engine

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def status_lines(engine: Engine, periods: Periods) -> Iterator[str]:
    """Sizes, ages, and what retention will take next."""
    now_ns = time.time_ns()
    with engine.connect() as connection:
        found = take_inventory(connection, periods, now_ns)
    limit = f", of {size(periods.max_bytes)} that it may" if periods.max_bytes is not None else ""
    free = f", {size(found.disk.total - found.disk.used)} of it free" if found.disk.total > found.disk.used else ""
    yield ""
    yield f"It takes {size(found.disk.total)} on disk{free}{limit}."
    if found.sizes:
        yield ""
        yield from table(("table", "size"), ((name, size(taken)) for name, taken in found.sizes.items() if taken))
    yield ""
    kept = {
        Kind.EXPORTS: periods.exports,
        Kind.ROWS: periods.rows,
        Kind.MINUTES: periods.minutes,
        Kind.HOURS: periods.hours,
    }
    rows = ((kind.value, _days(kept[kind]), _age(found.oldest_ns[kind], now_ns)) for kind in Kind)
    yield from table(("kind", "kept for", "oldest"), rows)
    if periods.errors:
        yield f"Exports and rows of failed transactions are kept for {_days(periods.errors)}."
    yield ""
    yield from _expired(found.expired, found.expired_bytes, "Retention will take next, for its age:")


def prune_preview(engine: Engine, periods: Periods) -> Iterator[str]:
    with engine.connect() as connection:
        found = take_inventory(connection, periods, time.time_ns(), sizes=False)
    yield from _expired(found.expired, found.expired_bytes, "Would be deleted, with what belongs to it:")
    if periods.max_bytes is not None and found.disk.used > periods.max_bytes:
        yield (
            f"Besides, the database takes {size(found.disk.used)}, more than the {size(periods.max_bytes)} that it "
            "may: the oldest exports would go until it does not."
        )


def prune(engine: Engine, reader: Engine, periods: Periods) -> Iterator[str]:
    """Raises CannotRun while another process prunes."""
    with engine.begin() as connection:
        before = disk(connection)
    try:
        deleted = Pruner(engine, reader, periods).run(everything=True)
    except NotNow:
        raise CannotRun("Another process prunes this database now: try again in a minute.") from None
    with engine.begin() as connection:
        after = disk(connection)
    if not deleted:
        yield "Nothing is older than it may be."
    else:
        yield "Deleted:"
        yield from table(("table", "rows"), ((name, f"{count:,}") for name, count in sorted(deleted.items())))
    if before.total > after.total:
        yield f"The database takes {size(after.total)} on disk now, {size(before.total - after.total)} less."


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Columns side by side; the last one ends at the right where its values are numbers."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        first, *others = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(["  " + first, *others]).rstrip()


def size(count: int) -> str:
    """`3.2 GB`: powers of 1000, as disks are sold."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} bytes"


def _expired(expired: Counter[str], taken: int, title: str) -> Iterator[str]:
    if not expired:
        yield "Nothing is older than it may be."
        return
    yield title
    rows = (
        (name, f"{count:,}" + (f" ({size(taken)} of payloads)" if name == "exports" else ""))
        for name, count in sorted(expired.items())
    )
    yield from table(("table", "rows"), rows)


def _days(days: float | None) -> str:
    if days is None:
        return "ever"
    return f"{days:g} day" if days == 1 else f"{days:g} days"


def _age(ns: int | None, now_ns: int) -> str:
    if ns is None:
        return "none"
    return f"{moment(ns // 1_000_000)}, {max(now_ns - ns, 0) / NS / DAY_S:.1f} days ago"
