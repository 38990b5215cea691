"""Memory, CPU, `/tmp`, and the environment variables."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest

from clew import measures
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _file_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(measures, "_status", None)
    yield
    if measures._status is not None:
        os.close(measures._status[1])


def status_of(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


def is_peak(used: int | None) -> bool:
    """Whether that is the process' peak, which may have grown since."""
    now = status_of("VmHWM")
    return used is not None and now - 1_000_000 <= used <= now


def test_cpu_memory_and_tmp_are_told(sink: Sink, trace: Any) -> None:
    """The CPU is that of all threads, while the handler runs."""

    def burn() -> None:
        end = process_time() + 0.05
        while process_time() < end:
            pass

    def handler(event: Any, context: Any) -> None:
        thread = threading.Thread(target=burn)
        thread.start()
        thread.join()

    before = status_of("VmHWM")
    trace(handler)({}, None)

    found = attributes(sink.spans()[0])
    assert 50 <= found["clew.lambda.cpu_time"] < 10_000
    assert before <= found["clew.lambda.max_memory_used"] <= status_of("VmHWM")
    assert found["clew.lambda.tmp_used"] > 0


def test_elsewhere_only_the_cpu_is_told(sink: Sink, trace: Any) -> None:
    """A process' memory and the machine's `/tmp` say nothing of one job."""
    trace(lambda event, context: None, AWS_LAMBDA_FUNCTION_NAME="")({}, None)

    found = attributes(sink.spans()[0])
    assert "clew.lambda.cpu_time" in found
    assert not {"clew.lambda.max_memory_used", "clew.lambda.tmp_used"} & found.keys()


def test_memory_is_told_after_the_function_closed_our_file(tmp_path: Path) -> None:
    """Whatever has the descriptor's number then is neither read as ours for long, nor closed."""
    assert is_peak(measures.max_memory_used())
    assert measures._status is not None
    number = measures._status[1]
    for content in (b"", b"VmHWM: none\n", os.urandom(100)):
        own = tmp_path / "own"
        own.write_bytes(content)
        os.close(number)
        opened = os.open(own, os.O_RDONLY)
        os.dup2(opened, number)
        assert is_peak(measures.max_memory_used())
        assert os.read(number, 200) == content
        if opened != number:
            os.close(opened)
        os.close(number)
        assert measures._status is not None
        number = measures._status[1]


def test_a_forked_child_tells_its_own_memory(tmp_path: Path) -> None:
    """The file that is kept open is the parent's."""
    code = """
import os
from clew.measures import max_memory_used
max_memory_used()
held = bytearray(64_000_000)
before = max_memory_used()
if os.fork() == 0:
    more = bytearray(200_000_000)
    os._exit(0 if max_memory_used() > before + 100_000_000 else 3)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert max_memory_used() < before + 100_000_000
"""
    done = python(tmp_path, code)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_environment_is_told_once_and_masked(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only if asked for, with the first invocation."""
    monkeypatch.setattr(measures, "_environment_told", False)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    traced = trace(
        lambda event, context: None,
        CLEW_CAPTURE_ENVIRONMENT="true",
        AWS_SESSION_TOKEN="hunter2",
        DATABASE_URL="postgres://shop:hunter2@db/orders",
        STAGE="test",
    )
    traced({}, None)
    traced({}, None)

    first, second = sink.spans()
    told = json.loads(attributes(first)["clew.environment"])
    assert (told["STAGE"], told["AWS_REGION"], told["AWS_SESSION_TOKEN"]) == ("test", "eu-west-1", "****")
    assert "clew.environment" not in attributes(second)
    assert not any(b"hunter2" in one.body for one in sink.received)


def test_the_environment_is_not_told_by_default(sink: Sink, trace: Any) -> None:
    trace(lambda event, context: None)({}, None)

    assert "clew.environment" not in attributes(sink.spans()[0])
