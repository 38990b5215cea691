"""Databases for tests that draw their examples."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from collector.store.engine import open_engine
from tests.collector.alerts.world import World
from tests.databases import create_sqlite


class Maker:
    """Makes a new database for each example."""

    def __init__(
        self, dialect: str, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._dialect, self._folder, self._request, self._monkeypatch = dialect, folder, request, monkeypatch
        self._open: list[tuple[Engine, str]] = []

    def make(self) -> World:
        self.close()
        if self._dialect == "sqlite":
            name = ""
            url = create_sqlite(self._folder / f"{uuid4().hex}.db")
        else:
            server = self._request.getfixturevalue("postgres_server")
            name = server.create()
            url = server.url(name)
        self._open = [(open_engine(url), name), (open_engine(url, read_only=True), "")]
        return World(self._open[0][0], self._open[1][0], self._monkeypatch)

    def close(self) -> None:
        for engine, _ in self._open:
            engine.dispose()
        for _, name in self._open:
            if name:
                self._request.getfixturevalue("postgres_server").drop(name)
        self._open = []
