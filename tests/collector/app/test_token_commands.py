"""`clew tokens`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from collector.store.engine import open_engine
from collector.store.tokens import Limits, Scope, Tokens, digest_of
from tests.collector.app.clew import clew
from tests.databases import create_sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clew.db"
    create_sqlite(path)
    return path


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return clew("tokens", *arguments, CLEW_DATABASE_URL=f"sqlite:///{path}")


def test_made_listed_and_revoked(path: Path) -> None:
    """stdout has the secret alone, so that a script can keep it; no list has it."""
    made = run(path, "create", "prod", "--max-requests", "500", "--max-bytes", "10000", "--max-body", "99")
    secret = made.stdout.strip()
    assert 0 == made.returncode
    assert secret.startswith("clew_ingest_")
    assert f"OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{secret}" in made.stderr
    engine = open_engine(f"sqlite:///{path}", read_only=True)
    token = Tokens(engine).active()[digest_of(secret)]
    engine.dispose()
    assert (Scope.INGEST, Limits(99, 500, 10_000)) == (token.scope, token.limits)

    eyes = run(path, "create", "ann", "--scope", "dashboard").stdout.strip()
    assert eyes.startswith("clew_dashboard_")
    listed = run(path, "list")
    assert ["NAME", "ann", "prod"] == [line.split()[1] for line in listed.stdout.splitlines()]
    assert f"…{secret[-4:]}" in listed.stdout
    assert secret not in listed.stdout + listed.stderr
    found = json.loads(run(path, "list", "--json").stdout)
    assert {"ann", "prod"} == {one["name"] for one in found}
    assert 500 == next(one for one in found if one["name"] == "prod")["limits"]["max_requests_s"]

    assert f"The ingest token prod ({token.id}) is revoked." in run(path, "revoke", "prod").stdout
    assert (
        "The dashboard token ann"
        in run(path, "revoke", next(one["id"] for one in found if one["name"] == "ann")).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", ""), 1, "needs a name"),
        (("create", "a", "--scope", "root"), 2, "Invalid value for '--scope'"),
        (("create", "a", "--max-requests", "0"), 2, "Invalid value for '--max-requests'"),
        (("create", "a", "--scope", "dashboard", "--max-body", "5"), 1, "Limits are for ingest tokens"),
        (("revoke", "nobody"), 1, "No token in use has the name or id nobody"),
    ],
)
def test_what_cannot_be_done(path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """One sentence, and nothing on stdout that a script could take for a token."""
    done = run(path, *arguments)
    assert (code, "") == (done.returncode, done.stdout)
    assert said in done.stderr


@pytest.mark.parametrize("arguments", [("list",), ("create", "lambda")])
@pytest.mark.parametrize("place", ["none.db", "no/directory/either/clew.db"])
def test_without_a_database(tmp_path: Path, arguments: tuple[str, ...], place: str) -> None:
    """None is made by the way: a typing error would hide in it. One line says what makes one."""
    done = run(tmp_path / place, *arguments)
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.count("\n") == 1
    assert "run `clew db upgrade`" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_with_a_database_that_has_no_tables_yet(tmp_path: Path) -> None:
    (tmp_path / "clew.db").touch()
    done = run(tmp_path / "clew.db", "create", "lambda")
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.count("\n") == 1
    assert "run `clew db upgrade`" in done.stderr


def test_no_tokens_yet(path: Path) -> None:
    """Said to the person, not to the script."""
    done = run(path, "list")
    assert (0, "") == (done.returncode, done.stdout)
    assert "No token was made yet." in done.stderr
