"""The database that the settings name, opened for this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from collector.app.errors import InvalidSetting
from collector.app.settings import Settings, default_directory, variable
from collector.store.engine import open_engine
from collector.store.errors import NotWritable, UnsupportedUrl

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextmanager
def opened(settings: Settings, *, read_only: bool = False) -> Iterator[Engine]:
    """Makes the default directory if that is where the database is. Raises StoreError or InvalidSetting."""
    directory = default_directory()
    if settings.database_url == f"sqlite:///{directory / 'clew.db'}" and not read_only:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise NotWritable(f"The directory {directory} cannot be made: {error.strerror}.") from error
    try:
        engine = open_engine(settings.database_url, read_only=read_only)
    except UnsupportedUrl as error:
        raise InvalidSetting(f"{variable('database_url')} cannot be used: {error}") from error
    try:
        yield engine
    finally:
        engine.dispose()
