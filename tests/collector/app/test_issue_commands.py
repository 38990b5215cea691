"""`clew issues`: what the page does, from a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from collector.store import tables
from collector.store.engine import open_engine
from tests.collector.app.clew import clew
from tests.collector.store.lives import end, rows, store
from tests.databases import create_sqlite


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    """Two issues, one of which asks a terminal for odd things."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    store(engine, end(1, error="no such file"), end(2, error="\x1b[31mred\x1b[0m \x07"))
    with engine.begin() as connection:
        hour = time.time_ns() // 3_600_000_000_000 * 3_600
        connection.execute(
            update(tables.issue_stats).where(tables.issue_stats.c.resolution == 3600).values(start_s=hour)
        )
        minute = time.time_ns() // 60_000_000_000 * 60
        connection.execute(
            update(tables.issue_stats).where(tables.issue_stats.c.resolution == 60).values(start_s=minute)
        )
    yield engine
    engine.dispose()


def run(database: Engine, *arguments: str) -> tuple[int, str, str]:
    result = clew("issues", *arguments, CLEW_DATABASE_URL=f"sqlite:///{database.url.database}")
    return result.returncode, result.stdout, result.stderr


def test_list_and_change(database: Engine) -> None:
    """A list, as JSON too; then resolved, muted, assigned, by whoever runs it."""
    code, listed, _ = run(database, "list", "--kind", "failures")
    assert code == 0
    assert listed.splitlines()[0].split()[:4] == ["ID", "STATUS", "TYPE", "FUNCTION"]
    assert "no such file" in listed
    assert "\x1b" not in listed
    assert "\x07" not in listed

    found = json.loads(run(database, "list", "--json")[1])
    assert {row["type"] for row in found} == {"ValueError"}
    one, other = (row["id"] for row in found)
    assert run(database, "resolve", one)[:2] == (0, f"{one} is resolved.\n")
    assert run(database, "resolve", one)[2] == "That is what they were.\n"
    assert run(database, "assign", one, "--to", "ada", "--database-url", f"sqlite:///{database.url.database}")[0] == 0
    assert run(database, "mute", other, "--hours", "2")[:2] == (0, f"{other} is muted.\n")

    assert [row["id"] for row in json.loads(run(database, "list", "--json", "--status", "resolved")[1])] == [one]
    assert [row["assignee"] for row in json.loads(run(database, "list", "--json", "--status", "all")[1])].count(
        "ada"
    ) == 1
    assert run(database, "list")[2] == "No such issue occurred.\n"
    assert run(database, "reopen", one, other)[1].count("is open.") == 2
    assert len(rows(database, tables.issue_history, "action")) == 5
    assert len({row[0] for row in rows(database, tables.issue_history, "actor")}) == 1


def test_an_id_that_is_none_changes_nothing(database: Engine) -> None:
    """Not even the others that are named beside it."""
    (row, _) = json.loads(run(database, "list", "--json")[1])
    for wrong in ("nonsense", "1", "f" * 40):
        code, _, told = run(database, "resolve", row["id"], wrong)
        assert (code, told) == (1, f"clew: There is no issue {wrong}.\n")
    assert rows(database, tables.issue_states, "issue_id") == []


def test_no_database(tmp_path: Path) -> None:
    result = clew("issues", "list", CLEW_DATABASE_URL=f"sqlite:///{tmp_path}/none.db")
    assert result.returncode == 1
    assert "There is no database" in result.stderr
