"""The commands `clew issues …`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from collector.app.command import actor, connected, database_option, numbers, tell_changed
from collector.app.times import moment
from collector.domain.facts import FAILURES, IssueKind
from collector.domain.issue_states import ACTIVE, Status

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collector.store.queries.issues import IssueRow

_COLUMNS = ("ID", "STATUS", "TYPE", "FUNCTION", "COUNT", "LAST SEEN", "ASSIGNEE", "MESSAGE")
_STATUSES = {"open": ACTIVE, **{status.value: frozenset({status}) for status in Status if status is not Status.OPEN}}
_KINDS = {"failures": FAILURES, **{kind.name.lower().replace("_", "-"): frozenset({kind}) for kind in IssueKind}}
_HOUR_MS = 3_600_000
_LONGEST = 60  # characters of a message that are shown
_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)


@click.group()
def issues() -> None:
    """List issues, and resolve, mute or assign them."""


@issues.command("list")
@click.option(
    "--hours", type=click.FloatRange(0, 8760, min_open=True), default=24.0, help="How far back.  [default: 24]"
)
@click.option("--status", type=click.Choice([*_STATUSES, "all"]), default="open", help="open: regressed ones too.")
@click.option("--kind", type=click.Choice(list(_KINDS)), help="failures: what made invocations fail.")
@click.option("--search", default="", metavar="TEXT", help="In type, message, call and function.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with exact times.")
@database_option
def list_(hours: float, status: str, kind: str | None, *, search: str, as_json: bool, database_url: str | None) -> None:
    """List issues that occurred lately, those first that want attention."""
    from collector.store.queries.common import TimeRange  # noqa: PLC0415  # SQLAlchemy takes 0.2 s
    from collector.store.queries.issues import IssueFilter, list_issues  # noqa: PLC0415

    now_ms = time.time_ns() // 1_000_000
    wanted = IssueFilter(
        statuses=_STATUSES.get(status, frozenset()), kinds=_KINDS[kind] if kind else frozenset(), search=search
    )
    window = TimeRange(now_ms - round(hours * _HOUR_MS), now_ms)
    with connected(database_url, write=False) as connection:
        found = list_issues(connection, window, wanted, sort="attention", now_ms=now_ms)
    if as_json:
        click.echo(json.dumps([_described(row) for row in found], indent=2))
        return
    if not found:
        click.echo("No such issue occurred.", err=True)
        return
    rows = [_COLUMNS, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@issues.command("resolve")
@_ids
@database_option
def resolve(ids: tuple[str, ...], database_url: str | None) -> None:
    """Resolve issues: an occurrence that begins later opens them again, as regressed."""
    from collector.store import issue_states  # noqa: PLC0415  # see above

    with connected(database_url) as connection:
        tell_changed(issue_states.resolve(connection, _numbers(connection, ids), actor()), "resolved")


@issues.command("reopen")
@_ids
@database_option
def reopen(ids: tuple[str, ...], database_url: str | None) -> None:
    """Open issues again: they are neither resolved nor muted any more."""
    from collector.store import issue_states  # noqa: PLC0415  # see above

    with connected(database_url) as connection:
        tell_changed(issue_states.reopen(connection, _numbers(connection, ids), actor()), "open")


@issues.command("mute")
@_ids
@click.option("--hours", type=click.FloatRange(0, 87_600, min_open=True), help="For so long; otherwise for ever.")
@database_option
def mute(ids: tuple[str, ...], hours: float | None, database_url: str | None) -> None:
    """Mute issues: no alert tells of them, for a time or for ever."""
    from collector.store import issue_states  # noqa: PLC0415  # see above

    until_ms = time.time_ns() // 1_000_000 + round(hours * _HOUR_MS) if hours is not None else None
    with connected(database_url) as connection:
        tell_changed(issue_states.mute(connection, _numbers(connection, ids), actor(), until_ms=until_ms), "muted")


@issues.command("assign")
@_ids
@click.option("--to", "assignee", default="", metavar="NAME", help="Any name; otherwise nobody.")
@database_option
def assign(ids: tuple[str, ...], assignee: str, database_url: str | None) -> None:
    """Assign issues: somebody looks after them."""
    from collector.store import issue_states  # noqa: PLC0415  # see above

    with connected(database_url) as connection:
        changed = issue_states.assign(connection, _numbers(connection, ids), actor(), assignee=assignee)
        tell_changed(changed, f"assigned to {issue_states.clean(assignee) or 'nobody'}")


def _numbers(connection: Connection, ids: tuple[str, ...]) -> list[int]:
    from collector.store.queries.lookups import issue_by_id  # noqa: PLC0415  # see above

    return numbers(ids, lambda number: issue_by_id(connection, number), "issue")


def _described(row: IssueRow) -> dict[str, object]:
    return {
        "id": f"{row.id:016x}",
        "status": row.status.value,
        "kind": row.kind.name.lower().replace("_", "-"),
        "type": row.type,
        "message": row.message,
        "culprit": row.culprit,
        "function": row.function.name,
        "region": row.function.region,
        "occurrences": row.occurrences,
        "cost_pd": row.cost_pd,
        "first_seen_ms": row.first_seen_ms,
        "last_seen_ms": row.last_seen_ms,
        "assignee": row.assignee,
        "until_ms": row.until_ms,
    }


def _row(row: IssueRow) -> tuple[str, ...]:
    last = moment(row.last_seen_ms)
    # What functions say may hold anything: a terminal gets no control characters.
    texts = (row.type, row.function.name, row.assignee or "-", row.message)
    type, function, assignee, message = ("".join(c if c.isprintable() else "?" for c in text) for text in texts)
    return (
        f"{row.id:016x}",
        row.status.value,
        type,
        function,
        str(row.occurrences),
        last,
        assignee,
        message[:_LONGEST],
    )
