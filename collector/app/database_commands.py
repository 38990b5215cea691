"""`clew db`: looking after the database."""

from __future__ import annotations

import click

from collector.app.command import database_option, settings_of, told
from collector.app.logs import log_to_stderr


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
@database_option
def upgrade_command(database_url: str | None) -> None:
    """Bring the tables up to date, making them if there are none.

    `clew up` does the same as it starts.
    """
    with told():
        settings = settings_of(database_url=database_url)
        log_to_stderr(settings)
        # These packages take time to import, which other commands need not wait for.
        from collector.app.database import opened  # noqa: PLC0415
        from collector.store.engine import describe  # noqa: PLC0415
        from collector.store.schema import claim, current_revision, head_revision, upgrade  # noqa: PLC0415

        with opened(settings) as engine, claim(engine):
            before = current_revision(engine)
            upgrade(engine)
            done = "is up to date" if before == head_revision() else "was brought up to date"
            click.echo(f"The database {describe(engine)} {done}: revision {head_revision()}.")


@db.command("status")
@click.option("--tables", is_flag=True, help="Also each table's size; this reads the whole of a SQLite file.")
@database_option
def status_command(database_url: str | None, *, tables: bool) -> None:
    """Say which database is used and whether its tables are up to date.

    With --tables also how large each of them is, how far back it goes, and what retention will take next. Exit code 0
    if the tables are up to date, 1 if not.
    """
    with told():
        settings = settings_of(database_url=database_url)
        from collector.app.database import opened  # noqa: PLC0415 - see above
        from collector.app.database_report import status_lines  # noqa: PLC0415
        from collector.store.engine import describe  # noqa: PLC0415
        from collector.store.schema import check, head_revision  # noqa: PLC0415

        with opened(settings, read_only=True) as engine:
            check(engine)
            click.echo(f"The database {describe(engine)} is up to date: revision {head_revision()}.")
            if tables:
                for line in status_lines(engine, settings.periods()):
                    click.echo(line)


@db.command("prune")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted for its age, and delete nothing.")
@database_option
def prune_command(database_url: str | None, *, dry_run: bool) -> None:
    """Delete at once what is older than the settings say, and give the space back.

    `clew up` does so all the time, a little at a time; this is for after a period was made shorter. It may run beside
    `clew up`.
    """
    with told():
        settings = settings_of(database_url=database_url)
        log_to_stderr(settings)
        from collector.app.database import opened  # noqa: PLC0415 - see above
        from collector.app.database_report import prune, prune_preview  # noqa: PLC0415
        from collector.store.schema import check  # noqa: PLC0415

        with opened(settings, read_only=True) as reader:
            check(reader)
            if dry_run:
                lines = list(prune_preview(reader, settings.periods()))
            else:
                with opened(settings) as engine:
                    lines = list(prune(engine, reader, settings.periods()))
            for line in lines:
                click.echo(line)


@db.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy_command(source: str, target: str) -> None:
    """Copy everything from one database to another, such as from SQLite to PostgreSQL.

    FROM and TO are URLs, as for --database-url. No collector may be running on either. TO is made up to date and must
    hold nothing yet. Afterwards both are read again and compared; a copy that fails or is interrupted leaves nothing.
    """
    with told():
        log_to_stderr(settings_of())
        from collector.store.copying import copy  # noqa: PLC0415 - see above
        from collector.store.engine import describe, disposing, open_engine  # noqa: PLC0415
        from collector.store.schema import check, claim, upgrade  # noqa: PLC0415

        with disposing(open_engine(source, read_only=True)) as reading:
            check(reading)
            with disposing(open_engine(target)) as writing, claim(reading), claim(writing):
                upgrade(writing)
                count = copy(reading, writing, lambda name, rows: click.echo(f"  {name:20} {rows:>12,}"))
                click.echo(f"{count:,} rows were copied to {describe(writing)}, read again and found the same.")


@db.command("distribute")
@database_option
def distribute_command(database_url: str | None) -> None:
    """Spread the large tables over the servers of a sharded PostgreSQL (Citus).

    Once, after `clew db upgrade`; again does nothing. docs/scale.md says what goes where, and what to know before.
    """
    with told():
        settings = settings_of(database_url=database_url)
        from collector.app.database import opened  # noqa: PLC0415 - see above
        from collector.store.engine import describe  # noqa: PLC0415
        from collector.store.schema import check  # noqa: PLC0415
        from collector.store.sharding import distribute  # noqa: PLC0415

        with opened(settings) as engine:
            check(engine)
            done = distribute(engine)
            click.echo(f"The database {describe(engine)}: {', '.join(done) or 'nothing'} distributed.")
