"""What all commands share: their options, their settings, and how they tell what cannot be done."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from collector.app.errors import CannotChange, InvalidSetting, StartError
from collector.app.settings import Settings, read_settings
from collector.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

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


@contextmanager
def connected(database_url: str | None, *, write: bool = True) -> Iterator[Connection]:
    """A transaction on the database, which must be there; what cannot be done is told."""
    from collector.app.database import opened  # noqa: PLC0415  # SQLAlchemy takes 0.2 s
    from collector.store.schema import check  # noqa: PLC0415

    with told():
        settings = settings_of(database_url=database_url)
        with opened(settings, read_only=True) as engine:  # which makes no database
            check(engine)
        with opened(settings, read_only=not write) as engine, engine.begin() as connection:
            yield connection


def numbers(texts: tuple[str, ...], find: Callable[[int], object], what: str) -> list[int]:
    """The ids that are written so. `find` gives None for one that there is not, and `what` says of what they are.

    Raises:
        CannotChange: one is of nothing.
    """
    found = []
    for text in texts:
        try:
            number = int(text, 16)
        except ValueError:
            number = 2**64
        if find(number) is None:
            raise CannotChange(f"There is no {what} {printable(text)}.")
        found.append(number)
    return found


def tell_changed(changed: list[int], what: str) -> None:
    """Say of each that it is that now."""
    for id in changed:
        click.echo(f"{id:016x} is {what}.")
    if not changed:
        click.echo("That is what they were.", err=True)


def printable(text: str) -> str:
    """Without what a terminal would take for an order."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def actor() -> str:
    """The name of who runs the command, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have
        return ""
