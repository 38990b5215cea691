"""Money: dollars with a fixed number of decimals, so that a column can be compared by eye.

One invocation costs millionths of a dollar. Instead of exponents or changing units, all amounts are dollars; a column
has the same number of decimals throughout (`decimals` of its largest amount), and the zeros that carry no information
are drawn fainter, so that the eye finds the figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple, Protocol

from markupsafe import Markup

from collector.store.queries.cost_marks import NONE, CostMarks
from webapp.formatting.numbers import DASH, THIN, count

AT_LEAST = "\N{GREATER-THAN OR EQUAL TO}"
PICO = Decimal(1_000_000_000_000)
GUESS = "\N{ALMOST EQUAL TO}"
BILLED = "From the billed duration that Lambda reported, at list price: without free tier, volume tiers or discounts."
UNREPORTED = (
    "Lambda has not reported what it billed, so this goes by the duration that the function itself measured, "
    "at list price: without free tier, volume tiers or discounts."
)
LISTED = "At list prices: without free tier, volume tiers, discounts or savings plans."
PARTLY_UNREPORTED = "Lambda has not reported what it billed for all of it, so a part goes by what functions measured."
WITH_CALLS = "Calls of other services are in it, by what was seen of their sizes."
PARTLY_UNPRICED = "At least: no price is known for a part of it."
ESTIMATED_CALL = "At list price, by what was seen of the size of its request and its answer."
MEASURED_CALL = "At list price, by the capacity that the service itself said it took."
CALLS = "At list price, by what was seen of the sizes of requests and answers, or the services' own word."
FREE_CALL = "AWS charges nothing for it, or counts it elsewhere: an invocation with the function that was invoked."
NO_CALL_PRICE = "No price is known for this call, or nothing tells how much of the service it took."
REFUSED = "It failed: whether AWS charges for that depends on why."
UNKNOWN = "Cost unknown: not a Lambda function, or no list price known for its region."


class Priced(Protocol):
    """What has a cost of its own and one of its calls."""

    @property
    def cost_pd(self) -> int | None: ...
    @property
    def calls_cost_pd(self) -> int: ...
    @property
    def unpriced_calls(self) -> int: ...


class Sums(NamedTuple):
    """The same of several together."""

    cost_pd: int | None
    calls_cost_pd: int = 0
    unpriced_calls: int = 0
    unpriced: int = 0  # invocations whose own cost is unknown


def whole_pd(priced: Priced) -> int | None:
    """What is known of what it and its calls cost; None: nothing is."""
    if priced.cost_pd is None and not priced.calls_cost_pd:
        return None
    return (priced.cost_pd or 0) + priced.calls_cost_pd


def together(marks: Iterable[CostMarks]) -> CostMarks:
    """Of a sum of sums."""
    return CostMarks(*map(any, zip(*marks, strict=True)))


def mean_cost(sums: Sums, number: int) -> Sums:
    """Of each of them; what has no price is left out of it as well."""
    own = sums.cost_pd // number if sums.cost_pd is not None else None
    return sums._replace(cost_pd=own, calls_cost_pd=sums.calls_cost_pd // number)


def whole_decimals(rows: Iterable[Priced]) -> int:
    return decimals(map(whole_pd, rows))


def decimals(amounts_pd: Iterable[int | None]) -> int:
    """How many decimals a column of these amounts in picodollars is shown with."""
    largest = max((amount for amount in amounts_pd if amount is not None), default=0)
    if largest >= 100 * PICO:
        return 2
    if largest >= PICO:
        return 4
    if largest >= PICO / 100:
        return 6
    return 8


def dollars(amount_pd: int | None, places: int | None = None) -> str:
    """Plain text: "$0.00000103"; "<$0.01" for what would round to nothing."""
    if amount_pd is None:
        return DASH
    places = decimals([amount_pd]) if places is None else places
    step = Decimal(1).scaleb(-places)
    value = (Decimal(amount_pd) / PICO).quantize(step, rounding=ROUND_HALF_EVEN)
    if amount_pd > 0 and value == 0:
        return f"<${step}" if places <= 2 else f"<${step:f}"
    return f"${value:,f}".replace(",", THIN)


def money(
    amount_pd: int | None, places: int | None = None, *, each: bool = False, reported: bool | None = None
) -> Markup:
    """HTML: the amount with its leading zeros fainter. `each`: it is what one invocation or transaction costs.
    `reported`: whether an invocation's billed time is Lambda's word; if not, the amount is marked."""
    if amount_pd is None:
        return Markup('<span class="money unknown" title="{}">{}</span>').format(UNKNOWN, DASH)
    title = {None: LISTED, True: BILLED, False: UNREPORTED}[reported]
    if each:
        title = f"A million like this cost {dollars(amount_pd * 1_000_000)}. {title}"
    return _amount(dollars(amount_pd, places), title, GUESS if reported is False else "")


def whole_cost(
    priced: Priced,
    places: int | None = None,
    *,
    each: bool = False,
    reported: bool | None = None,
    marks: CostMarks = NONE,
) -> Markup:
    """As `money`, of something together with its calls: the title says what is what, and what is not in it. `marks`:
    of a sum, in place of `reported`. What lacks a part is marked as a lower bound, else what holds an estimated part
    as an estimate."""
    amount_pd = whole_pd(priced)
    if amount_pd is None:
        return money(None)
    parts = []
    if each:
        parts.append(f"A million like this cost {dollars(amount_pd * 1_000_000)}.")
    if priced.calls_cost_pd:
        own = f"Lambda {dollars(priced.cost_pd)}, " if priced.cost_pd is not None else ""
        parts.append(f"{own}calls of other services {dollars(priced.calls_cost_pd)} (estimated from their sizes).")
    unknown = []
    unpriced: int = getattr(priced, "unpriced", 0)
    if priced.cost_pd is None:
        unknown.append("the function itself")
    elif unpriced:
        unknown.append(f"{count(unpriced)} {'invocation' if unpriced == 1 else 'invocations'}")
    if priced.unpriced_calls:
        unknown.append(f"{count(priced.unpriced_calls)} {'call' if priced.unpriced_calls == 1 else 'calls'}")
    if unknown:
        parts.append(f"At least: no price is known for {' and '.join(unknown)}.")
    elif marks.unpriced:
        parts.append(PARTLY_UNPRICED)
    if priced.cost_pd is not None:
        if marks.estimated:
            parts.append(PARTLY_UNREPORTED)
        parts.append({None: LISTED, True: BILLED, False: UNREPORTED}[reported])
    return _amount(dollars(amount_pd, places), " ".join(parts), mark_of(priced, reported=reported, marks=marks))


def mark_of(priced: Priced, *, reported: bool | None = None, marks: CostMarks = NONE) -> str:
    """What stands before an amount that lacks a part, or is estimated."""
    own: int = getattr(priced, "unpriced", 0)
    if priced.cost_pd is None or own or priced.unpriced_calls or marks.unpriced:
        return AT_LEAST
    return GUESS if priced.calls_cost_pd or marks.estimated or reported is False else ""


def sum_money(amount_pd: int | None, places: int | None = None, *, marks: CostMarks = NONE) -> Markup:
    """As `money`, of a sum that has its calls in it already."""
    if amount_pd is None:
        return money(None)
    parts = [PARTLY_UNPRICED] if marks.unpriced else []
    parts += [WITH_CALLS] if marks.with_calls else []
    parts += [PARTLY_UNREPORTED] if marks.estimated else []
    mark = AT_LEAST if marks.unpriced else GUESS if marks.estimated or marks.with_calls else ""
    return _amount(dollars(amount_pd, places), " ".join([*parts, LISTED]), mark)


def call_cost(amount_pd: int | None, *, measured: bool, charged: bool) -> Markup:
    """Of one call of AWS. `measured`: the service itself said how much it took. `charged`: it did, or was refused and
    is billed all the same."""
    if amount_pd is None:
        title = NO_CALL_PRICE if charged else REFUSED
        return Markup('<span class="money unknown" title="{}">{}</span>').format(title, DASH)
    if amount_pd == 0:
        return Markup('<span class="money" title="{}">$0</span>').format(FREE_CALL)
    title = MEASURED_CALL if measured else ESTIMATED_CALL
    title = f"A million like this cost {dollars(amount_pd * 1_000_000)}. {title}"
    return _amount(dollars(amount_pd), title, "" if measured else GUESS)


def calls_money(amount_pd: int, places: int | None = None, *, unpriced: int = 0) -> Markup:
    """Of calls together: an estimate, or a lower bound where some have no known price."""
    title = f"{PARTLY_UNPRICED} {CALLS}" if unpriced else CALLS
    return _amount(dollars(amount_pd, places), title, AT_LEAST if unpriced else GUESS if amount_pd else "")


def _amount(text: str, title: str, mark: str) -> Markup:
    kind = "guess least" if mark == AT_LEAST else "guess"
    guess = Markup('<span class="{}">{}</span>').format(kind, mark) if mark else ""
    digits = text.lstrip("<$")
    prefix = text[: len(text) - len(digits)]
    figures = digits.lstrip("0.") if digits.startswith("0.") else digits
    zeros = digits[: len(digits) - len(figures)]
    if not figures:
        return Markup('<span class="money" title="{}">{}<span class="zeros">{}</span></span>').format(
            title, guess, text
        )
    return Markup('<span class="money" title="{}">{}<span class="zeros">{}{}</span>{}</span>').format(
        title, guess, prefix, zeros, figures
    )
