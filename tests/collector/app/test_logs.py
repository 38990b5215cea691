"""What the server writes to stderr."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from collector.app.logs import formatter, without_secrets
from tests.collector.app.clew import Clew, environment


def line(kind: Literal["text", "json"], message: str, *arguments: object, exc_info: Any = None) -> str:
    record = logging.LogRecord("clew.test", logging.WARNING, "x.py", 1, message, arguments, exc_info)
    return formatter(kind).format(record)


def test_json_is_one_object_a_line() -> None:
    """Whatever a message holds, a line of JSON has its time, level, logger and text."""
    read = json.loads(line("json", "name %s\nsecond line", '"\u2028<b>'))

    assert {
        "level": "warning",
        "logger": "clew.test",
        "message": 'name "\u2028<b>\nsecond line',
    }.items() <= read.items()
    assert read["time"].endswith("+00:00")
    assert 1 == len(line("json", "a\nb\u2028c").splitlines())


def test_text_is_one_line() -> None:
    """A name with a line break or an escape sequence forges no line and moves no cursor."""
    text = line("text", "function %s", "a\n2026 ERROR forged\x1b[2J")

    assert text.endswith("clew.test: function a\\n2026 ERROR forged\\x1b[2J")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_exceptions_are_told_without_secrets(kind: Literal["text", "json"]) -> None:
    """With the stack, and with passwords masked."""
    try:
        raise ValueError("cannot connect to postgresql://clew:geheim@db/clew")  # noqa: TRY301
    except ValueError:
        text = line(kind, "failed", exc_info=sys.exc_info())

    assert "Traceback" in text
    assert "postgresql://clew:****@db/clew" in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:geheim123@host/name",
        "Authorization: Bearer geheim123",
        "authorization=Bearer%20geheim123",
        "Basic Z2VoZWltMTIz-geheim123",
        "{'password': 'geheim123'}",
        "api_key=geheim123&x=1",
        "clew_ingest_geheim123",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    """Passwords in URLs, what is in an Authorization header, our tokens, and values named as secrets."""
    assert "geheim123" not in without_secrets(text)
    assert "****" in without_secrets(text)


def test_other_text_stays_as_it_is() -> None:
    """Nothing else is touched."""
    text = "The database /var/lib/clew.db is locked by another process: http://127.0.0.1:4318/x@y (50%)"
    assert text == without_secrets(text)


def test_a_server_with_json_logs(tmp_path: Path) -> None:
    """`CLEW_LOG_FORMAT=json`: every line on stderr is an object."""
    with Clew(tmp_path / "clew.db", CLEW_LOG_LEVEL="debug", CLEW_LOG_FORMAT="json") as process:
        process.signal(15)
        code, _, err = process.wait()

    assert 0 == code
    assert err.splitlines()
    assert all({"time", "level", "logger", "message"} <= json.loads(text).keys() for text in err.splitlines())


_TALKS = """
import logging
from collector.app.logs import log_to_stderr
from collector.app.settings import Settings

log_to_stderr(Settings())
for number in range(30_000):
    logging.getLogger("clew.test").warning("line %d %s", number, "x" * 100)
print("goes on", flush=True)
"""


def test_nobody_reads_the_log() -> None:
    """Whoever logs goes on though the pipe is full, and what was dropped is told once somebody reads again."""
    with subprocess.Popen(
        [sys.executable, "-c", _TALKS], env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "goes on\n" == process.stdout.readline()
        _, err = process.communicate(timeout=60)

    lines = err.splitlines()
    assert "line 0 x" in lines[0]
    assert 0 == process.returncode
    assert "lines were dropped" in lines[-1]
    assert int(lines[-1].split(": ")[1].split()[0]) + len(lines) - 1 == 30_000


def test_a_log_that_is_never_read_keeps_nobody_from_ending() -> None:
    """The process ends though its last lines cannot be written."""
    with subprocess.Popen(
        [sys.executable, "-c", _TALKS], env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert 0 == process.wait(60)
