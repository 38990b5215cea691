"""The commands `clew tokens …`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from collector.app.command import database_option, settings_of, told
from collector.app.errors import CannotChange
from collector.app.times import moment

if TYPE_CHECKING:
    from collector.store.tokens import Token, Tokens

_COLUMNS = ("ID", "NAME", "SCOPE", "ENDS WITH", "CREATED", "LAST USED", "REQUESTS", "REFUSED", "REVOKED")


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens: who may send, and who may look.

    A running Clew knows of a change within two seconds.
    """


@tokens.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["ingest", "dashboard"]),
    default="ingest",
    help="ingest: send exports; dashboard: sign in.  [default: ingest]",
)
@click.option("--max-requests", type=click.IntRange(1), metavar="N", help="Requests a second.")
@click.option("--max-bytes", type=click.IntRange(1), metavar="N", help="Bytes a second, decompressed.")
@click.option("--max-body", type=click.IntRange(1), metavar="N", help="Bytes of one request, decompressed.")
@database_option
def create(name: str, scope: str, database_url: str | None, **most: int | None) -> None:
    """Make a token and print it, the only time that it is shown.

    stdout has the token and nothing else. Limits are of an ingest token, in each collector process.
    """
    with _stored(database_url) as stored:
        from collector.store.tokens import Limits, Scope  # noqa: PLC0415  # SQLAlchemy takes 0.2 s

        limits = Limits(most["max_body"], most["max_requests"], most["max_bytes"])
        token, secret = stored.create(name, Scope(scope), now_ms=_now_ms(), limits=limits)
        click.echo(secret)
        click.echo(f"This is the {scope} token {token.name}. It is shown this once: keep it now.", err=True)
        if scope == "ingest":
            click.echo(f"Functions send with OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{secret}", err=True)


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with limits and exact times.")
@database_option
def list_(as_json: bool, database_url: str | None) -> None:
    """List all tokens, those in use first."""
    with _stored(database_url) as stored:
        found = stored.list()
        if as_json:
            click.echo(json.dumps([{**token._asdict(), "limits": token.limits._asdict()} for token in found], indent=2))
            return
        if not found:
            click.echo("No token was made yet.", err=True)
            return
        rows = [_COLUMNS, *map(_row, found)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@tokens.command("revoke")
@click.argument("which", metavar="NAME|ID")
@database_option
def revoke(which: str, database_url: str | None) -> None:
    """Revoke a token, for good.

    Whoever sends with it is refused within two seconds, whoever signed in with it is signed out.
    """
    with _stored(database_url) as stored:
        token = stored.revoke(which, now_ms=_now_ms())
        click.echo(f"The {token.scope} token {token.name} ({token.id}) is revoked.")


@contextmanager
def _stored(database_url: str | None) -> Iterator[Tokens]:
    """The tokens of the database; what cannot be done is told."""
    from collector.app.database import opened  # noqa: PLC0415  # see above
    from collector.store.schema import check  # noqa: PLC0415
    from collector.store.tokens import TokenError, Tokens  # noqa: PLC0415

    with told():
        settings = settings_of(database_url=database_url)
        with opened(settings, read_only=True) as engine:  # which makes no database
            check(engine)
    with told(), opened(settings) as engine:
        try:
            yield Tokens(engine)
        except TokenError as error:
            raise CannotChange(str(error)) from error


def _row(token: Token) -> tuple[str, ...]:
    return (
        token.id,
        token.name,
        token.scope.value,
        f"…{token.hint}",
        _when(token.created_ms),
        _when(token.last_used_ms) or "never",
        str(token.requests),
        str(token.refused),
        _when(token.revoked_ms) or "-",
    )


def _when(ms: int | None) -> str:
    return "" if ms is None else moment(ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
