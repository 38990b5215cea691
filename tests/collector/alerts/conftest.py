"""Worlds to evaluate, services on loopback with certificates that are trusted, and channels that may reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from tests.collector.alerts.maker import Maker
from tests.collector.alerts.notices import AT_MS
from tests.collector.alerts.services.fixtures import authority, pager, slack, trusted
from tests.collector.alerts.world import World

__all__ = ["authority", "pager", "slack", "trusted"]

BASE_URL = "https://clew.example.com"


@dataclass
class Clock:
    """The database's clock, as far as the outbox can tell."""

    now_ms: int = AT_MS

    def __call__(self, _connection: Connection) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def networks() -> Networks:
    """As an administrator allows loopback."""
    return Networks.parse(["127.0.0.1"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(path=tmp_path / "clew.key")


@pytest.fixture
def directory(database: Engine, keyring: Keyring, networks: Networks, clock: Clock) -> Directory:
    return Directory(database, keyring, networks, BASE_URL, now=lambda: clock.now_ms)


@pytest.fixture
def deliverer(database: Engine, reader: Engine, keyring: Keyring, networks: Networks, clock: Clock) -> Deliverer:
    """Not started: `run_pass` sends in the test's own thread."""
    return Deliverer(database, reader, keyring=keyring, networks=networks, base_url=BASE_URL, clock=clock)


@pytest.fixture
def world(database: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(database, reader, monkeypatch)


@pytest.fixture
def maker(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Maker]:
    made = Maker(dialect, tmp_path, request, monkeypatch)
    yield made
    made.close()
