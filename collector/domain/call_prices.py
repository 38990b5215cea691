"""What a call of an AWS service costs at list price: so much for each call, and so much for each unit of it.

A unit is what the service's price list counts: a write request unit, 64 kB of a message, an event. How many a call took
is on its span (docs/attributes.md) or, where it is not, the least that such a call takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from collector.domain.calls import Target
from collector.domain.spans import Value

EVERYWHERE = "*"
UNITS = "clew.call.units"
CAPACITY = "aws.dynamodb.consumed_capacity"
ATTRIBUTES = frozenset({UNITS, CAPACITY})
MAX_UNITS = 10**6  # of a call: what any service takes at once is less
# Of a call: a dollar, which none comes near. Sums stay within 64 bits whatever senders say.
_MOST_PD = 10**12
# Partitions whose prices are their own, in China of another currency.
_APART = ("cn-", "us-gov-", "us-iso", "eusc-")
_MOST_KNOWN = 8_192
# Refused, and charged all the same. What other failures cost depends on why: unknown.
_CHARGED = {
    "dynamodb": frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"}),
    "s3": frozenset({"NoSuchKey", "NotFound", "404", "NotModified", "304", "PreconditionFailed", "412"}),
}


@dataclass(frozen=True, slots=True)
class CallPrice:
    """One entry of the table. `operations` are names; one that ends in `*` stands for all that begin so.

    `request` and `unit` are picodollars by region. `least`: the units of a call whose span tells nothing; None: then
    its cost is unknown. `kind`: "fifo" for queues and topics of that kind only, "" for all others.
    """

    from_ns: int
    service: str
    operations: tuple[str, ...]
    counts: str  # what a unit is, in words
    request: Mapping[str, int]
    unit: Mapping[str, int]
    least: float | None = 1
    kind: str = ""

    def price(self, region: str) -> tuple[int | None, int | None]:
        """Of each call and of each unit there; None: none is known."""
        return _regional(self.request, region), _regional(self.unit, region)


class Rate(NamedTuple):
    """What holds for one operation in one region from a time on."""

    from_ns: int
    request_pd: int
    unit_pd: int
    least: float | None
    counts: str


class CallPrices:
    """Immutable but for what it remembers."""

    def __init__(self, entries: Iterable[CallPrice] = ()) -> None:
        self.entries = tuple(entries)
        self._known: dict[tuple[int, str, str], tuple[Rate, ...]] = {}

    def cost(
        self, target: Target, attributes: Mapping[str, Value], started_ns: int, *, error: str | None, finished: bool
    ) -> int | None:
        """Picodollars; 0 for what AWS does not charge, None where the price is not known."""
        if not target.region:
            return None if target.aws else 0
        rate = self.rate(target, started_ns)
        if rate is None or not finished:
            return None
        if error is not None and error not in _CHARGED.get(target.resource.service, ()):
            return None
        units = rate.least
        if UNITS in attributes or CAPACITY in attributes:
            said = read_units(attributes)
            units = units if said is None else said
        return None if units is None else min(rate.request_pd + round(units * rate.unit_pd), _MOST_PD)

    def rate(self, target: Target, started_ns: int) -> Rate | None:
        key = (target.resource.id, target.operation, target.region)
        rates = self._known.get(key)
        if rates is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            rates = self._known[key] = self._find(target)
        for rate in rates:
            if started_ns >= rate.from_ns:
                return rate
        return None

    def _find(self, target: Target) -> tuple[Rate, ...]:
        """Newest first. Of one time, the entry that names the operation most exactly."""
        kind = _kind(target)
        best: dict[int, tuple[int, Rate]] = {}
        for entry in self.entries:
            if entry.service != target.resource.service or entry.kind != kind:
                continue
            exact = max((_exactness(pattern, target.operation) for pattern in entry.operations), default=0)
            request, unit = entry.price(target.region)
            if not exact or (request is None and unit is None):
                continue
            rate = Rate(entry.from_ns, request or 0, unit or 0, entry.least, entry.counts)
            if entry.from_ns not in best or exact > best[entry.from_ns][0]:
                best[entry.from_ns] = (exact, rate)
        return tuple(best[from_ns][1] for from_ns in sorted(best, reverse=True))


def read_units(attributes: Mapping[str, Value]) -> float | None:
    """How many units a call took, as its span says; None: it does not, or nothing that can be."""
    consumed = attributes.get(CAPACITY)
    if consumed is not None and (found := _consumed(consumed)) is not None:
        return found
    units = attributes.get(UNITS)
    if isinstance(units, bool) or not isinstance(units, int | float) or not 0 <= units <= MAX_UNITS:
        return None
    return units


def is_measured(attributes: Mapping[str, Value]) -> bool:
    """Whether the units are the service's own word."""
    return _consumed(attributes.get(CAPACITY)) is not None


def _consumed(value: Value) -> float | None:
    """From OpenTelemetry's attribute: one JSON text for each table, `{"TableName": "t", "CapacityUnits": 0.5}`."""
    total = 0.0
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        try:
            found = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            return None
        units = found.get("CapacityUnits") if isinstance(found, dict) else None
        if isinstance(units, bool) or not isinstance(units, int | float) or not 0 <= units <= MAX_UNITS:
            return None
        total += units
    return total if texts and total <= MAX_UNITS else None


def _kind(target: Target) -> str:
    if target.resource.service in {"sqs", "sns"} and target.resource.name.endswith(".fifo"):
        return "fifo"
    if target.resource.service == "s3" and target.resource.name.endswith("--x-s3"):
        return "directory bucket"
    return ""


def _exactness(pattern: str, operation: str) -> int:
    """0: it does not stand for the operation."""
    if pattern == operation:
        return 1_000
    if pattern.endswith("*") and operation.startswith(pattern[:-1]):
        return len(pattern)
    return 0


def _regional(prices: Mapping[str, int], region: str) -> int | None:
    found = prices.get(region)
    if found is None and not region.startswith(_APART):
        found = prices.get(EVERYWHERE)
    return found
