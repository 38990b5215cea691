"""Money: dollars with a fixed number of decimals, so that a column can be compared by eye.

One invocation costs millionths of a dollar. Instead of exponents or changing units, all amounts are dollars; a column
has the same number of decimals throughout (`decimals` of its largest amount), and the zeros that carry no information
are drawn fainter, so that the eye finds the figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from markupsafe import Markup

from webapp.formatting.numbers import DASH, THIN

PICO = Decimal(1_000_000_000_000)
GUESS = "\N{ALMOST EQUAL TO}"
BILLED = "From the billed duration that Lambda reported, at list price: without free tier, volume tiers or discounts."
UNREPORTED = (
    "Lambda has not reported what it billed, so this goes by the duration that the function itself measured, "
    "at list price: without free tier, volume tiers or discounts."
)
ESTIMATE = "An estimate from list prices: without free tier, volume tiers, discounts or savings plans."
UNKNOWN = "Cost unknown: not a Lambda function, or no list price known for its region."


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
    text = dollars(amount_pd, places)
    title = {None: ESTIMATE, True: BILLED, False: UNREPORTED}[reported]
    if each:
        title = f"A million like this cost {dollars(amount_pd * 1_000_000)}. {title}"
    guess = Markup('<span class="guess">{}</span>').format(GUESS) if reported is False else ""
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
