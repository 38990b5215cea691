"""What an installation gets: the two distributions, built as they are published."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
OLDEST_IN_A_FUNCTION = (3, 10)


def wheel(project: Path, folder: Path) -> zipfile.ZipFile:
    [path] = WheelBuilder(str(project)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(path)


@pytest.mark.parametrize(
    "name",
    [
        "collector/domain/prices.toml",
        "collector/store/queries/transaction.py",
        "migrations/env.py",
        "migrations/versions/0001_create_the_tables.py",
        "webapp/static/css/tokens.css",
        "webapp/templates/base.html",
        "webapp/transaction/templates/transaction/show.html",
    ],
)
def test_the_server_carries_what_it_reads(name: str, tmp_path: Path) -> None:
    """Templates, assets, migrations and the price table are part of the server's wheel."""
    with wheel(ROOT, tmp_path) as built:
        assert name in built.namelist()


def test_the_server_carries_nothing_else(tmp_path: Path) -> None:
    """No tests, no examples, and not the tracer, which is a distribution of its own."""
    with wheel(ROOT, tmp_path) as built:
        tops = {name.split("/")[0] for name in built.namelist()}

    assert {"collector", "webapp", "migrations"} == {top for top in tops if not top.endswith(".dist-info")}


def test_the_tracer_carries_one_package(tmp_path: Path) -> None:
    """`clew`, typed, with the OpenTelemetry SDK as its only requirement."""
    with wheel(ROOT / "tracer", tmp_path) as built:
        names = built.namelist()
        [metadata] = [built.read(name).decode() for name in names if name.endswith("METADATA")]

    assert {"clew"} == {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert "clew/py.typed" in names
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra" not in line]
    assert 1 == len(required)
    assert required[0].startswith("Requires-Dist: opentelemetry-sdk")


@pytest.mark.parametrize("path", sorted((ROOT / "tracer" / "clew").rglob("*.py")), ids=lambda path: path.stem)
def test_the_tracer_speaks_the_oldest_python(path: Path) -> None:
    """Every file parses with the grammar of the oldest Python that a function may run."""
    ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST_IN_A_FUNCTION)


def test_locks_name_no_registry() -> None:
    """Lock files hold packages, versions and hashes only."""
    locks = sorted((ROOT / "requirements").glob("*.txt"))

    assert locks
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        assert "index-url" not in text
        assert "--hash=sha256:" in text
