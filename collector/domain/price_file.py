"""Reading a price table: TOML as in `prices.toml`, with its form in docs/cost.md.

Money is text there: a TOML float would carry its binary rounding into every cost.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from collector.domain.call_prices import CallPrice, CallPrices
from collector.domain.prices import Period, PriceTable, RegionPrice

PICODOLLARS = 10**12
MOST_DOLLARS = 1_000  # of one unit: more is a mistake
_LARGEST_FILE = 4_194_304
_ARCHITECTURES = ("x86_64", "arm64")
_REGION = frozenset(
    {"x86_64", "arm64", "request", "storage", "provisioned_x86_64", "provisioned_arm64", "snapstart_restore"}
)
_CALL = frozenset({"service", "operations", "from", "counts", "request", "unit", "least", "kind"})
_TABLE = frozenset({"lambda", "regions", "calls"})

T = TypeVar("T")


class PriceTableError(ValueError):
    """The price table cannot be read. The text names the file, the entry and what is wrong."""


class _Wrong(ValueError):
    """One thing that is wrong with an entry."""


def load_prices(path: Path) -> PriceTable:
    """Reads a price table.

    Raises PriceTableError with one sentence for a file that is missing or not a price table.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise PriceTableError(f"the price table {path} is larger than {_LARGEST_FILE} bytes")
        document = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise PriceTableError(f"the price table {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PriceTableError(f"the price table {path} is no TOML: {error}") from error
    try:
        return _read_table(document, str(path))
    except _Wrong as error:
        raise PriceTableError(f"the price table {path}: {error}") from error


def _read_table(document: Mapping[str, Any], name: str) -> PriceTable:
    _only(document, _TABLE, "the table")
    groups = {
        group: _within(f"regions.{group}", _read_regions, table)
        for group, table in _mapping(document.get("regions", {}), "regions").items()
    }
    periods = []
    for number, entry in enumerate(_entries(document, "lambda"), 1):
        periods.append(_within(f"[[lambda]] number {number}", lambda entry: _read_period(entry, groups), entry))
    if not periods:
        raise _Wrong("there is no [[lambda]]: nothing would have a price")
    _once(((period.from_ns,) for period in periods), "two [[lambda]] hold from the same day")
    calls = [
        _within(_call_name(number, entry), _read_call, entry)
        for number, entry in enumerate(_entries(document, "calls"), 1)
    ]
    _once(
        (
            (price.from_ns, price.service, operation, price.kind, region)
            for price in calls
            for operation in price.operations
            for region in {*price.request, *price.unit}
        ),
        "two [[calls]] price the same operation in the same region from the same day",
    )
    ordered = sorted(periods, key=lambda period: period.from_ns, reverse=True)
    return PriceTable(tuple(ordered), CallPrices(calls), name)


def _read_period(entry: Mapping[str, Any], groups: Mapping[str, Mapping[str, RegionPrice]]) -> Period:
    _only(entry, frozenset({"from", "bills_init", "regions"}), "it")
    if not isinstance(entry.get("bills_init"), bool):
        raise _Wrong("bills_init must be true or false")
    group = entry.get("regions")
    if not isinstance(group, str) or group not in groups:
        raise _Wrong(f"regions names no [regions.…] of this file: {group!r}")
    return Period(_midnight_ns(entry), entry["bills_init"], groups[group])


def _read_regions(table: object) -> dict[str, RegionPrice]:
    return {region: _within(region, _read_region, entry) for region, entry in _mapping(table, "it").items()}


def _read_region(entry: object) -> RegionPrice:
    prices = _mapping(entry, "it")
    _only(prices, _REGION, "it")
    for needed in (*_ARCHITECTURES, "request"):
        if needed not in prices:
            raise _Wrong(f"{needed} is missing")
    found = {name: _within(name, picodollars, value) for name, value in prices.items()}
    return RegionPrice(
        gb_second={name: found[name] for name in _ARCHITECTURES},
        request=found["request"],
        storage=found.get("storage"),
        provisioned={name: found[key] for name in _ARCHITECTURES if (key := f"provisioned_{name}") in found},
        restore=found.get("snapstart_restore"),
    )


def _read_call(entry: Mapping[str, Any]) -> CallPrice:
    _only(entry, _CALL, "it")
    operations = entry.get("operations")
    if not isinstance(operations, list) or not operations or not all(isinstance(name, str) for name in operations):
        raise _Wrong('operations must be a list of names such as ["PutItem"]')
    counts = entry.get("counts", "request")
    if not isinstance(counts, str) or not isinstance(entry.get("kind", ""), str):
        raise _Wrong("counts and kind are text")
    request, unit = (
        {
            region: _within(f"{name}.{region}", picodollars, value)
            for region, value in _mapping(entry.get(name, {}), name).items()
        }
        for name in ("request", "unit")
    )
    if not request and not unit:
        raise _Wrong("it has no price: neither unit nor request")
    least = entry.get("least", 1)
    if least == "unknown":
        least = None
    elif isinstance(least, bool) or not isinstance(least, int | float) or not 0 < least < 1_000_000:
        raise _Wrong('least must be a number of units, or "unknown"')
    return CallPrice(
        from_ns=_midnight_ns(entry),
        service=_name(entry),
        operations=tuple(operations),
        counts=counts,
        request=request,
        unit=unit,
        least=least,
        kind=entry.get("kind", ""),
    )


def picodollars(value: object) -> int:
    """From dollars as text. Raises ValueError for what is no price, or finer than a picodollar."""
    if not isinstance(value, str):
        raise _Wrong(f'prices are text, "0.0000002" and not {value!r}')
    try:
        dollars = Decimal(value)
        amount = dollars * PICODOLLARS
        if not 0 <= dollars <= MOST_DOLLARS or amount != int(amount):
            raise _Wrong(f"{value!r} is no price in dollars, or finer than a millionth of a millionth")
    except InvalidOperation as error:
        raise _Wrong(f"{value!r} is no number") from error
    return int(amount)


def _midnight_ns(entry: Mapping[str, Any]) -> int:
    day = entry.get("from")
    if not isinstance(day, date) or isinstance(day, datetime):
        raise _Wrong("from must be a day such as 2025-08-01, without quotes")
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000


def _name(entry: Mapping[str, Any]) -> str:
    service = entry.get("service")
    if not isinstance(service, str) or not service:
        raise _Wrong("service is missing")
    return service


def _call_name(number: int, entry: Mapping[str, Any]) -> str:
    return f"[[calls]] number {number} ({entry.get('service', 'no service')})"


def _entries(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise _Wrong(f"{name} must be a list of tables: [[{name}]]")
    return found


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{name} must be a table")
    return value


def _only(entry: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    if unknown := sorted(entry.keys() - known):
        raise _Wrong(f"{what} has what nothing reads: {', '.join(unknown)}")


def _once(keys: Iterable[tuple[object, ...]], reason: str) -> None:
    seen: set[tuple[object, ...]] = set()
    for key in keys:
        if key in seen:
            raise _Wrong(reason)
        seen.add(key)


def _within(place: str, read: Callable[[Any], T], value: object) -> T:
    """Says where it was wrong."""
    try:
        return read(value)
    except _Wrong as error:
        raise _Wrong(f"{place}: {error}") from error
