"""Fixtures of the tracer's tests: a collector, an AWS, and the tracer in this process."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

import clew
from clew import engine, guard, logs
from tests.tracer.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(name="sink")
def _sink() -> Iterator[Sink]:
    """A collector on loopback."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture(name="nothing_outside")
def _nothing_outside() -> None:
    """Lines that other tests printed outside of invocations are not this test's."""
    vars(logs._outside).update(vars(logs._Outside()))


@pytest.fixture(name="warnings_anew")
def _warnings_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reason why something is refused is said once in a process."""
    monkeypatch.setattr("clew.guard._refused", set())


@pytest.fixture(name="trace")
def _trace(sink: Sink, monkeypatch: pytest.MonkeyPatch, nothing_outside: None) -> Callable[..., Callable[..., Any]]:
    """`trace(handler, VARIABLE="value")`: the handler, traced as in Lambda into the sink by a tracer of its own."""

    def trace(handler: Any, **environ: str) -> Any:
        defaults = {
            "AWS_LAMBDA_FUNCTION_NAME": "transcribe",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            # Machines that run tests pause for longer than a collector on loopback ever takes.
            "CLEW_EXPORT_TIMEOUT": "5000",
            "CLEW_CHECKPOINT_AFTER": "0",  # on a busy machine any handler may run for half a second
        }
        for name, value in {**defaults, **environ}.items():
            monkeypatch.setenv(name, value)
        guard._said.clear()
        monkeypatch.setattr(engine, "_engine", None)
        return clew.trace(handler)

    return trace


@pytest.fixture(name="aws", scope="session")
def _aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulated AWS in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log: Path = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=out, stderr=out
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_up(address, process)
            yield address
        finally:
            process.kill()
            process.wait()


def _wait_until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "moto ended"
            assert time.monotonic() < end, "moto did not start"
            time.sleep(0.05)
        else:
            return
