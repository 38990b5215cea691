"""Multi-row statements from tuples, on SQLite and on PostgreSQL.

Both take a list of tuples in the table's column order. SQLite gets them through `executemany`, which is fastest there
(210,000 rows/s against 127,000 by SQLAlchemy's dictionaries). PostgreSQL gets one statement with an array per column,
which costs it one parse and one round trip however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from collector.store.sharding import DISTRIBUTED, is_sharded

Row = tuple[Any, ...]
_LOCK = "FOR UPDATE"
KEYS_PER_STATEMENT = 400  # SQLite allows 32,766 parameters; more keys than this gain nothing


@dataclass(frozen=True, slots=True)
class Conflict:
    """What happens to a row whose key is there already: `updates` are SET clauses, none means nothing."""

    updates: tuple[str, ...] = ()


IGNORE = Conflict()


def adding(table: Table, *columns: str) -> Conflict:
    """Adds the new row's columns to the old one's."""
    return Conflict(tuple(f"{name} = {table.name}.{name} + excluded.{name}" for name in columns))


def larger(table: Table, column: str) -> str:
    return _extreme(table, column, ">")


def smaller(table: Table, column: str) -> str:
    return _extreme(table, column, "<")


def _extreme(table: Table, column: str, sign: str) -> str:
    # CASE, because the function is called MAX in one engine and GREATEST in the other.
    old, new = f"{table.name}.{column}", f"excluded.{column}"
    return f"{column} = CASE WHEN {new} {sign} {old} THEN {new} ELSE {old} END"


def write(connection: Connection, table: Table, rows: Collection[Row], conflict: Conflict = IGNORE) -> None:
    """Inserts the rows; those whose key is there already are treated as `conflict` says.

    Keys must not repeat within `rows`. They are sorted first, so that two collectors that write the same rows take
    their locks in the same order.
    """
    if not rows:
        return
    ordered = sorted(rows, key=_key_of(table))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_sqlite_insert(table, conflict), ordered)
    else:
        connection.exec_driver_sql(_postgresql_insert(table, conflict), _columns(table, ordered))


def write_new(connection: Connection, table: Table, rows: Collection[Row]) -> set[Row]:
    """Inserts the rows whose key is not there yet and returns the keys of those it inserted."""
    if not rows:
        return set()
    key_of = _key_of(table)
    if connection.dialect.name == "sqlite":
        return _write_new_sqlite(connection, table, sorted(rows, key=key_of))
    ordered = sorted(rows, key=key_of)
    statement = f"{_postgresql_insert(table, IGNORE)} RETURNING {_names(table.primary_key.columns)}"
    result = connection.exec_driver_sql(statement, _columns(table, ordered))
    return {tuple(row) for row in result}


def _write_new_sqlite(connection: Connection, table: Table, rows: list[Row]) -> set[Row]:
    key_of = _key_of(table)
    try:
        # Nearly always all of them are new; looking first cost 36 of 265 µs of a commit per export.
        with connection.begin_nested():
            connection.exec_driver_sql(_sqlite_insert(table, None), rows)
    except IntegrityError:
        # The writer holds the database's only write lock, so nothing can come between the two statements.
        known = existing(connection, table, [key_of(row) for row in rows])
        rows = [row for row in rows if key_of(row) not in known]
        if rows:
            connection.exec_driver_sql(_sqlite_insert(table, None), rows)
    return {key_of(row) for row in rows}


def existing(connection: Connection, table: Table, keys: Sequence[Row]) -> set[Row]:
    """Those of the keys that are in the table."""
    return {tuple(row) for row in select_by_key(connection, table, _names(table.primary_key.columns), keys)}


def select_by_key(
    connection: Connection,
    table: Table,
    columns: str,
    keys: Sequence[Row],
    *,
    key_columns: Sequence[str] = (),
    suffix: str = "",
) -> list[Row]:
    """The `columns` of the rows with these keys; `key_columns` are the primary key's unless named otherwise."""
    names = list(key_columns) or [column.name for column in table.primary_key.columns]
    if suffix.endswith(_LOCK) and table.name in DISTRIBUTED and is_sharded(connection):
        return _select_one_by_one(connection, f"SELECT {columns} FROM {table.name}", names, keys, suffix)  # noqa: S608
    found: list[Row] = []
    for start in range(0, len(keys), KEYS_PER_STATEMENT):
        some = _padded(list(keys[start : start + KEYS_PER_STATEMENT]))
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        one = f"({', '.join([mark] * len(names))})"
        # VALUES where a key has several columns; a plain list where it has one, which both engines index best.
        if len(names) == 1:
            where = f"{names[0]} IN ({', '.join([mark] * len(some))})"
        else:
            where = f"({', '.join(names)}) IN (VALUES {', '.join([one] * len(some))})"
        source = table.name
        if len(names) > 1 and connection.dialect.name == "sqlite":
            # Of a list of pairs SQLite looks none up in the index, it reads the whole table; a join that begins with
            # the list does. With 30,000 invocations stored the difference was 125 µs for each export.
            picked = ", ".join(f"column{number} AS key{number}" for number in range(1, len(names) + 1))
            given = f"SELECT DISTINCT {picked} FROM (VALUES {', '.join([one] * len(some))})"  # noqa: S608  # names are ours
            source = f"({given}) CROSS JOIN {table.name}"
            where = " AND ".join(f"{name} = key{number}" for number, name in enumerate(names, 1))
        parameters = tuple(value for key in some for value in key)
        statement = f"SELECT {columns} FROM {source} WHERE {where} {suffix}"  # noqa: S608  # names are ours
        found.extend(connection.exec_driver_sql(statement, parameters).fetchall())
    return found


