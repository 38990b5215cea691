"""What an invocation costs by the dated price table (`prices.toml`): AWS's rules for Lambda's bill.

All amounts are integer picodollars. A list price is a whole number of them, so that nothing is ever rounded but the
cost of one invocation, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from collector.domain.call_prices import CallPrices
from collector.domain.facts import Capacity

DEFAULT_TABLE = Path(__file__).with_name("prices.toml")
FREE_STORAGE_MB = 512  # of /tmp
_MB_MS = 1_024_000  # a GB-second


@dataclass(frozen=True, slots=True)
class RegionPrice:
    """Picodollars. What is missing is not known for the region."""

    gb_second: Mapping[str, int]  # by architecture
    request: int
    storage: int | None = None  # a GB-second of /tmp beyond what is free
    provisioned: Mapping[str, int] = field(default_factory=dict)  # a GB-second, by architecture
    restore: int | None = None  # a GB of a snapshot that is restored

    def cost(
        self,
        billed_ms: int,
        memory_mb: int,
        architecture: str | None,
        capacity: int,
        ephemeral_mb: int | None,
        *,
        restored: bool,
    ) -> int | None:
        """As PriceTable.cost."""
        # Lambda Managed Instances: requests and EC2 are billed, no duration.
        if capacity == Capacity.MANAGED:
            return None
        prices = self.provisioned if capacity == Capacity.PROVISIONED else self.gb_second
        gb_second = prices.get(architecture or "x86_64")
        if gb_second is None:
            return None
        # Of megabytes and milliseconds, which are whole; divided once at the end.
        amount = billed_ms * memory_mb * gb_second
        if ephemeral_mb is not None and ephemeral_mb > FREE_STORAGE_MB:
            if self.storage is None:
                return None
            amount += billed_ms * (ephemeral_mb - FREE_STORAGE_MB) * self.storage
        if restored:
            if self.restore is None:
                return None
            amount += 1000 * memory_mb * self.restore
        return self.request + _half_even(amount)


@dataclass(frozen=True, slots=True)
class Period:
    from_ns: int
    bills_init: bool
    regions: Mapping[str, RegionPrice]


@dataclass(frozen=True, slots=True)
class Price:
    """What an invocation costs at list price, and the milliseconds it is billed for."""

    billed_ms: int
    cost_pd: int | None  # None: no price for the region, or the memory size is unknown


@dataclass(frozen=True, slots=True)
class PriceTable:
    """`name`: where it was read from, for whoever shows it."""

    periods: tuple[Period, ...]  # newest first
    calls: CallPrices = field(default_factory=CallPrices)
    name: str = ""

    def price(
        self,
        *,
        started_ns: int,
        duration_ns: int,
        init_ns: int | None,
        memory_mb: int | None,
        region: str,
        architecture: str | None,
        capacity: int = Capacity.ON_DEMAND,
        ephemeral_mb: int | None = None,
        restored: bool = False,
    ) -> Price:
        """The list-price estimate of one invocation that Lambda has not reported on.

        `duration_ns` is the handler's; `init_ns` is given where this invocation paid for the environment's INIT.
        Billed time is rounded up to the next millisecond, at least one. The rest is as in `cost`.
        """
        period = self._period(started_ns)
        billed_ns = duration_ns + (init_ns or 0 if period is not None and period.bills_init else 0)
        billed_ms = max(1, -(-billed_ns // 1_000_000))
        regional = period.regions.get(region) if period is not None else None
        cost_pd = None
        if regional is not None and memory_mb:
            cost_pd = regional.cost(billed_ms, memory_mb, architecture, capacity, ephemeral_mb, restored=restored)
        return Price(billed_ms, cost_pd)

    def cost(
        self,
        *,
        started_ns: int,
        billed_ms: int | None,
        memory_mb: int | None,
        region: str,
        architecture: str | None,
        capacity: int = Capacity.ON_DEMAND,
        ephemeral_mb: int | None = None,
        restored: bool = False,
    ) -> int | None:
        """Picodollars for time that AWS itself says it billed, INIT and restore included; None: unknown.

        Memory and `/tmp` are the configured sizes, as on AWS's bill. No architecture stands for x86_64, Lambda's
        default; one that has no price gives no cost. `restored`: a snapshot was, of a runtime that pays for it.
        """
        period = self._period(started_ns)
        regional = period.regions.get(region) if period is not None else None
        if regional is None or billed_ms is None or not memory_mb:
            return None
        return regional.cost(billed_ms, memory_mb, architecture, capacity, ephemeral_mb, restored=restored)

    def _period(self, started_ns: int) -> Period | None:
        for period in self.periods:
            if started_ns >= period.from_ns:
                return period
        return None


def pays_restores(runtime: str | None) -> bool | None:
    """Whether SnapStart costs: free for Java, not for Python and .NET. None: the runtime is not known."""
    if not runtime:
        return None
    return not runtime.startswith("java")


def _half_even(amount: int) -> int:
    whole, rest = divmod(amount, _MB_MS)
    return whole + (2 * rest > _MB_MS or (2 * rest == _MB_MS and whole % 2 == 1))


@cache
def default_prices() -> PriceTable:
    from collector.domain.price_file import load_prices  # noqa: PLC0415  # it imports this module

    return load_prices(DEFAULT_TABLE)
