"""The commands `clew prices …`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.app.command import settings_of, told
from collector.app.errors import CannotChange, InvalidSetting
from collector.app.settings import variable

if TYPE_CHECKING:
    from collector.domain.call_prices import CallPrice
    from collector.domain.prices import PriceTable

_DAY_NS = 86_400_000_000_000
_LAMBDA = ("REGION", "GB-S X86_64", "GB-S ARM64", "REQUEST", "/TMP GB-S", "PROVISIONED X86_64", "ARM64", "RESTORE GB")
_CALLS = ("SERVICE", "COUNTS", "EACH CALL", "EACH UNIT", "LEAST", "SINCE", "OPERATIONS")


@click.group()
def prices() -> None:
    """Show the prices that costs are worked out from, and check a table of one's own.

    CLEW_PRICES_FILE names a table that takes the place of the one that comes along.
    """


@prices.command("show")
@click.option("--region", default="us-east-1", show_default=True, metavar="REGION", help="Of the calls that are shown.")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Prices that held then; otherwise today.")
@click.option("--toml", is_flag=True, help="The whole table as it is written: to make one's own of it.")
def show(region: str, on: datetime | None, toml: bool) -> None:
    """Show the prices in use, in dollars.

    Lambda's of all regions, and those of calls of other services in one.
    """
    with told():
        table = _table()
        if toml:
            click.echo(Path(table.name).read_text(encoding="utf-8"), nl=False)
            return
        day = on.replace(tzinfo=UTC) if on is not None else datetime.now(UTC)
        when_ns = int(day.timestamp()) * 1_000_000_000 + (_DAY_NS - 1 if on is not None else 0)
        click.echo(f"{table.name}, {day:%Y-%m-%d}\n\nLambda")
        for line in _lambda(table, when_ns):
            click.echo(line)
        click.echo(f"\nCalls in {region}. What is not listed has no price.")
        for line in _calls(table, region, when_ns):
            click.echo(line)


@prices.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check a price table, and say what is wrong with it.

    Exit code 0 if `CLEW_PRICES_FILE` can name it, 1 if not.
    """
    with told():
        from collector.domain.price_file import PriceTableError, load_prices  # noqa: PLC0415 - as in _table

        try:
            table = load_prices(file)
        except PriceTableError as error:
            raise CannotChange(f"{error}.") from error
        regions = {region for period in table.periods for region in period.regions}
        services = {entry.service for entry in table.calls.entries}
        click.echo(
            f"The price table {file} is right: Lambda in {len(regions)} regions, calls of {len(services)} services."
        )


def _table() -> PriceTable:
    from collector.domain.price_file import PriceTableError, load_prices  # noqa: PLC0415  # protobuf takes 0.1 s
    from collector.domain.prices import default_prices  # noqa: PLC0415

    settings = settings_of()
    if settings.prices_file is None:
        return default_prices()
    try:
        return load_prices(settings.prices_file)
    except PriceTableError as error:
        raise InvalidSetting(f"{variable('prices_file')} cannot be used: {error}.") from error


def _lambda(table: PriceTable, when_ns: int) -> Iterator[str]:
    period = next((period for period in table.periods if when_ns >= period.from_ns), None)
    if period is None:
        yield "No prices are known of that day."
        return
    rows = [
        (
            region,
            *(_dollars(found.gb_second.get(name)) for name in ("x86_64", "arm64")),
            _dollars(found.request),
            _dollars(found.storage),
            *(_dollars(found.provisioned.get(name)) for name in ("x86_64", "arm64")),
            _dollars(found.restore),
        )
        for region, found in sorted(period.regions.items())
    ]
    yield from _columns(_LAMBDA, rows)
    yield f"INIT is {'billed like the invocation' if period.bills_init else 'not billed'}."


def _calls(table: PriceTable, region: str, when_ns: int) -> Iterator[str]:
    rows = []
    for entry in _current(table.calls.entries, when_ns):
        request, unit = entry.price(region)
        if request is None and unit is None:
            continue
        rows.append(
            (
                f"{entry.service} ({entry.kind})" if entry.kind else entry.service,
                entry.counts,
                _dollars(request),
                _dollars(unit),
                f"{entry.least:g}" if entry.least is not None else "unknown",
                f"{datetime.fromtimestamp(entry.from_ns / 1e9, UTC):%Y-%m-%d}",
                " ".join(entry.operations),
            )
        )
    yield from _columns(_CALLS, sorted(rows))


def _current(entries: Sequence[CallPrice], when_ns: int) -> list[CallPrice]:
    """Of entries for the same operations, the one that holds then."""
    newest: dict[tuple[object, ...], CallPrice] = {}
    for entry in sorted(entries, key=lambda entry: entry.from_ns):
        if entry.from_ns <= when_ns:
            newest[entry.service, entry.kind, entry.operations] = entry
    return list(newest.values())


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[index]) for row in (names, *rows)) for index in range(len(names))]
    for row in (names, *rows):
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _dollars(amount_pd: int | None) -> str:
    if amount_pd is None:
        return "-"
    return f"{(Decimal(amount_pd) / 10**12).normalize():f}"