def _select_one_by_one(
    connection: Connection, select: str, names: Sequence[str], keys: Sequence[Row], suffix: str
) -> list[Row]:
    """Rows of several shards cannot be locked by one statement."""
    statement = f"{select} WHERE {' AND '.join(f'{name} = %s' for name in names)} {suffix}"
    return [row for key in keys for row in connection.exec_driver_sql(statement, tuple(key)).fetchall()]


def select_among(connection: Connection, statement: str, mark: str, values: Collection[Any]) -> Sequence[Row]:
    """The rows of a SELECT that says `IN` and then `mark` somewhere, for these values."""
    ordered = list(values)
    if not ordered:
        return []
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(statement.replace(f"IN {mark}", "= ANY(%s)"), (_array(ordered),)).fetchall()
    found: list[Row] = []
    for start in range(0, len(ordered), KEYS_PER_STATEMENT):
        some = _padded(ordered[start : start + KEYS_PER_STATEMENT])
        marks = f"({', '.join('?' * len(some))})"
        found.extend(connection.exec_driver_sql(statement.replace(mark, marks), tuple(some)).fetchall())
    return found


def select_each(connection: Connection, subselect: str, values: Collection[Any]) -> Sequence[Row]:
    """For each value, which `subselect` calls `given.id`, the value and the one that the subselect finds, or None.

    With ORDER BY and LIMIT in it, it reads one entry of an index where MIN … GROUP BY would read them all.
    """
    ordered = list(values)
    if not ordered:
        return []
    if connection.dialect.name != "sqlite":
        statement = f"SELECT given.id, ({subselect}) FROM unnest(%s) AS given(id)"  # noqa: S608  # it is ours
        return connection.exec_driver_sql(statement, (_array(ordered),)).fetchall()
    found: list[Row] = []
    for start in range(0, len(ordered), KEYS_PER_STATEMENT):
        some = ordered[start : start + KEYS_PER_STATEMENT]
        marks = ", ".join(["(?)"] * len(_padded(some)))
        statement = f"WITH given(id) AS (VALUES {marks}) SELECT given.id, ({subselect}) FROM given"  # noqa: S608  # it is ours
        found.extend(connection.exec_driver_sql(statement, tuple(_padded(some))).fetchall()[: len(some)])
    return found


def select_pairs(
    connection: Connection, table: Table, columns: str, names: tuple[str, str], pairs: Collection[tuple[Any, Any]]
) -> Sequence[Row]:
    """The `columns` of the rows in which the two named ones are one of the pairs."""
    ordered = sorted(pairs)
    if not ordered:
        return []
    if connection.dialect.name == "sqlite":
        return select_by_key(connection, table, columns, ordered, key_columns=names)
    # Joined: of a list of pairs, PostgreSQL plans for seconds.
    one, other = names
    qualified = ", ".join(f"{table.name}.{name.strip()}" for name in columns.split(","))
    statement = (
        f"SELECT {qualified} FROM unnest(%s, %s) AS given(one, other) "  # noqa: S608  # names are ours
        f"JOIN {table.name} ON {table.name}.{one} = given.one AND {table.name}.{other} = given.other"
    )
    firsts, seconds = zip(*ordered, strict=True)
    return connection.exec_driver_sql(statement, (_array(list(firsts)), _array(list(seconds)))).fetchall()


