"""The demo as it is started from a shell, with a Clew of its own."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the demo with its data in the test's directory; options are added to the command."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "examples.audio_to_text.demo", "--data", str(tmp_path / "data"), *options]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate()


def descendants(pid: int) -> set[int]:
    """Every process that came of it and still runs."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children = defaultdict(set)
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        children[parent].add(child)
    found: set[int] = set()
    waiting = {pid}
    while waiting:
        waiting = set().union(*(children[parent] for parent in waiting)) - found
        found |= waiting
    return found


def running(pids: set[int]) -> set[int]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    return {int(pid) for pid, state in map(str.split, listing.splitlines()) if state[0] != "Z"} & pids


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"the demo ended without saying {text!r}")


def wait_for_functions(process: subprocess.Popen[str]) -> set[int]:
    """The demo's processes once Clew, the AWS and a function run."""
    deadline = time.monotonic() + 60
    while len(pids := descendants(process.pid)) < 3:
        assert time.monotonic() < deadline, "the demo never got busy"
        time.sleep(0.05)
    return pids


def test_once_uploads_and_waits_until_clew_has_stored_everything(start: Start, tmp_path: Path) -> None:
    """`--once N` ends with exit code 0 and a summary, and a second run adds to what is there."""
    for run in (1, 2):
        output, errors = (process := start("--once", "2", "--port", "0")).communicate(timeout=120)

        assert process.returncode == 0, errors
        assert "2 uploads" in output
        with sqlite3.connect(tmp_path / "data" / "clew.db") as database:
            stored = database.execute("select count(*) from invocations").fetchone()[0]
        database.close()
        assert stored >= 2 * run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_that_was_started(start: Start, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM leave no process, no traceback and exit code 0."""
    process = start("--port", "0", "--every", "0.5")
    read_until(process, "Clew is at   http://127.0.0.1:")
    pids = wait_for_functions(process)

    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    assert "Ended." in output
    assert not running(pids)


def test_the_end_of_one_part_ends_the_others(start: Start, tmp_path: Path) -> None:
    """When Clew is killed the demo says so in a sentence and ends what is left."""
    process = start("--port", "0", "--every", "0.5")
    read_until(process, "Clew is at")
    pids = wait_for_functions(process)
    command = ["ps", "-o", "pid=,command=", "-p", ",".join(map(str, pids))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (clew,) = (int(line.split()[0]) for line in lines if "collector.app" in line)

    os.kill(clew, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors == (
        f"scripts/demo: Clew ended by itself (exit code -9); {tmp_path / 'data' / 'logs' / 'clew.log'} may say why.\n"
    )
    assert not running(pids)


def test_a_port_that_is_taken_is_told_in_one_sentence(start: Start) -> None:
    """Nothing else starts, and the sentence names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors.startswith("scripts/demo: ")
    assert str(port) in errors
    assert errors.count("\n") == 1


def test_a_directory_that_cannot_be_made_is_told_in_one_sentence(start: Start, tmp_path: Path) -> None:
    """A file where the data directory is to be is named, without a traceback."""
    (tmp_path / "data").write_text("")

    process = start("--once", "1", "--port", "0")
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors.startswith(f"scripts/demo: {tmp_path / 'data'}: ")
    assert errors.count("\n") == 1
