"""Which table goes where on a sharded PostgreSQL (Citus), and the statements that put it there.

Large tables are spread by a column that is part of their key, so that a row has one place and `ON CONFLICT` is decided
there. Small ones that many queries join are copied to every node. All others stay on the node that collectors talk to:
they are small, or are locked row by row by several columns at once.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from collector.store.engine import describe
from collector.store.errors import NotSharded

# Tables with the same kind of value in the column share the first one's shards, so that rows with equal values meet.
DISTRIBUTED = {
    "invocations": ("span_id", "invocations"),
    "calls": ("span_id", "invocations"),
    "exports": ("id", "exports"),
    "trace_exports": ("trace_id", "trace_exports"),
    "link_keys": ("key", "link_keys"),
    "function_stats": ("function_id", "function_stats"),
    "function_durations": ("function_id", "function_stats"),
    "edge_stats": ("function_id", "function_stats"),
    "edge_durations": ("function_id", "function_stats"),
}
REFERENCE = ("functions", "resources")

_HAS_CITUS = "SELECT to_regproc('create_distributed_table') IS NOT NULL"
_KNOWN = "SELECT logicalrelid::regclass::text FROM pg_dist_partition"


def statements() -> dict[str, str]:
    """By table, in the order in which they are to be run."""
    made = {name: f"SELECT create_reference_table('{name}')" for name in REFERENCE}
    for name, (column, group) in DISTRIBUTED.items():
        other = "none" if group == name else group
        made[name] = f"SELECT create_distributed_table('{name}', '{column}', colocate_with => '{other}')"
    return made


def distribute(engine: Engine) -> list[str]:
    """Puts every table that is not there yet where it belongs; returns their names. Again: does nothing.

    Raises NotSharded where the database has no Citus.
    """
    done = []
    with engine.begin() as connection:
        if not is_sharded(connection):
            raise NotSharded(f"The database {describe(engine)} is not sharded: it lacks the extension citus.")
        known = {row[0] for row in connection.exec_driver_sql(_KNOWN)}
        for name, statement in statements().items():
            if name not in known:
                connection.exec_driver_sql(statement)
                done.append(name)
        # Invocations and calls are joined to transactions by trace, which is not what they are spread by.
        database = connection.exec_driver_sql("SELECT quote_ident(current_database())").scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {database} SET citus.enable_repartition_joins = on")
    return done


def is_sharded(connection: Connection) -> bool:
    """Whether the extension is there. Asked once for each engine."""
    known = _sharded.get(connection.engine)
    if known is None:
        known = connection.dialect.name == "postgresql" and bool(connection.exec_driver_sql(_HAS_CITUS).scalar())
        _sharded[connection.engine] = known
    return known


_sharded: WeakKeyDictionary[Engine, bool] = WeakKeyDictionary()
