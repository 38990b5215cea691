"""The commands `clew channels …`. Secrets come from standard input or from variables, never from arguments, which
every process of the machine can see."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from collector.app.command import CANNOT, database_option, settings_of, told
from collector.app.errors import CannotChange
from collector.app.times import moment

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from collector.alerts.directory import Directory

_KINDS = ("slack", "pagerduty", "opsgenie", "jsm", "jira", "teams", "email", "webhook", "apprise")
_STATES = ("waiting", "sent", "dead")


@click.group()
def channels() -> None:
    """Say where alerts go: Slack, PagerDuty, Jira, e-mail and others.

    docs/channels.md shows what each kind needs.
    """


@channels.command("add")
@click.argument("kind", type=click.Choice(_KINDS), metavar="KIND")
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="What is no secret; several times.")
@click.option("--secret", "secrets", multiple=True, metavar="FIELD", help="Read from standard input, a line each.")
@click.option("--secret-env", "variables", multiple=True, metavar="FIELD=VARIABLE", help="Read from that variable.")
@click.option("--default", "is_default", is_flag=True, help="Gets what rules send that name no channel.")
@click.option("--no-resolved", is_flag=True, help="Is not told when an alert is over.")
@click.option(
    "--least",
    type=click.Choice(["critical", "error", "warning", "info"]),
    default="info",
    help="The least severity that it is told of.  [default: info]",
)
@database_option
def add(kind: str, name: str, database_url: str | None, **options: Any) -> None:
    """Add a channel.

    KIND is slack, pagerduty, opsgenie, jsm (Jira Service Management), jira, teams, email, webhook or apprise (a hundred
    others).

    A secret that the kind needs and no option names is asked for, or read from standard input, a line each.
    """
    with _opened(database_url) as (directory, _):
        from collector.alerts.directory import Draft  # noqa: PLC0415  # SQLAlchemy takes 0.2 s
        from collector.alerts.model import Severity  # noqa: PLC0415

        values = _values(kind, options["settings"], options["secrets"], options["variables"])
        draft = Draft(
            name,
            kind,
            values,
            is_default=options["is_default"],
            sends_resolved=not options["no_resolved"],
            least_severity=Severity(options["least"]),
        )
        directory.add(draft)
        click.echo(f"The channel {name} was added. `clew channels test {name}` tries it.")


@channels.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@database_option
def list_(as_json: bool, database_url: str | None) -> None:
    """List all channels, without their secrets."""
    with _opened(database_url) as (_, engine):
        from collector.store.queries.channels import list_channels  # noqa: PLC0415

        with engine.connect() as connection:
            found = list_channels(connection)
        if as_json:
            click.echo(json.dumps([asdict(channel) for channel in found], indent=2))
            return
        if not found:
            click.echo("There is no channel yet.", err=True)
            return
        rows = [("NAME", "KIND", "DEFAULT", "LEAST", "RESOLVED", "SENT", "WAITING", "DEAD", "LAST TEST")]
        for channel in found:
            tested = "never" if channel.tested_ms is None else channel.test_error or "arrived"
            state = "" if channel.enabled else " (off)"
            rows.append(
                (
                    channel.name + state,
                    channel.kind,
                    "yes" if channel.is_default else "no",
                    channel.least_severity,
                    "yes" if channel.sends_resolved else "no",
                    str(channel.sent),
                    str(channel.waiting),
                    str(channel.dead),
                    tested,
                )
            )
        _print(rows)


@channels.command("test")
@click.argument("name")
@database_option
def test(name: str, database_url: str | None) -> None:
    """Send a test to a channel, and say what came of it.

    Exit code 0 if it arrived, 1 if not.
    """
    with _opened(database_url) as (directory, _):
        result = directory.test(name)
        if result.reason is not None:
            click.echo(f"clew: The test did not arrive. {result.reason}", err=True)
            sys.exit(CANNOT)
        click.echo(f"The test arrived at {name}.")
        if result.remark:
            click.echo(result.remark, err=True)


@channels.command("remove")
@click.argument("name")
@database_option
def remove(name: str, database_url: str | None) -> None:
    """Remove a channel; what waits for it is given up."""
    with _opened(database_url) as (directory, _):
        directory.remove(name)
        click.echo(f"The channel {name} was removed.")


@channels.command("deliveries")
@click.option("--channel", metavar="NAME", help="Of this channel alone.")
@click.option("--state", type=click.Choice(_STATES), help="Of this state alone.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, help="At most so many.  [default: 50]")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@database_option
def deliveries(channel: str | None, state: str | None, limit: int, as_json: bool, database_url: str | None) -> None:
    """List what was delivered, waits, or is dead.

    The newest first. Dead is what the channel refused, or what could not be sent for a day; the reason is beside it.
    """
    with _opened(database_url) as (_, engine):
        from collector.store.queries.channels import find_channel, list_deliveries  # noqa: PLC0415

        with engine.connect() as connection:
            id = None
            if channel is not None:
                row = find_channel(connection, channel)
                if row is None:
                    raise CannotChange(f"There is no channel {channel}.")
                id = row.id
            found = list_deliveries(connection, channel_id=id, states=[state] if state else [], limit=limit)
        if as_json:
            click.echo(json.dumps([asdict(delivery) for delivery in found], indent=2))
            return
        rows = [("WHEN", "CHANNEL", "STATE", "TRIES", "ALERT", "WHAT", "REASON")]
        for delivery in found:
            what = f"{delivery.kind}: {delivery.title}"
            rows.append(
                (
                    moment(delivery.created_ms),
                    delivery.channel,
                    delivery.state,
                    str(delivery.attempts),
                    f"{delivery.alert_id:016x}",
                    what,
                    delivery.reason or "",
                )
            )
        _print(rows)


@channels.command("new-key")
def new_key() -> None:
    """Print a new key for CLEW_SECRET_KEY."""
    from collector.alerts.keyring import new_key as make  # noqa: PLC0415

    click.echo(make())


@channels.command("rotate")
@database_option
def rotate(database_url: str | None) -> None:
    """Encrypt all channels' secrets with a new key.

    The key file gets a new key. With CLEW_SECRET_KEY, put a new key before the old one, with a comma between them,
    restart, run this, and then take the old one away.
    """
    with _opened(database_url) as (directory, _):
        number = directory.rotate_keys()
        click.echo(f"The secrets of {number} channel{'s' * (number != 1)} are encrypted with the first key alone.")


@contextmanager
def _opened(database_url: str | None) -> Iterator[tuple[Directory, Engine]]:
    """The channels of the database; what cannot be done is told."""
    with told():
        from collector.alerts.channels.sending import InvalidChannel  # noqa: PLC0415
        from collector.alerts.directory import UnknownChannel  # noqa: PLC0415
        from collector.alerts.keyring import KeyringError, Unreadable  # noqa: PLC0415
        from collector.app.alerting import make_directory  # noqa: PLC0415
        from collector.app.database import opened  # noqa: PLC0415
        from collector.store.schema import check  # noqa: PLC0415

        settings = settings_of(database_url=database_url)
        with opened(settings, read_only=True) as engine:  # which makes no database
            check(engine)
        with opened(settings) as engine:
            try:
                yield make_directory(settings, engine), engine
            except (InvalidChannel, UnknownChannel, KeyringError, Unreadable) as error:
                raise CannotChange(str(error)) from None


def _values(
    kind: str, settings: tuple[str, ...], secrets: tuple[str, ...], variables: tuple[str, ...]
) -> dict[str, str]:
    from collector.alerts.channels.kinds import KINDS  # noqa: PLC0415

    fields = {field.name: field for field in KINDS[kind].fields}
    values = dict(_pair(text) for text in settings)
    for name in values:
        if name in fields and fields[name].secret:
            raise CannotChange(
                f"{name} is a secret: give --secret {name} and write it to standard input, or --secret-env."
            )
    for text in variables:
        name, variable = _pair(text)
        if not os.environ.get(variable):
            raise CannotChange(f"The variable {variable} is not set.")
        values[name] = os.environ[variable]
    needed = [field.name for field in fields.values() if field.secret and field.required]
    for name in (*secrets, *(name for name in needed if name not in secrets)):
        if name not in values:
            values[name] = _secret(name)
    return values


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, err=True))
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise CannotChange(f"Nothing came on standard input for {name}.")
    return line


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CannotChange(f"{name} needs a value after it: {name}=…")
    return name, value


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
