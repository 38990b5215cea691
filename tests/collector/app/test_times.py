"""Moments in what commands print: one format, with its zone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.app.times import LAST_MS, moment
from tests.collector.app.clew import clew
from tests.databases import create_sqlite

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d\S*( \S+)?")


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01 00:00:00 UTC"),
        (1_795_286_345_999, "2026-11-21 18:39:05 UTC"),
        (-5, "1970-01-01 00:00:00 UTC"),
        (2**63, "9999-12-31 23:59:59 UTC"),
        (LAST_MS, "9999-12-31 23:59:59 UTC"),
    ],
)
def test_a_moment(time_ms: int, text: str) -> None:
    assert moment(time_ms) == text


def test_no_command_writes_moments_in_its_own_way() -> None:
    """Days alone, and what is read by programs, are no moments."""
    folder = Path(__file__).parents[3] / "collector" / "app"
    for path in folder.glob("*.py"):
        if path.name != "times.py":
            assert not re.search(r"%H|strftime\(", path.read_text()), path.name


def test_every_commands_moments_have_their_zone(tmp_path: Path) -> None:
    url = create_sqlite(tmp_path / "clew.db")
    assert clew("tokens", "create", "lambda", "--database-url", url).returncode == 0
    found = [one.group() for one in MOMENT.finditer(clew("tokens", "list", "--database-url", url).stdout)]
    assert found
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", one) for one in found)
