"""The pages' way to the store: one connection for as long as a page is being put together."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

from flask import current_app
from sqlalchemy import Connection, Engine

EXTENSION = "clew-engine"
WRITING = "clew-writing-engine"


def connect() -> AbstractContextManager[Connection]:
    return cast("Engine", current_app.extensions[EXTENSION]).connect()


def begin() -> AbstractContextManager[Connection]:
    """A transaction that may write: for the few forms that change something."""
    return cast("Engine", current_app.extensions[WRITING]).begin()
