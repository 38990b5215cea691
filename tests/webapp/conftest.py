"""The dashboard over a real SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy import Engine

from collector.alerts.directory import Directory
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from collector.store.engine import open_engine
from tests.browser import launch_chromium, serve
from tests.collector.alerts.world import World
from tests.databases import create_sqlite
from tests.webapp.traffic import NOW_MS, fill
from webapp import create_app


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database of the test's own, for reading and writing."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine) -> FlaskClient:
    """The dashboard over `engine`."""
    return create_app(engine, now=lambda: NOW_MS).test_client()


@pytest.fixture(scope="session")
def filled_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The dashboard over the example's traffic, as the server opens it: read only."""
    url = create_sqlite(tmp_path_factory.mktemp("webapp") / "clew.db")
    writer = open_engine(url)
    fill(writer)
    writer.dispose()
    engine = open_engine(url, read_only=True)
    yield create_app(engine, now=lambda: NOW_MS)
    engine.dispose()


@pytest.fixture
def filled(filled_app: Flask) -> FlaskClient:
    return filled_app.test_client()


@pytest.fixture(scope="session")
def filled_url(filled_app: Flask) -> Iterator[str]:
    with serve(filled_app) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """No longer than a module: while Playwright runs, no other test of this process can start an event loop."""
    with launch_chromium() as browser:
        yield browser


@pytest.fixture
def world(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(engine, engine, monkeypatch, now_s=600)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(path=tmp_path / "clew.key")


@pytest.fixture
def directory(engine: Engine, world: World, keyring: Keyring) -> Directory:
    return Directory(engine, keyring, Networks(), "http://127.0.0.1", now=lambda: world.clock() // 1_000_000)
