"""Services on loopback with certificates that are trusted, and channels that may reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from collector.alerts import wire
from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from tests.collector.alerts.notices import AT_MS
from tests.collector.alerts.services.tls import Authority, make_authority

BASE_URL = "https://clew.example.com"


@dataclass
class Clock:
    """The database's clock, as far as the outbox can tell."""

    now_ms: int = AT_MS

    def __call__(self, _connection: Connection) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """The services' authority is trusted as long as the test runs."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    wire.ssl_context.cache_clear()
    yield authority
    wire.ssl_context.cache_clear()


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
