"""What all commands share: their options, their settings, and how they tell what cannot be done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from collector.app.errors import InvalidSetting, StartError
from collector.app.settings import Settings, read_settings
from collector.store.errors import StoreError

BAD_SETTING = 2  # as for a bad option
CANNOT = 1

database_option = click.option(
    "--database-url",
    metavar="URL",
    help="Where everything is stored: sqlite:///PATH or postgresql://…; otherwise CLEW_DATABASE_URL.",
)


@contextmanager
def told() -> Iterator[None]:
    """What cannot be done is told in one sentence; what nobody expected keeps its traceback."""
    try:
        yield
    except (StartError, StoreError) as error:
        click.echo(f"clew: {error}", err=True)
        sys.exit(BAD_SETTING if isinstance(error, InvalidSetting) else CANNOT)


def settings_of(**options: str | None) -> Settings:
    return read_settings(**{name: value for name, value in options.items() if value is not None})