def _padded(values: list[Any]) -> list[Any]:
    """With the last one again, up to one of a few lengths: the driver keeps 128 statements prepared, by their text."""
    length = 1
    while length < len(values):
        length *= 2
    return values + values[-1:] * (min(length, KEYS_PER_STATEMENT) - len(values))


def update(connection: Connection, table: Table, rows: Collection[Row]) -> None:
    """Puts the rows in the place of those with their keys. Keys must not repeat within `rows`.

    In place, not deleted and inserted anew: another collector that waits for a row's lock then finds it changed, and
    not gone.
    """
    if not rows:
        return
    ordered = sorted(rows, key=_key_of(table))
    if connection.dialect.name == "sqlite":
        order = _set_order(table)
        connection.exec_driver_sql(_sqlite_update(table), [tuple(row[index] for index in order) for row in ordered])
    else:
        connection.exec_driver_sql(_postgresql_update(table), _columns(table, ordered))


def delete_by_key(connection: Connection, table: Table, keys: Collection[Row], key_columns: Sequence[str] = ()) -> None:
    """Deletes the rows with these keys."""
    if not keys:
        return
    names = list(key_columns) or [column.name for column in table.primary_key.columns]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    where = " AND ".join(f"{name} = {mark}" for name in names)
    connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {where}", sorted(keys))  # noqa: S608  # names are ours


def _columns(table: Table, rows: Collection[Row]) -> tuple[list[Any], ...]:
    """The rows' values as PostgreSQL takes them."""
    kinds = _array_kinds(table)
    return tuple(kind(values) for kind, values in zip(kinds, zip(*rows, strict=True), strict=True))


@cache
def _array_kinds(table: Table) -> list[type[list[Any]]]:
    from collector.store.arrays import kind_of  # noqa: PLC0415  # it imports psycopg

    return [kind_of(column.type) for column in table.columns]


def _array(values: list[Any]) -> list[Any]:
    from collector.store.arrays import array_of  # noqa: PLC0415  # it imports psycopg

    return array_of(values)


@cache
def _key_of(table: Table) -> Callable[[Row], Row]:
    positions = [index for index, column in enumerate(table.columns) if column.primary_key]
    # itemgetter, because keys are taken several times per row, and of one column it gives no tuple.
    return itemgetter(*positions) if len(positions) > 1 else lambda row: (row[positions[0]],)


def _names(columns: Iterable[Column[Any]]) -> str:
    return ", ".join(column.name for column in columns)


def _on_conflict(table: Table, conflict: Conflict) -> str:
    if not conflict.updates:
        return " ON CONFLICT DO NOTHING"
    return f" ON CONFLICT ({_names(table.primary_key.columns)}) DO UPDATE SET {', '.join(conflict.updates)}"


@cache
def _sqlite_insert(table: Table, conflict: Conflict | None) -> str:
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {table.name} ({_names(table.columns)}) VALUES ({marks})"  # noqa: S608  # names are ours
    return statement + (_on_conflict(table, conflict) if conflict is not None else "")


@cache
def _set_order(table: Table) -> list[int]:
    """Positions of the columns in the order of `_sqlite_update`'s parameters: what is set, then the key."""
    columns = list(enumerate(table.columns))
    return [i for i, column in columns if not column.primary_key] + [i for i, column in columns if column.primary_key]


@cache
def _sqlite_update(table: Table) -> str:
    sets = ", ".join(f"{column.name} = ?" for column in table.columns if not column.primary_key)
    where = " AND ".join(f"{column.name} = ?" for column in table.primary_key.columns)
    return f"UPDATE {table.name} SET {sets} WHERE {where}"  # noqa: S608  # names are ours


@cache
def _postgresql_update(table: Table) -> str:
    sets = ", ".join(f"{column.name} = given.{column.name}" for column in table.columns if not column.primary_key)
    where = " AND ".join(f"{table.name}.{column.name} = given.{column.name}" for column in table.primary_key.columns)
    return f"UPDATE {table.name} SET {sets} FROM {_given(table)} WHERE {where}"  # noqa: S608  # names are ours


@cache
def _postgresql_insert(table: Table, conflict: Conflict) -> str:
    names = _names(table.columns)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} "  # noqa: S608  # names are ours
        f"FROM {_given(table)}{_on_conflict(table, conflict)}"
    )


def _given(table: Table) -> str:
    """A statement's parameters, one array for each column, as rows."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its constructor untyped
    types = (column.type.compile(dialect).partition(" COLLATE")[0] for column in table.columns)
    arrays = ", ".join(f"%s::{type}[]" for type in types)
    return f"unnest({arrays}) AS given({_names(table.columns)})"
