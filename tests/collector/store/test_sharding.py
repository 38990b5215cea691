"""What a sharded PostgreSQL needs of the tables and of the statements.

Citus itself cannot be installed where the tests run: functions of its names stand in for it, and record their calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, event

from collector.domain.facts import Report, ReportKind, ReportStatus, Result, Unfinished
from collector.store import tables
from collector.store.errors import NotSharded
from collector.store.periods import Periods
from collector.store.pruner import Pruner
from collector.store.queries.common import TimeRange
from collector.store.queries.transaction import get_transaction
from collector.store.queries.transactions import list_transactions
from collector.store.sharding import DISTRIBUTED, REFERENCE, distribute
from collector.store.sweep import Sweeper
from tests.collector.app.clew import clew
from tests.collector.store.aged import DAY_NS, NOW_NS, aged, counts, store
from tests.collector.store.facts import BUCKET, facts, invocation, trace
from tests.sharded_sql import refusals

# Small, or locked by several columns at once, or of people's own making: docs/scale.md says so.
LOCAL = {
    *("unfinished", "reports", "waiting_reports", "log_pieces", "invocation_tags", "stitch_queue", "leases"),
    "refused_events",
    *("links", "memberships", "transactions", "flow_stats"),
    *("issues", "issue_occurrences", "issue_stats", "issue_states", "issue_history", "issue_changes"),
}

_STAND_IN = """
CREATE TABLE pg_dist_partition (logicalrelid regclass, arguments text);
CREATE FUNCTION create_distributed_table(name regclass, distribution_column text, colocate_with text DEFAULT 'default')
RETURNS void LANGUAGE sql AS $$
    INSERT INTO pg_dist_partition VALUES (name, distribution_column || ' with ' || colocate_with)
$$;
CREATE FUNCTION create_reference_table(name regclass) RETURNS void LANGUAGE sql AS $$
    INSERT INTO pg_dist_partition VALUES (name, 'everywhere')
