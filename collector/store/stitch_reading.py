"""What the stitcher reads, as statements that are made once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, literal_column
from sqlalchemy.dialects import postgresql, sqlite

from collector.store.statements import select_among

_SOME = "[some]"


def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """One of the values that `fetch` is given."""
    return column.op("IN", is_comparison=True)(literal_column(_SOME))


def fetch(
    connection: Connection, statement: Select[Any], values: Collection[Any], most: int | None = None
) -> Sequence[tuple[Any, ...]]:
    """All rows for these values, however many the statement's list may hold at once. With `most`, more rows than that
    only tell that there are too many."""
    text = _compiled(statement, connection.dialect.name)
    return select_among(connection, text if most is None else f"{text} LIMIT {most + 1}", _SOME, values)


@cache
def _compiled(statement: Select[Any], dialect: str) -> str:
    """As text, once: for SQLAlchemy to expand the lists took a third of all stitching."""
    made = sqlite.dialect() if dialect == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=made, compile_kwargs={"literal_binds": True}))
