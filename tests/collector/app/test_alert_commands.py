"""`clew alerts`: rules as a file, and alerts from a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from collector.alerts.mute_text import read_mute
from collector.alerts.rule_store import save_mute, save_rule
from collector.domain.facts import Result
from collector.store.alert_tables import alert_mutes, alert_rules
from collector.store.engine import open_engine
from tests.collector.alerts.world import World, rule
from tests.collector.app.clew import clew
from tests.databases import create_sqlite

FILE = """\
version: 1
rules:
  checkout:
    condition: errors
    above: 3
    scope: {functions: checkout}
mutes:
  nights: {start: 22:00, length: 8h}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    url = create_sqlite(tmp_path / "clew.db")
    writing, reading = open_engine(url), open_engine(url, read_only=True)
    yield World(writing, reading, monkeypatch)
    writing.dispose()
    reading.dispose()


def run(database: Engine, *arguments: str) -> tuple[int, str, str]:
    result = clew("alerts", *arguments, CLEW_DATABASE_URL=f"sqlite:///{database.url.database}")
    return result.returncode, result.stdout, result.stderr


def test_a_file_of_rules(world: World, tmp_path: Path) -> None:
    """Shown, applied, exported as it was; what is wrong with it is told with its line, and nothing is applied."""
    world.begin(rule())
    file = tmp_path / "rules.yaml"
    file.write_text(FILE)
    code, shown, _ = run(world.writing, "diff", str(file))
    assert code == 3
    assert "+  checkout:" in shown
    assert run(world.writing, "apply", str(file))[:2] == (0, "checkout was saved.\nnights was saved.\n")
    assert run(world.writing, "diff", str(file)) == (0, "", "")
    assert run(world.writing, "apply", str(file))[2] == "Nothing is different.\n"

    exported = tmp_path / "exported.yaml"
    assert run(world.writing, "export", str(exported))[0] == 0
    assert run(world.writing, "diff", str(exported))[0] == 0
    assert "checkout" in run(world.writing, "rules")[1]

    file.write_text(FILE.replace("above: 3", "abvoe: 4").replace("checkout:", "other:"))
    code, _, wrong = run(world.writing, "apply", str(file))
    assert code == 1
    assert f"clew: {file}, line 5: rules.other.abvoe: “abvoe” is not known here" in wrong
    file.write_text(FILE.replace("  checkout:", "  other:"))
    assert run(world.writing, "apply", str(file))[1] == "other was saved.\ncheckout was removed.\n"
    assert "rule " in run(world.writing, "rules")[1]  # it did not come from a file
    assert run(world.writing, "apply", str(file), "--prune")[1] == "rule was removed.\n"


def test_what_cannot_be_read_is_shown_and_removed(world: World, tmp_path: Path) -> None:
    """Of a file's own without being asked to, as all that the next file does not name; of others with `--prune`. What
    the file names is mended."""
    world.begin(rule(), rule(id="named"))
    with world.writing.begin() as connection:
        save_rule(connection, rule(id="filed"), origin="file", now_ms=1)
        save_mute(connection, read_mute("old", {"start": "22:00", "length": "8h"}), now_ms=1)
        connection.execute(update(alert_rules).values(definition='{"condition": "of a later version"}'))
        connection.execute(update(alert_mutes).values(definition="{"))
    file = tmp_path / "rules.yaml"
    file.write_text("version: 1\nrules:\n  named: {condition: errors}\n")
    code, shown, _ = run(world.writing, "diff", str(file))
    assert code == 3
    gone = [line.partition(" cannot be read: ")[0] for line in shown.splitlines() if line.startswith("-#")]
    assert ["-# The rule filed", "-# The rule named"] == gone
    assert " # The rule rule cannot be read: " in shown
    assert "of a later version" in shown
    assert run(world.writing, "apply", str(file))[:2] == (0, "named was saved.\nfiled was removed.\n")
    assert run(world.writing, "diff", str(file))[:2] == (0, "")

    file.write_text(f"{file.read_text()}mutes:\n  nights: {{start: 22:00, length: 8h}}\n")
    shown = run(world.writing, "diff", str(file), "--prune")[1]
    assert "-# The rule rule cannot be read: " in shown
    assert "-# The mute window old cannot be read: " in shown
    said = "rule was removed.\nold was removed.\nnights was saved.\n"
    assert run(world.writing, "apply", str(file), "--prune")[:2] == (0, said)
    assert "cannot be read" not in run(world.writing, "rules")[2]
    assert run(world.writing, "diff", str(file), "--prune") == (0, "", "")


def test_alerts(world: World) -> None:
    """Listed, acknowledged, snoozed and resolved; a name cannot give the terminal an order."""
    rounds = world.begin(rule(name="Rule \x1b[31m"))
    world.invoke(65, result=Result.ERROR)
    world.run(rounds, 130)
    code, listed, _ = run(world.writing, "list")
    assert code == 0
    assert "\x1b" not in listed
    (found,) = json.loads(run(world.writing, "list", "--json")[1])
    id = found["id"]
    assert run(world.writing, "ack", id, "--note", "I look")[1] == f"{id} is acknowledged.\n"
    assert run(world.writing, "ack", id)[2] == "That is what they were.\n"
    assert f"{id} is snoozed until " in run(world.writing, "snooze", id, "--for", "2h")[1]
    assert run(world.writing, "snooze", id, "--for", "soon")[0] == 1
    assert run(world.writing, "resolve", id)[1] == f"{id} is resolved.\n"
    assert run(world.writing, "list")[2] == "There is no such alert.\n"
    assert run(world.writing, "resolve", "1234")[2] == "clew: There is no alert 1234.\n"
    assert ["opened", "acknowledged", "snoozed", "resolved"] == world.history()


def test_a_preview(world: World, tmp_path: Path) -> None:
    """Of a rule that is there, and of one in a file; what is not there is told."""
    world.begin(rule())
    assert "No function" in run(world.writing, "preview", "rule")[2]
    file = tmp_path / "rules.yaml"
    file.write_text(FILE)
    assert "No function" in run(world.writing, "preview", "checkout", "--file", str(file))[2]
    assert run(world.writing, "preview", "checkout")[2] == "clew: There is no rule checkout.\n"
