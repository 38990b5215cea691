"""The webhook's page names every field of its schema, and its example is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from collector.alerts.channels.kinds import KINDS
from collector.alerts.channels.sending import InvalidChannel, check_values
from collector.alerts.channels.webhook import LEAST_SECRET
from tests.collector.alerts.services.server import violations
from tests.collector.alerts.services.teams import SCHEMA

PAGE = (Path(__file__).parents[4] / "docs" / "channels.md").read_text()
SECTION = PAGE[PAGE.index("## Webhook") : PAGE.index("## Apprise")]


def fields(heading: str) -> list[str]:
    """The names in the first column of the table that begins with this heading."""
    _, _, rest = SECTION.partition(f"| {heading} | |\n")
    table = rest.split("\n\n")[0]
    return [name for row in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize(
    ("heading", "schema"),
    [("of a message", SCHEMA), ("of each of `alerts`", SCHEMA["$defs"]["alert"])],
    ids=["message", "alert"],
)
def test_every_field_is_documented(heading: str, schema: dict[str, dict[str, object]]) -> None:
    assert sorted(schema["properties"]) == sorted(fields(heading))


def test_the_example_is_one() -> None:
    example = json.loads(SECTION.split("```json\n")[1].split("```")[0])
    assert [] == violations(SCHEMA, example)


def test_what_a_channel_needs_is_documented() -> None:
    """Its fields, and the length of its secret, which is checked."""
    assert [field.name for field in KINDS["webhook"].fields] == fields("field")
    assert f"at least {LEAST_SECRET} characters" in SECTION
    values = {"url": "https://example.com/", "secret": "x" * LEAST_SECRET}
    assert values["secret"] == check_values("webhook", values)["secret"]
    with pytest.raises(InvalidChannel, match=f"at least {LEAST_SECRET} characters"):
        check_values("webhook", values | {"secret": "x" * (LEAST_SECRET - 1)})
