"""Price tables as files: what is read, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.domain.price_file import PriceTableError, load_prices
from collector.domain.prices import DEFAULT_TABLE, Price, default_prices
from tests.collector.domain.otlp import MS, START_NS
from tests.collector.domain.price_tables import CALLS, GOOD


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    """A team's own prices are read from a file of the same form."""
    path = tmp_path / "prices.toml"
    path.write_text(GOOD)
    found = load_prices(path).price(
        started_ns=START_NS,
        duration_ns=1_000 * MS,
        init_ns=None,
        memory_mb=1024,
        region="us-east-1",
        architecture="arm64",
    )
    assert found == Price(1_000, 10_200_000)


def test_a_table_knows_where_it_is_from(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(CALLS)
    assert load_prices(path).name == str(path)
    assert default_prices().name == str(DEFAULT_TABLE)


def test_prices_of_calls_are_picodollars(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(CALLS)
    (entry,) = load_prices(path).calls.entries
    assert (entry.service, entry.operations, entry.unit, entry.request, entry.least, entry.kind) == (
        "sqs",
        ("Send*", "ReceiveMessage"),
        {"us-east-1": 400_000, "*": 500_000},
        {},
        1,
        "",
    )


def test_the_documented_table_is_one(tmp_path: Path) -> None:
    """docs/cost.md shows one that can be used as it is."""
    page = Path(__file__).parents[3].joinpath("docs", "cost.md").read_text()
    path = tmp_path / "prices.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])
    table = load_prices(path)
    assert [period.bills_init for period in table.periods] == [True]
    assert [entry.service for entry in table.calls.entries] == ["transcribe"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("= nonsense", "no TOML"),
        ("", "no \\[\\[lambda\\]\\]"),
        (GOOD.replace('"0.00002"', "0.00002"), "us-east-1: x86_64: prices are text"),
        (GOOD.replace('"0.00002"', '"-1"'), "x86_64: '-1' is no price"),
        (GOOD.replace('"0.00002"', '"1001"'), "no price"),
        (GOOD.replace('"0.00002"', '"0.0000000000001"'), "finer"),
        (GOOD.replace('"0.00002"', '"NaN"'), "no number"),
        (GOOD.replace('"0.00002"', '"Infinity"'), "no price"),
        (GOOD.replace('"0.00002"', '"cheap"'), "no number"),
        (GOOD.replace('"standard"', '"other"'), "number 1: regions names no"),
        (GOOD.replace("2025-01-01", '"2025-01-01"'), "from must be a day"),
        (GOOD.replace("2025-01-01", "2025-01-01T00:00:00Z"), "from must be a day"),
        (GOOD.replace("= true", '= "yes"'), "bills_init must be true or false"),
        (GOOD.replace('arm64 = "0.00001", ', ""), "us-east-1: arm64 is missing"),
        (GOOD.replace("request =", "requests ="), "nothing reads: requests"),
        (GOOD.replace("[[lambda]]", "[lambda]"), "list of tables"),
        (GOOD.replace("[regions.standard]", "[[regions.standard]]"), "must be a table"),
        (GOOD + GOOD.replace("[regions.standard]\n", "[regions.more]\n"), "from the same day"),
        ("surprise = 1\n" + GOOD, "nothing reads: surprise"),
        (CALLS.replace('"sqs"', '""'), "service is missing"),
        (CALLS.replace('["Send*", "ReceiveMessage"]', '"Send*"'), "list of names"),
        (CALLS.replace('["Send*", "ReceiveMessage"]', "[]"), "list of names"),
        (CALLS.replace('"0.0000004"', "1"), "number 1 \\(sqs\\): unit.us-east-1: prices are text"),
        (CALLS.replace("unit =", "units ="), "nothing reads: units"),
        (CALLS.replace("unit =", "#"), "no price"),
        (CALLS.replace('counts = "request"', "counts = 1"), "are text"),
        (CALLS.replace('counts = "request"', 'least = "one"'), "least must be"),
        (CALLS.replace('counts = "request"', "least = 0"), "least must be"),
        (CALLS.replace('counts = "request"', "least = inf"), "least must be"),
        (CALLS + CALLS[len(GOOD) :], "two \\[\\[calls\\]\\]"),
        ("a = " + "[" * 5_000, "no TOML"),
    ],
)
def test_a_bad_table_is_refused_with_its_name(tmp_path: Path, text: str, reason: str) -> None:
    """The error names the file, the entry and what is wrong with it."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(PriceTableError, match=reason) as caught:
        load_prices(path)
    assert str(path) in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PriceTableError, match="no TOML"):
        load_prices(path)


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"#" * 5_000_000)
    with pytest.raises(PriceTableError, match="larger than"):
        load_prices(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is said so."""
    with pytest.raises(PriceTableError, match="No such file"):
        load_prices(tmp_path / "none.toml")
