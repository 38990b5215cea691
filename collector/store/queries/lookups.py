"""Names for ids, many at a time, and what else several pages' queries do to text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, and_, false, func, select

from collector.domain.facts import FAILURES, IssueKind
from collector.store import tables
from collector.store.queries.common import FunctionRef, IssueLabel, IssueRef, ResourceRef, ServiceCount

# Values in one IN list: SQLite takes 32,766, and PostgreSQL plans these in under a millisecond.
CHUNK = 5_000
_ID = re.compile(r"[0-9A-Za-z_.:-]+")

Item = TypeVar("Item")

FUNCTION_COLUMNS = (
    tables.functions.c.id,
    tables.functions.c.kind,
    tables.functions.c.account,
    tables.functions.c.region,
    tables.functions.c.name,
)
RESOURCE_COLUMNS = (
    tables.resources.c.id,
    tables.resources.c.service,
    tables.resources.c.region,
    tables.resources.c.name,
    tables.resources.c.arn,
)


def functions_by_id(connection: Connection, ids: Collection[int]) -> dict[int, FunctionRef]:
    rows = _rows(connection, FUNCTION_COLUMNS, tables.functions.c.id, ids)
    return {row.id: FunctionRef(*row) for row in rows}


def resources_by_id(connection: Connection, ids: Collection[int | None]) -> dict[int | None, ResourceRef]:
    """None among the ids stands for "no resource" and is skipped, so that `.get()` of an optional id works."""
    rows = _rows(connection, RESOURCE_COLUMNS, tables.resources.c.id, {id for id in ids if id is not None})
    return {row.id: ResourceRef(*row) for row in rows}


def function_names(connection: Connection, limit: int = 1_000) -> list[FunctionRef]:
    """Every function ever seen, by name in upper or lower case, for a filter to choose from: the first `limit`."""
    name = tables.functions.c.name
    statement = select(*FUNCTION_COLUMNS).order_by(func.lower(name), name, tables.functions.c.id).limit(limit)
    found = [FunctionRef(*row) for row in connection.execute(statement)]
    # Again, as databases differ in what is a lower case letter.
    return sorted(found, key=lambda function: (function.name.lower(), function.name, function.id))


def function_by_id(connection: Connection, id: int) -> FunctionRef | None:
    """None: no such function."""
    return functions_by_id(connection, [id]).get(id) if storable(id) else None


def resource_by_id(connection: Connection, id: int) -> ResourceRef | None:
    """None: no such resource."""
    return resources_by_id(connection, [id]).get(id) if storable(id) else None


def issue_by_id(connection: Connection, id: int) -> IssueRef | None:
    """None: no such issue."""
    if not storable(id):
        return None
    issues = tables.issues.c
    row = connection.execute(
        select(issues.id, issues.type, issues.kind.label("issue_kind"), issues.function_id, *FUNCTION_COLUMNS[1:])
        .join(tables.functions, tables.functions.c.id == issues.function_id)
        .where(issues.id == id)
    ).one_or_none()
    if row is None:
        return None
    return IssueRef(row[0], row[1], FunctionRef(*row[3:]), IssueKind(row.issue_kind))


def unknown_function(id: int = 0) -> FunctionRef:
    """Stands for a function that no row describes."""
    return FunctionRef(id, "service", "", "", "unknown")


def labels(found: Iterable[tuple[int, str, int]]) -> tuple[IssueLabel, ...]:
    """Issue labels from (id, type, kind), each once: failures first, in the order of their types."""
    ordered = sorted(set(found), key=lambda issue: (issue[2] not in FAILURES, issue[1], issue[0]))
    return tuple(IssueLabel(id, type, IssueKind(kind)) for id, type, kind in ordered)


def ran_ns(row: Row[*tuple[Any, ...]]) -> int:
    """How long an invocation's row says that it ran, as collector.domain.facts.Invocation.ran_ns."""
    lasted: int = row.duration_ns if row.finished or row.reported_ns is None else row.reported_ns
    return lasted


def read_services(text: str) -> tuple[ServiceCount, ...]:
    """`s3 2,transcribe 1` as in the tables' `services` columns."""
    parts = (part.rpartition(" ") for part in text.split(",") if part)
    return tuple(ServiceCount(service, int(count)) for service, _, count in parts)


def chunks(items: Collection[Item]) -> Iterator[list[Item]]:
    ordered = list(items)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def storable(id: int | None) -> bool:
    """Whether a number from a URL can be an id at all: the databases refuse larger ones with an error."""
    return id is None or -(2**63) <= id < 2**63


def searchable(text: str) -> str:
    """Text from a URL as the databases can compare it: PostgreSQL knows no NUL, neither knows half a character."""
    return text.strip().replace("\0", "").encode("utf-8", "replace").decode()


def contains(column: ColumnElement[str | None], text: str) -> ColumnElement[bool]:
    """`text` anywhere in it, in upper or lower case, with no wildcards."""
    return column.icontains(text, autoescape=True)


def starts_with(column: ColumnElement[str | None], text: str) -> ColumnElement[bool]:
    """Ids that begin with `text`, as a range of the index; false for text that cannot begin an id.

    The column's collation is the bytes' own; others skip hyphens, and a range would hold more than the prefix.
    """
    if not _ID.fullmatch(text):
        return false()
    return and_(column >= text, column < text[:-1] + chr(ord(text[-1]) + 1))


def _rows(
    connection: Connection, columns: Sequence[ColumnElement[Any]], key: ColumnElement[int], ids: Collection[int]
) -> Iterator[Row[*tuple[Any, ...]]]:
    for some in chunks(ids):
        yield from connection.execute(select(*columns).where(key.in_(some)))
