"""Functions written by the test, run by a local Lambda."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from collector.local_lambda import LocalFunction, LocalLambda
from tests.collector.local_lambda.extension_source import CLIENT

Deploy = Callable[..., LocalFunction]


@pytest.fixture
def functions(tmp_path: Path) -> Iterator[LocalLambda]:
    with LocalLambda(tmp_path / "logs") as functions:
        yield functions


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[LocalLambda]:
    """One that stops processes between invocations."""
    with LocalLambda(tmp_path / "logs", freeze=True) as functions:
        yield functions


@pytest.fixture
def function(tmp_path: Path) -> Deploy:
    """Makes a function of some source whose `handler` is the handler; further arguments as LocalFunction's.

    The source may use `Api`, a client of the Extensions API.
    """

    def function(source: str, name: str = "probe", **configuration: Any) -> LocalFunction:
        code = tmp_path / name
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text(CLIENT + dedent(source))
        return LocalFunction(name=name, handler="app.handler", code=code, **configuration)

    return function


@pytest.fixture
def deploy(functions: LocalLambda, function: Deploy) -> Deploy:
    """The same, and adds it to `functions`."""

    def deploy(source: str, name: str = "probe", **configuration: Any) -> LocalFunction:
        made = function(source, name, **configuration)
        functions.add(made)
        return made

    return deploy


def wait_for_file(path: Path) -> str:
    """The text of a file that a function is about to write."""
    wait_until(lambda: path.exists() and path.read_text() != "", f"{path} was never written")
    return path.read_text()


def wait_until(condition: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.01)


def state(pid: int) -> str:
    """The first letter of the process' state: T is stopped, Z a zombie; empty when there is none."""
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout[:1]


def wait_gone(pid: int) -> None:
    wait_until(lambda: state(pid) in {"", "Z"}, f"process {pid} lives on")


def layer(folder: Path, source: str, name: str = "beside") -> Path:
    """A layer with one external extension."""
    (folder / "extensions").mkdir(parents=True)
    executable = folder / "extensions" / name
    executable.write_text(f"#!{sys.executable}\n{CLIENT}\n{source}")
    executable.chmod(0o755)
    return folder
