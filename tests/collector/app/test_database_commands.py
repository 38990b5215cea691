"""`clew db prune` and `clew db status --tables`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from collector.store.engine import describe
from collector.store.lease import Lease
from tests.collector.app.clew import Clew, clew
from tests.collector.store.aged import DAY_NS, NOW_NS, aged, counts, store

# The facts are of fixed days: how long ago these are now.
SINCE = (time.time_ns() - NOW_NS) / DAY_NS


def settings(database: Engine, **periods: float) -> dict[str, Any]:
    url = database.url.render_as_string(hide_password=False)
    return {"CLEW_DATABASE_URL": url} | {
        f"CLEW_RETENTION_{name.upper()}_DAYS": SINCE + days for name, days in periods.items()
    }


def test_prune_says_what_it_deleted(database: Engine) -> None:
    """First what it would, with nothing deleted, then what it did, and then that nothing is left to do."""
    store(database, *(aged(days, days, failed=days == 31) for days in (1, 10, 20, 30, 31)))
    before = counts(database)
    asked = settings(database, exports=5, rows=15, minutes=25, hours=50, errors=40)

    preview = clew("db", "prune", "--dry-run", **asked)
    assert (0, "") == (preview.returncode, preview.stderr)
    assert before == counts(database)
    done = clew("db", "prune", **asked)
    again = clew("db", "prune", **asked)

    assert (0, "") == (done.returncode, done.stderr)
    found = dict(line.split()[:2] for line in done.stdout.splitlines()[2:] if line.startswith("  "))
    wanted = dict(line.split()[:2] for line in preview.stdout.splitlines()[2:] if line.startswith("  "))
    assert {"exports": "3", "invocations": "2", "calls": "2", "transactions": "2"}.items() <= found.items()
    assert wanted.items() <= found.items()
    assert "Nothing is older than it may be.\n" == again.stdout.partition("The database")[0]


def test_status_says_how_large_and_how_old(database: Engine) -> None:
    """Each table's size, the oldest of each kind, and what will go next."""
    store(database, *(aged(days, days) for days in (1, 10)))

    found = clew("db", "status", "--tables", **settings(database, exports=5, rows=15, minutes=25, hours=50))

    assert (0, "") == (found.returncode, found.stderr)
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert lines[0].startswith(f"The database {describe(database)} is up to date")
    assert [line for line in lines if line.startswith("exports ") and line.endswith(("kB", "MB", "bytes"))]
    ages = [line for line in lines if line.endswith("days ago")]
    assert ["exports", "rows", "minutes", "hours"] == [line.split()[0] for line in ages]
    assert all(f"{SINCE + 10:.1f}"[:-2] in line for line in ages[:2])
    assert [line for line in lines if line.startswith("exports 1 (")]


def test_prune_beside_a_running_collector(tmp_path: Path, sqlite_database: Engine) -> None:
    """It may; the collector goes on."""
    store(sqlite_database, *(aged(days, days) for days in range(1, 60)))
    sqlite_database.dispose()
    asked = settings(sqlite_database, exports=5, rows=5, minutes=5, hours=50)
    with Clew(str(asked["CLEW_DATABASE_URL"]), **settings(sqlite_database)) as running:
        done = clew("db", "prune", **asked)
        assert "ok" == running.health()["status"]

    assert (0, "") == (done.returncode, done.stderr)
    assert 4 <= counts(sqlite_database)["invocations"] <= 5


def test_prune_while_another_does(database: Engine) -> None:
    """One at a time; the other is told to come again."""
    Lease(database, "retention", duration_s=600).acquire()

    refused = clew("db", "prune", **settings(database))

    assert (1, "") == (refused.returncode, refused.stdout)
    assert "clew: Another process prunes this database now: try again in a minute.\n" == refused.stderr
