"""The dated price table (`prices.toml`) and what an invocation costs by it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

PICODOLLARS = 10**12
DEFAULT_TABLE = Path(__file__).with_name("prices.toml")


class PriceTableError(ValueError):
    """The price table cannot be read. The text names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class RegionPrice:
    """Dollars per GB-second by architecture, and per request."""

    gb_second: dict[str, Decimal]
    request: Decimal


@dataclass(frozen=True, slots=True)
class Period:
    from_ns: int
    bills_init: bool
    regions: dict[str, RegionPrice]


@dataclass(frozen=True, slots=True)
class Price:
    """What an invocation costs at list price, and the milliseconds it is billed for."""

    billed_ms: int
    cost_pd: int | None  # None: no price for the region, or the memory size is unknown


@dataclass(frozen=True, slots=True)
class PriceTable:
    periods: tuple[Period, ...]  # newest first

    def price(
        self,
        *,
        started_ns: int,
        duration_ns: int,
        init_ns: int | None,
        memory_mb: int | None,
        region: str,
        architecture: str | None,
    ) -> Price:
        """The list-price estimate of one on-demand invocation.

        `duration_ns` is the handler's; `init_ns` is given where this invocation paid for the environment's INIT.
        Billed time is rounded up to the next millisecond, at least one, and the memory is the configured size, as on
        AWS's bill. No architecture stands for x86_64, Lambda's default; one that has no price gives no cost.
        """
        period = self._period(started_ns)
        billed_ns = duration_ns + (init_ns or 0 if period is not None and period.bills_init else 0)
        billed_ms = max(1, -(-billed_ns // 1_000_000))
        return Price(billed_ms, _cost(period, billed_ms, memory_mb, region, architecture))

    def cost(
        self,
        *,
        started_ns: int,
        billed_ms: int | None,
        memory_mb: int | None,
        region: str,
        architecture: str | None,
    ) -> int | None:
        """Picodollars for time that AWS itself says it billed, INIT and restore included. None as in `Price`."""
        if billed_ms is None:
            return None
        return _cost(self._period(started_ns), billed_ms, memory_mb, region, architecture)

    def _period(self, started_ns: int) -> Period | None:
        return next((period for period in self.periods if started_ns >= period.from_ns), None)


def _cost(
    period: Period | None, billed_ms: int, memory_mb: int | None, region: str, architecture: str | None
) -> int | None:
    regional = period.regions.get(region) if period is not None else None
    if regional is None or not memory_mb:
        return None
    gb_second = regional.gb_second.get(architecture or "x86_64")
    if gb_second is None:
        return None
    cost = regional.request * PICODOLLARS + billed_ms * _millisecond(memory_mb, gb_second)
    return int(cost.to_integral_value(ROUND_HALF_EVEN))


@lru_cache(maxsize=1024)  # a function has one memory size: 2 µs less for each invocation
def _millisecond(memory_mb: int, gb_second: Decimal) -> Decimal:
    """Picodollars, exactly: no more than 20 of a Decimal's 28 digits."""
    return Decimal(memory_mb) / 1024 / 1000 * gb_second * PICODOLLARS


def load_prices(path: Path = DEFAULT_TABLE) -> PriceTable:
    """Reads a price table.

    Raises PriceTableError with one sentence for a file that is missing or not a price table.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        regions = {name: _read_regions(table) for name, table in document["regions"].items()}
        periods = [
            Period(_midnight_ns(entry["from"]), bool(entry["bills_init"]), regions[entry["regions"]])
            for entry in document["lambda"]
        ]
    except OSError as error:
        raise PriceTableError(f"the price table {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceTableError(f"the price table {path} is no TOML: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise PriceTableError(f"the price table {path} has an entry that is missing or wrong: {error!r}") from error
    return PriceTable(tuple(sorted(periods, key=lambda period: period.from_ns, reverse=True)))


@cache
def default_prices() -> PriceTable:
    return load_prices()


def _read_regions(table: dict[str, dict[str, Any]]) -> dict[str, RegionPrice]:
    # Only text becomes a Decimal: a TOML float would carry its binary rounding into every cost.
    return {
        region: RegionPrice(
            gb_second={architecture: _dollars(entry[architecture]) for architecture in ("x86_64", "arm64")},
            request=_dollars(entry["request"]),
        )
        for region, entry in table.items()
    }


def _dollars(value: object) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"prices are strings, not {value!r}")
    dollars = Decimal(value)
    if not 0 <= dollars < 1:  # InvalidOperation for NaN
        raise ValueError(f"{value} is no price in dollars")
    return dollars


def _midnight_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
