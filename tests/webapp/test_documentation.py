"""docs/dashboard.md names what the pages take."""

from __future__ import annotations

import re
from pathlib import Path

from webapp.links import FILTERS
from webapp.period import DEFAULT, LENGTHS_MS

TEXT = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()


def test_every_argument_is_documented() -> None:
    """And none that is not there any more."""
    table = TEXT.partition("## Addresses")[2].partition("\n\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }

    assert {*FILTERS, "range", "from", "to"} == named


def test_every_range_is_documented() -> None:
    """With the one that holds when nothing is said."""
    row = next(line for line in TEXT.splitlines() if line.startswith("| `range`"))

    assert list(LENGTHS_MS) == re.findall(r"`(\d+\w)`", row)
    assert f"`{DEFAULT}` (if nothing is said)" in row
