"""Units: what a person reads for a number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from webapp.formatting.money import Sums, call_cost, decimals, dollars, money, whole_cost, whole_decimals
from webapp.formatting.numbers import DASH, SPACE, THIN, count, megabytes, milliseconds, ratio, share, size
from webapp.formatting.times import ago, iso
from webapp.formatting.words import ICONS, SERVICES, service_icon, trigger_name

PICO = 1_000_000_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, DASH),
        (float("nan"), DASH),
        (0, "0 ms"),
        (0.412, "0.41 ms"),
        (0.9951, "1.0 ms"),
        (4.13, "4.1 ms"),
        (9.96, "10 ms"),
        (412.4, "412 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (3021, "3.02 s"),
        (9996, "10.0 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min 00 s"),
        (64_200, "1 min 04 s"),
        (7_500_000, "2 h 05 min"),
        (90_000_000, "1 d 01 h"),
    ],
)
def test_durations_have_three_figures_and_the_unit_that_suits_them(value: float | None, text: str) -> None:
    """A duration reads the same everywhere, and never as 60 s or 1000 ms."""
    assert text == milliseconds(value).replace(SPACE, " ")


def test_counts_are_grouped_with_thin_spaces() -> None:
    """Thousands are set apart without a comma that could be a decimal sign."""
    assert f"1{THIN}234{THIN}567" == count(1_234_567)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.0001, "<0.1 %"),
        (0.0309, "3.1 %"),
        (0.03, "3 %"),
        (0.17, "17 %"),
        (0.9999, ">99.9 %"),
        (1, "100 %"),
    ],
)
def test_shares_never_round_something_to_nothing(value: float, text: str) -> None:
    """One failure among many is not 0 %, and all but one are not 100 %."""
    assert text == ratio(value).replace(SPACE, " ")


def test_a_share_of_nothing_is_nothing() -> None:
    """No invocations at all do not divide by zero."""
    assert f"0{SPACE}%" == share(0, 0)


def test_memory_is_given_in_megabytes() -> None:
    """10 240 MB is as large as a function gets."""
    assert f"10{THIN}240{SPACE}MB" == megabytes(10_240)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, DASH),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (8_388_608, "8.39 MB"),
        (99_960_000, "100 MB"),
        (999_600_000, "1.00 GB"),
        (2**53, "9.01 PB"),
    ],
)
def test_sizes_have_three_figures(value: int | None, text: str) -> None:
    """Never 1000 kB."""
    assert text == size(value).replace(SPACE, " ")


def test_one_invocation_is_priced_in_dollars_with_eight_decimals() -> None:
    """No exponents: amounts in a column can be compared by eye."""
    assert ["$0.00000103", "$0.00000020"] == [dollars(1_033_334), dollars(203_000)]


def test_a_column_has_the_decimals_of_its_largest_amount() -> None:
    """Amounts below each other have their decimal points below each other."""
    amounts = [PICO * 3 // 2, 4_213_000_000, None]

    assert ["$1.5000", "$0.0042", DASH] == [dollars(amount, decimals(amounts)) for amount in amounts]


def test_what_would_round_to_nothing_is_shown_as_less_than_a_step() -> None:
    """Cheap is not free."""
    assert ("<$0.01", "$0.00") == (dollars(4_213, 2), dollars(0, 2))


def test_large_sums_are_grouped() -> None:
    """A month's bill is readable."""
    assert f"$12{THIN}345.68" == dollars(12_345_678_900_000_000)


def test_money_fades_its_leading_zeros_and_explains_itself() -> None:
    """The figures stand out, and the tooltip says what one in a million costs and that it is an estimate."""
    html = money(1_033_334, each=True)

    assert "$0.00000103" == html.striptags()
    assert '<span class="zeros">$0.00000</span>103' in html
    assert "A million like this cost $1.0333." in html
    assert "list prices" in html


def test_unknown_cost_is_not_zero() -> None:
    """A function without a known price has a dash and a reason."""
    assert DASH == money(None).striptags()
    assert "Cost unknown" in money(None)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "just now"), (4, "just now"), (12, "12 s ago"), (190, "3 min ago"), (9000, "2 h ago")]
)
def test_moments_are_told_by_their_distance(seconds: int, text: str) -> None:
    """A clock that runs behind does not make the past the future."""
    assert text == ago(1_000_000_000 - seconds * 1000, 1_000_000_000).replace(SPACE, " ")


def test_times_that_no_calendar_holds_are_shown_as_the_nearest_that_one_does() -> None:
    """A hostile timestamp breaks no page."""
    assert ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z") == (iso(-5e15), iso(1e18))


def test_every_trigger_of_the_tracer_has_a_name() -> None:
    """All types that docs/attributes.md lists, so that no page shows `s3batch` to a person."""
    attributes = (Path(__file__).parents[2] / "docs" / "attributes.md").read_text()
    (row,) = re.findall(r"^\| `clew\.trigger\.type` \| string \| (.*) \|$", attributes, re.MULTILINE)
    types = set(re.findall(r"`(\w+)`", row))

    assert len(types) > 30
    assert types <= set(SERVICES)
    assert trigger_name("mq") == "Amazon MQ"


def test_every_icon_is_drawn() -> None:
    """A name without a drawing would be an empty place; what has none of its own is a cloud."""
    drawn = (Path(__file__).parents[2] / "webapp" / "static" / "icons.svg").read_text()

    assert all(f'id="{icon}"' in drawn for icon in [*ICONS.values(), service_icon("iot")])


def test_a_whole_cost_tells_its_parts() -> None:
    """What Lambda takes and what the calls do; `≥` where something in it has no known price."""
    known = whole_cost(Sums(1_000_000, 500_000))
    assert "$0.00000" in known
    assert "150" in known
    assert "Lambda $0.00000100, calls of other services $0.00000050 (estimated from their sizes)." in known
    assert "≥" not in known
    assert whole_cost(Sums(1_000_000)) == money(1_000_000)
    assert whole_cost(Sums(None)) == money(None)
    some = whole_cost(Sums(1_000_000, 0, 2), each=True, reported=False)
    assert '<span class="guess least">≥</span>' in some
    assert "no price is known for 2 calls" in some
    assert "A million like this cost $1.0000." in some
    only_calls = whole_cost(Sums(None, 500_000, 1))
    assert "no price is known for the function itself and 1 call." in only_calls
    assert "Lambda" not in only_calls


def test_sums_of_costs_have_as_many_decimals_as_their_largest() -> None:
    assert whole_decimals([Sums(None), Sums(1, 2 * 10**12)]) == 4
    assert whole_decimals([]) == 8


def test_what_a_call_costs() -> None:
    assert "≈" in call_cost(400_000, measured=False, charged=True)
    measured = call_cost(400_000, measured=True, charged=True)
    assert "≈" not in measured
    assert "the service itself said" in measured
    assert ">$0<" in call_cost(0, measured=False, charged=True)
    assert "No price is known" in call_cost(None, measured=False, charged=True)
    assert "It failed" in call_cost(None, measured=False, charged=False)
