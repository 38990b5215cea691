"""Arrays as PostgreSQL itself reads them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import Engine

from collector.store.arrays import Array, Bigints, Booleans, Bytes, Integers, Smallints, Texts, array_of
from collector.store.engine import open_engine
from tests.databases import PostgresServer

CASES: list[tuple[Array, str]] = [
    (Bigints([0, -1, 2**63 - 1, -(2**63)]), "bigint"),
    (Bigints([1, None, 3]), "bigint"),
    (Bigints([None]), "bigint"),
    (Bigints([]), "bigint"),
    (Integers([2**31 - 1, -(2**31), None]), "integer"),
    (Smallints([2**15 - 1, -(2**15)]), "smallint"),
    (Booleans([True, False, None]), "boolean"),
    (Booleans([True, False]), "boolean"),
    (Bytes([b"", b"\x00\xff", None, bytes(16)]), "bytea"),
    (Texts(["", "a", None, "NULL", "{,}\"'\\", "ä\N{GRINNING FACE}"]), "text"),
    (Texts([]), "text"),
    (array_of([1, 2**40]), "bigint"),
    (array_of([b"1", b"2"]), "bytea"),
    (array_of(["1", "2"]), "text"),
]

# A process of its own: here the arrays have been imported long ago.
_FIRST_WRITE = """
import sys
from collector.store.engine import open_engine
engine = open_engine(sys.argv[1])
from collector.store.statements import _array
from psycopg.adapt import PyFormat
with engine.connect() as connection:
    adapters = connection.connection.dbapi_connection.adapters
    print(adapters.get_dumper(type(_array([1])), PyFormat.AUTO).__name__)
"""


@pytest.fixture
def server(postgres_server: PostgresServer) -> Any:
    name = postgres_server.create()
    engine = open_engine(postgres_server.url(name))
    yield engine
    engine.dispose()
    postgres_server.drop(name)


@pytest.mark.parametrize(("values", "type"), CASES)
def test_the_server_reads_what_was_written(server: Engine, values: Array, type: str) -> None:
    with server.connect() as connection:
        (found,) = connection.exec_driver_sql(f"SELECT ARRAY(SELECT * FROM unnest(%s::{type}[]))", (values,)).one()
    assert list(values) == list(map(bytes, found)) if type == "bytea" and None not in values else list(values) == found


@pytest.mark.parametrize("values", [Bigints([2**63]), Integers([2**31]), Smallints([1, 2**15, None])])
def test_a_number_that_does_not_fit_is_an_overflow(server: Engine, values: Array) -> None:
    """The writer tells by it that the data is at fault, not the database."""
    with server.connect() as connection, pytest.raises(OverflowError, match="does not fit"):
        connection.exec_driver_sql("SELECT %s", (values,))


def test_an_engine_sends_them_whole_from_the_start(server: Engine) -> None:
    """As lists they are sent too, value by value: a commit took 350 instead of 210 µs for each export."""
    url = server.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", _FIRST_WRITE, url]
    assert "BigintsDumper\n" == subprocess.run(command, capture_output=True, text=True, check=True).stdout