$$;
"""


@pytest.fixture
def sharded(postgresql_database: Engine) -> Iterator[Engine]:
    """A database that is taken for a sharded one: every statement that it gets is one that Citus would run."""
    with postgresql_database.begin() as connection:
        connection.exec_driver_sql(_STAND_IN)
    seen: list[str] = []

    def look(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)
        assert () == refusals(statement), statement

    event.listen(postgresql_database, "before_cursor_execute", look)
    yield postgresql_database
    assert seen


@pytest.mark.parametrize("name", sorted(DISTRIBUTED))
def test_every_unique_key_holds_the_distribution_column(name: str) -> None:
    """Otherwise no shard could tell whether a key is there already."""
    table, column = tables.metadata.tables[name], DISTRIBUTED[name][0]

    assert column in table.primary_key.columns
    assert all(column in index.columns for index in table.indexes if index.unique)
    assert not table.foreign_keys


def test_no_table_refers_to_another() -> None:
    """Foreign keys would tie shards together."""
    assert not [table.name for table in tables.metadata.sorted_tables if table.foreign_keys]


def test_every_table_of_ingest_has_its_place() -> None:
    """A new one is to be thought about: spread, copied everywhere, or small enough for one node."""
    of_sums = {name for name in tables.metadata.tables if name.endswith(("_stats", "_minutes"))}
    of_people = {name for name in tables.metadata.tables if name.startswith(("alert", "token", "secret", "channel"))}
    known = DISTRIBUTED.keys() | set(REFERENCE) | LOCAL

    assert known <= tables.metadata.tables.keys()
    assert not [
        name
        for name, table in tables.metadata.tables.items()
        if name not in known | of_people | of_sums
        and {"trace_id", "span_id", "function_id"} & set(table.columns.keys())
    ]


def test_tables_that_share_shards_have_columns_of_one_type() -> None:
    """Citus refuses others."""
    for name, (column, group) in DISTRIBUTED.items():
        first = tables.metadata.tables[group].c[DISTRIBUTED[group][0]]
        assert type(first.type) is type(tables.metadata.tables[name].c[column].type)


def test_distribute(sharded: Engine) -> None:
    """Each table once; the first of those that share shards before the others; again does nothing."""
    url = sharded.url.render_as_string(hide_password=False)
    sharded.dispose()

    first, second = (clew("db", "distribute", CLEW_DATABASE_URL=url) for _ in range(2))

    assert (0, "") == (first.returncode, first.stderr)
    assert "functions, resources, invocations, calls, exports" in first.stdout
    assert second.stdout.endswith(": nothing distributed.\n")
    with sharded.begin() as connection:
        found = connection.exec_driver_sql("SELECT logicalrelid::regclass::text, arguments FROM pg_dist_partition")
        placed = {row[0]: row[1] for row in found}
    assert placed.keys() == DISTRIBUTED.keys() | set(REFERENCE)
    assert ("span_id with none", "span_id with invocations", "everywhere") == (
        placed["invocations"],
        placed["calls"],
        placed["functions"],
    )


def test_a_database_that_is_not_sharded(database: Engine) -> None:
    """It says what is missing, and does nothing."""
    with pytest.raises(NotSharded, match="lacks the extension"):
        distribute(database)


def test_what_collectors_do(sharded: Engine) -> None:
    """Storing, replacing, reporting, ending, stitching, reading and pruning: as on one server, row for row."""
    running = replace(
        facts(invocation(7, result=Result.RUNNING, finished=False, duration_ms=5)), tags=[], issues=[], occurrences=[]
    )
    row = running.invocations[0]
    running.unfinished = [Unfinished(row.started_ns, row.span_id, row.started_ns + 1_000_000_000, None, b"")]
    store(sharded, running, aged(1, 20, produces="one"), aged(2, 20, consumes="one", failed=True))
    ended = facts(invocation(7, duration_ms=9))
    ended.reports = [
        Report(
            request_id="request-7",
            kind=ReportKind.INVOCATION,
            time_ns=row.started_ns + 20_000_000,
            status=ReportStatus.SUCCESS,
            function="",
            region="",
            trace_id=None,
            span_id=None,
            started_ns=None,
            error_type="",
            duration_ns=9_000_000,
            billed_ms=9,
            memory_mb=128,
            max_memory_mb=60,
            init_ns=None,
            restore_ns=None,
        )
    ]
    store(sharded, ended)
    Sweeper(sharded, now=lambda: NOW_NS + DAY_NS).run_pass()
    with sharded.begin() as connection:
        detail = get_transaction(connection, trace(2))
        window = TimeRange((NOW_NS - 30 * DAY_NS) // 1_000_000, NOW_NS // 1_000_000)
        reaching = [
            list_transactions(connection, window, resource_id=id, limit=10).rows for id in (BUCKET.id, BUCKET.id + 1)
        ]
    assert detail is not None
    assert 2 == len(detail.invocations)
    assert ([trace(1)], []) == tuple([row.id for row in rows] for rows in reaching)
    before = counts(sharded)

    Pruner(sharded, sharded, Periods(exports=10, rows=15, minutes=30, hours=40), now_ns=lambda: NOW_NS).run()

    after = counts(sharded)
    assert (3, 1) == (before["invocations"], after["invocations"])


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("SELECT * FROM invocations WHERE (started_ns, span_id) IN (VALUES (%s, %s), (%s, %s)) FOR UPDATE", True),
        ("SELECT * FROM invocations WHERE started_ns = %s AND span_id = %s ORDER BY 1 FOR UPDATE", False),
        ("SELECT * FROM issues WHERE id IN (%s, %s) FOR UPDATE", False),
        ("SELECT 1 FROM calls c WHERE EXISTS (SELECT 1 FROM link_keys k WHERE k.trace_id = c.trace_id)", True),
        ("SELECT 1 FROM calls c WHERE EXISTS (SELECT 1 FROM invocations i WHERE i.span_id = c.span_id)", False),
        ("SELECT 1 FROM calls c WHERE c.trace_id IN (SELECT k.trace_id FROM link_keys k)", False),
        ("SELECT 1 FROM calls LEFT OUTER JOIN link_keys ON calls.trace_id = link_keys.trace_id", True),
        ("INSERT INTO edge_stats (resolution) SELECT 1 ON CONFLICT (resolution) DO NOTHING", True),
        ("INSERT INTO calls (span_id) SELECT 1 ON CONFLICT (span_id) DO UPDATE SET span_id = 2", True),
        ("UPDATE calls SET duration_ns = random() WHERE span_id = %s", True),
        ("WITH RECURSIVE t AS (SELECT 1) SELECT * FROM t, calls", True),
        ("UPDATE issues SET message = random()", False),
    ],
)
def test_what_is_refused(statement: str, refused: bool) -> None:
    """The tests would notice a statement that Citus does not run."""
    assert refused == bool(refusals(statement))
