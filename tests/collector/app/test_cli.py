"""The commands other than `clew up`."""

from __future__ import annotations

import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from collector.app.cli import main
from collector.store.schema import head_revision
from tests.collector.app.clew import Clew, clew


def test_version() -> None:
    """`clew version` prints the distribution's version, whatever the settings are."""
    result = clew("version", CLEW_PORT="nonsense")

    assert (0, f"Clew {version('clew-server')}\n") == (result.returncode, result.stdout)


def test_the_installed_command_is_the_same() -> None:
    """The script `clew` and `python -m collector.app` are one."""
    script = Path(sysconfig.get_path("scripts"), "clew")
    result = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)

    assert clew("--help").stdout == result.stdout


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [path]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found.extend(commands(command, *path, name))
        else:
            found.append((*path, name))
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_every_command_is_documented(path: tuple[str, ...]) -> None:
    """docs/cli.md shows the help of every command as it is."""
    result = clew(*path, "--help", COLUMNS=100)
    page = Path(__file__).parents[3].joinpath("docs", "cli.md").read_text()

    assert 0 == result.returncode
    assert result.stdout in page


def test_status_of_no_database(tmp_path: Path) -> None:
    """Asking does not make a database."""
    path = tmp_path / "clew.db"
    result = clew("db", "status", "--database-url", f"sqlite:///{path}")

    assert (1, "") == (result.returncode, result.stdout)
    assert f"clew: There is no database at {path} yet: run `clew db upgrade`, which makes it.\n" == result.stderr
    assert not path.exists()


def test_upgrade_from_nothing_then_again(tmp_path: Path) -> None:
    """`clew db upgrade` makes the tables, and says so only when it did something."""
    url = f"sqlite:///{tmp_path / 'clew.db'}"
    first, second = (clew("db", "upgrade", CLEW_DATABASE_URL=url) for _ in range(2))
    state = clew("db", "status", CLEW_DATABASE_URL=url)

    assert (0, "") == (first.returncode, first.stderr)
    assert f"The database {tmp_path / 'clew.db'} was brought up to date: revision {head_revision()}.\n" == first.stdout
    assert f"The database {tmp_path / 'clew.db'} is up to date: revision {head_revision()}.\n" == second.stdout
    assert (0, second.stdout) == (state.returncode, state.stdout)


def test_upgrade_leaves_a_running_collector_alone(tmp_path: Path) -> None:
    """The tables are not changed under a collector that works with them, but may be looked at."""
    path = tmp_path / "clew.db"
    with Clew(path) as running:
        upgrade = clew("db", "upgrade", CLEW_DATABASE_URL=f"sqlite:///{path}")
        state = clew("db", "status", CLEW_DATABASE_URL=f"sqlite:///{path}")

    assert 1 == upgrade.returncode
    assert f"process {running.pid}" in upgrade.stderr
    assert 0 == state.returncode


@pytest.mark.parametrize("arguments", [(), ("db",), ("down",), ("up", "--nonsense")])
def test_a_command_that_is_none(arguments: tuple[str, ...]) -> None:
    """Anything that is no command shows how to use it, with exit code 2."""
    result = clew(*arguments)

    assert 2 == result.returncode
    assert "Usage: clew" in result.stderr
