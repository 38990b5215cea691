"""The commands `clew alerts …`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from collector.app.command import actor, connected, database_option, numbers, printable, tell_changed, told
from collector.app.errors import CannotChange
from collector.app.times import moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collector.alerts.model import Alert, Rule
    from collector.alerts.rule_file import RuleFile

DIFFERENT = 3  # the exit code of `diff` where there is a difference
_STATES = ("active", "open", "acknowledged", "resolved", "all")
_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)
_note = click.option("--note", default="", metavar="TEXT", help="Kept in the alert's history, and told.")
_file = click.argument("file", type=click.File("r", encoding="utf-8"))
_prune = click.option(
    "--prune", is_flag=True, help="Also remove rules of the dashboard, and those that cannot be read."
)


@click.group()
def alerts() -> None:
    """List alerts and look after them; keep their rules in a file."""


@alerts.command("list")
@click.option("--state", type=click.Choice(_STATES), default="active", help="active: open or acknowledged.")
@click.option("--rule", metavar="ID", help="Of this rule only.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with exact times.")
@database_option
def list_(state: str, rule: str | None, as_json: bool, database_url: str | None) -> None:
    """List alerts, those that began last first."""
    from collector.alerts.pages import list_alerts  # noqa: PLC0415  # SQLAlchemy takes 0.2 s

    with connected(database_url, write=False) as connection:
        found = list_alerts(connection, state=state, rule_id=rule).alerts
    if as_json:
        click.echo(json.dumps([_described(alert) for alert in found], indent=2))
        return
    if not found:
        click.echo("There is no such alert.", err=True)
        return
    header = ("ID", "STATE", "SEVERITY", "SINCE", "SUBJECT", "RULE")
    _table([header, *(_row(alert) for alert in found)])


@alerts.command("rules")
@database_option
def rules(database_url: str | None) -> None:
    """List the rules, each with the number of its functions and of its active alerts."""
    from collector.alerts.pages import broken_rules, list_rules  # noqa: PLC0415  # see above

    with connected(database_url, write=False) as connection:
        found, broken = list_rules(connection), broken_rules(connection)
    header = ("ID", "CONDITION", "SEVERITY", "FUNCTIONS", "ACTIVE", "LAST FIRED", "FROM", "NAME")
    _table(
        [
            header,
            *(
                (
                    row.rule.id,
                    str(row.rule.condition.kind),
                    str(row.rule.severity) if row.rule.enabled else "(disabled)",
                    str(row.functions),
                    str(row.active),
                    moment(row.last_fired_ms) if row.last_fired_ms is not None else "never",
                    row.origin,
                    printable(row.rule.name),
                )
                for row in found
            ),
        ]
    )
    for rule in broken:
        click.echo(f"The rule {printable(rule.id)} cannot be read and is left out: {printable(rule.reason)}", err=True)


@alerts.command("ack")
@_ids
@_note
@database_option
def acknowledge(ids: tuple[str, ...], note: str, database_url: str | None) -> None:
    """Acknowledge alerts: they are not told again until they resolve."""
    from collector.alerts import actions  # noqa: PLC0415  # see above

    with connected(database_url) as connection:
        changed = actions.acknowledge(connection, _numbers(connection, ids), actor(), now_ms=_now_ms(), note=note)
        tell_changed(changed, "acknowledged")


@alerts.command("resolve")
@_ids
@_note
@database_option
def resolve(ids: tuple[str, ...], note: str, database_url: str | None) -> None:
    """Resolve alerts: they are over.

    As long as a condition is met all the time, its alert does not open again.
    """
    from collector.alerts import actions  # noqa: PLC0415  # see above

    with connected(database_url) as connection:
        changed = actions.resolve(connection, _numbers(connection, ids), actor(), now_ms=_now_ms(), note=note)
        tell_changed(changed, "resolved")


@alerts.command("snooze")
@_ids
@click.option("--for", "length", default="4h", metavar="TIME", help="Such as 30m, 4h or 2d.  [default: 4h]")
@_note
@database_option
def snooze(ids: tuple[str, ...], length: str, note: str, database_url: str | None) -> None:
    """Snooze alerts: nobody is told of them for a while, at most 31 days."""
    from collector.alerts import actions  # noqa: PLC0415  # see above
    from collector.alerts.units import UnitFault, read_duration  # noqa: PLC0415

    with connected(database_url) as connection:
        try:
            until_ms = _now_ms() + read_duration(length) * 1000
        except UnitFault as fault:
            raise CannotChange(f"--for is {fault}: {length}.") from None
        found = _numbers(connection, ids)
        changed = actions.snooze(connection, found, actor(), until_ms=until_ms, now_ms=_now_ms(), note=note)
        tell_changed(changed, f"snoozed until {moment(until_ms)}")


@alerts.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@database_option
def export(file: Path | None, database_url: str | None) -> None:
    """Write the rules and mute windows as YAML, to FILE or to stdout."""
    from collector.alerts.rule_file import write_file  # noqa: PLC0415  # see above
    from collector.alerts.rule_store import read_mutes, read_rules  # noqa: PLC0415

    with connected(database_url, write=False) as connection:
        known = {id: stored.rule for id, stored in read_rules(connection).items()}
        text = write_file(known, {mute.id: mute for mute in read_mutes(connection)})
    if file is None:
        click.echo(text, nl=False)
        return
    with told():
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CannotChange(f"The file {file} cannot be written: {error.strerror}.") from error


@alerts.command("diff")
@_file
@_prune
@database_option
def diff(file: IO[str], prune: bool, database_url: str | None) -> None:
    """Show what `apply` would change.

    Exit code 0: nothing, 3: something.
    """
    from collector.alerts.rule_changes import difference  # noqa: PLC0415  # see above

    with connected(database_url, write=False) as connection:
        found = difference(connection, _read(file), prune=prune)
    if found:
        click.echo(_clean_lines(found.text))
        sys.exit(DIFFERENT)


@alerts.command("apply")
@_file
@_prune
@database_option
def apply(file: IO[str], prune: bool, database_url: str | None) -> None:
    """Make the rules, and the mute windows if it has any, what FILE says.

    Rules that an earlier file brought and this one does not name are removed; those of the dashboard stay. All of it
    is applied or, if anything is wrong with the file, nothing.
    """
    from collector.alerts.rule_changes import apply_file  # noqa: PLC0415  # see above

    with connected(database_url) as connection:
        found = apply_file(connection, _read(file), now_ms=_now_ms(), prune=prune)
    for rule in found.changed:
        click.echo(f"{rule.id} was saved.")
    for id in (*found.removed, *found.removed_mutes):
        click.echo(f"{printable(id)} was removed.")
    for mute in found.changed_mutes:
        click.echo(f"{mute.id} was saved.")
    if not found:
        click.echo("Nothing is different.", err=True)


@alerts.command("preview")
@click.argument("id", metavar="RULE")
@click.option("--file", type=click.File("r", encoding="utf-8"), help="Of the rule as this file has it.")
@database_option
def preview(id: str, file: IO[str] | None, database_url: str | None) -> None:
    """Show when a rule would have fired in the last seven days."""
    from collector.alerts.pages import preview_rule  # noqa: PLC0415  # see above

    with connected(database_url, write=False) as connection:
        found = preview_rule(connection, _rule(connection, id, file), now_ms=_now_ms())
    if found.reason:
        click.echo(found.reason, err=True)
    for one in found.fired:
        end = moment(one.until_s * 1000) if one.until_s is not None else "now"
        click.echo(f"{moment(one.since_s * 1000)} to {end}  {printable(one.subject.name)}")
    if found.limited:
        click.echo(f"There may be more, and before {moment(found.start_s * 1000)}.", err=True)
    elif not found.fired and not found.reason:
        click.echo("It would not have fired.", err=True)


def _rule(connection: Connection, id: str, file: IO[str] | None) -> Rule:
    from collector.alerts.rule_store import find_rule  # noqa: PLC0415  # see above

    if file is not None:
        rule = next((rule for rule in _read(file).rules if rule.id == id), None)
    else:
        stored = find_rule(connection, id)
        rule = stored.rule if stored is not None else None
    if rule is None:
        raise CannotChange(f"There is no rule {printable(id)}.")
    return rule


def _read(file: IO[str]) -> RuleFile:
    from collector.alerts.rule_file import FileFault, read_file  # noqa: PLC0415  # see above

    try:
        return read_file(file.read())
    except FileFault as fault:
        raise CannotChange(f"{file.name}, {printable(str(fault))}.") from None
    except UnicodeDecodeError:
        raise CannotChange(f"{file.name} is no text in UTF-8.") from None


def _row(alert: Alert) -> tuple[str, ...]:
    return (
        f"{alert.id:016x}",
        str(alert.state),
        str(alert.severity),
        moment(alert.began_s * 1000),
        printable(alert.subject.name),
        printable(alert.rule_name),
    )


def _described(alert: Alert) -> dict[str, object]:
    subject = alert.subject
    return {
        "id": f"{alert.id:016x}",
        "rule": alert.rule_id,
        "severity": str(alert.severity),
        "state": str(alert.state),
        "subject": subject.name,
        "subject_kind": str(subject.kind),
        "function": subject.function_name,
        "region": subject.region,
        "issue": f"{subject.issue_id:016x}" if subject.issue_id is not None else None,
        "since_s": alert.began_s,
        "last_s": alert.last_s,
        "value": alert.value,
        "threshold": alert.threshold,
        "acknowledged_by": alert.acknowledged_by,
        "snoozed_until_ms": alert.snoozed_until_ms,
        "resolved_ms": alert.resolved_ms,
        "resolved_by": alert.resolved_by,
    }


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _clean_lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.splitlines())


def _numbers(connection: Connection, ids: tuple[str, ...]) -> list[int]:
    from collector.alerts.pages import find_alert  # noqa: PLC0415  # see above

    return numbers(ids, lambda number: find_alert(connection, number), "alert")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
