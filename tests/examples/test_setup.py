"""scripts/setup where it has nothing to install: what it refuses, and when it leaves everything as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INPUTS = ("scripts/setup", "requirements/demo.txt", "requirements/dev.txt", "pyproject.toml", "tracer/pyproject.toml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what scripts/setup reads."""
    for name in INPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(project: Path, kind: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"} | variables
    return subprocess.run(
        [str(project / "scripts" / "setup"), kind], env=environment, capture_output=True, text=True, check=False
    )


def interpreter(path: Path, program: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    return path


def stamp(project: Path, kind: str) -> str:
    """What marks an environment as made from the lock, as the script writes it."""
    files = [f"requirements/{kind}.txt", "pyproject.toml", "tracer/pyproject.toml"]
    sums = subprocess.run(["cksum", *files], cwd=project, capture_output=True, text=True, check=True).stdout
    return f"Python {sys.version_info.major}.{sys.version_info.minor} in {project}\n{sums}"


def test_an_interpreter_that_is_too_old_is_refused(project: Path) -> None:
    """One sentence says what is needed and how to name another one; nothing is made."""
    old = interpreter(project / "python3.9", "exit 1")

    result = setup(project, "demo", PYTHON=str(old))

    assert result.returncode == 1
    assert result.stderr == (
        f"scripts/setup: '{old}' is too old: Clew needs Python 3.11 or newer (the variable PYTHON names another one).\n"
    )
    assert not (project / ".venv").exists()


def test_an_interpreter_that_is_missing_is_refused(project: Path) -> None:
    """So is a name that is no command."""
    result = setup(project, "dev", PYTHON="no-such-python")

    assert result.returncode == 1
    assert result.stderr.startswith("scripts/setup: there is no 'no-such-python' here")
    assert result.stderr.count("\n") == 1


def test_an_unknown_kind_is_refused(project: Path) -> None:
    """There are two kinds of environment."""
    assert setup(project, "production").stderr == "scripts/setup: 'production' is neither demo nor dev.\n"


@pytest.mark.parametrize(("made_for", "asked_for"), [("demo", "demo"), ("dev", "dev"), ("dev", "demo")])
def test_an_environment_that_is_up_to_date_is_left_alone(project: Path, made_for: str, asked_for: str) -> None:
    """Nothing is said or done when the lock is the one it was made from; dev has all that demo needs."""
    interpreter(project / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    (project / ".venv" / f"setup-{made_for}").write_text(stamp(project, made_for))

    result = setup(project, asked_for)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_changed_lock_is_installed(project: Path) -> None:
    """pip is asked for the lock with its hashes, then for this tree; only then the environment counts as made."""
    asked = project / "asked"
    interpreter(
        project / ".venv" / "bin" / "python",
        f'if [ "$1" = -m ]; then echo "$@" >>{asked}; else exec {sys.executable} "$@"; fi',
    )
    (project / ".venv" / "setup-demo").write_text("made from another lock")

    result = setup(project, "demo")

    assert result.returncode == 0, result.stderr
    first, second = asked.read_text().splitlines()
    assert first.endswith("install --require-hashes -r requirements/demo.txt")
    assert second.endswith("install --no-deps --no-build-isolation -e . -e tracer")
    assert (project / ".venv" / "setup-demo").read_text() == stamp(project, "demo")


def test_a_failed_installation_is_shown_and_tried_again(project: Path) -> None:
    """What pip said is printed, and the environment does not count as made."""
    interpreter(
        project / ".venv" / "bin" / "python",
        f'if [ "$1" = -m ]; then echo "hashes do not match"; exit 1; else exec {sys.executable} "$@"; fi',
    )

    result = setup(project, "demo")

    assert result.returncode == 1
    assert "hashes do not match" in result.stdout
    assert result.stderr == "scripts/setup: pip could not install them; what it said is above.\n"
    assert not (project / ".venv" / "setup-demo").exists()


@pytest.mark.parametrize("code", [0, 1])
def test_installing_is_told_by_counts(project: Path, code: int) -> None:
    """How many packages are there, and that they are being installed; all that pip said only if it failed."""
    said = "; ".join(
        [*(f"echo Collecting package-{number}" for number in range(40)), "echo Installing collected packages"]
    )
    interpreter(
        project / ".venv" / "bin" / "python",
        f'if [ "$1" = -m ]; then {said}; exit {code}; fi\nexec {sys.executable} "$@"',
    )

    result = setup(project, "demo")

    lines = [line.strip() for line in result.stdout.splitlines()]
    assert any(line.startswith("20 of ") for line in lines)
    assert any(line.startswith("40 of ") for line in lines)
    assert "installing them ..." in lines
    assert "one second" not in result.stdout
    assert (result.returncode == 0) == (code == 0)
    assert ("Collecting package-7" in lines) == (code == 1)
    assert (project / ".venv" / "setup-demo").exists() == (code == 0)
