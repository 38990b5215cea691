"""Facts of many days, for tests of what happens to old ones."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Engine, func, select

from collector.domain.facts import Facts, Result, Side
from collector.domain.ids import export_id
from collector.store import tables
from collector.store.commit import Seen, write_facts
from collector.store.stitcher import Stitcher
from tests.collector.store.facts import START_NS, call, facts, function, invocation, key

DAY_MS = 86_400_000
DAY_NS = DAY_MS * 1_000_000
NOW_NS = START_NS


def aged(
    number: int, days: float, *, failed: bool = False, produces: str = "", consumes: str = "", body: bytes | None = None
) -> Facts:
    """One export of so many days ago: an invocation with a call, and keys if they have names."""
    start_ms = -round(days * DAY_MS)
    result = Result.ERROR if failed else Result.OK
    keys = [key(produces, Side.PRODUCED, number, start_ms=start_ms)] if produces else []
    keys += [key(consumes, Side.CONSUMED, number, start_ms=start_ms)] if consumes else []
    made = facts(
        invocation(number, start_ms=start_ms, result=result)._replace(calls=1),
        calls=[call(number, span=number + 1_000_000, start_ms=start_ms + 1)],
        keys=keys,
        body=body,
    )
    started_ms = START_NS // 1_000_000 + start_ms
    id = export_id(started_ms * 1_000_000, made.export.body)
    made.export = made.export._replace(id=id, received_ms=started_ms)
    made.functions = [function(seen_ms=started_ms)]
    return made


def store(database: Engine, *group: Facts) -> None:
    with database.begin() as connection:
        write_facts(connection, group, Seen())
    stitcher = Stitcher(database)
    while stitcher.run_pass() is not None:
        pass


def counts(database: Engine) -> Counter[str]:
    """Rows by table, without those of the collector's own work."""
    with database.begin() as connection:
        return +Counter(
            {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in tables.metadata.sorted_tables
                if table.name not in {"leases", "stitch_queue"}
            }
        )
