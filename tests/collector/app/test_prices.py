"""`clew prices`."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.domain.prices import DEFAULT_TABLE
from tests.collector.app.clew import clew
from tests.collector.domain.price_tables import CALLS, GOOD


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_prices_in_use() -> None:
    """Lambda's of every region, and those of calls in one."""
    shown = clew("prices", "show", "--region", "eu-west-1", "--on", "2026-11-21")

    assert (0, "") == (shown.returncode, shown.stderr)
    found = lines(shown.stdout)
    assert found[0] == f"{DEFAULT_TABLE}, 2026-11-21"
    assert "eu-west-1 0.0000166667 0.0000133334 0.0000002 0.000000034 0.0000108407 - -" in found
    assert (
        "dynamodb write request unit - 0.000000705 1 2024-11-01 PutItem UpdateItem DeleteItem BatchWriteItem" in found
    )
    assert "sqs (fifo) request of 64 kB - 0.0000005 1 2024-11-01 *" in found
    assert "secretsmanager request - 0.000005 1 2024-11-01 *" in found
    assert (
        "stepfunctions GB-second of an Express workflow 0.000001 0.00001667 unknown 2024-11-01 StartSyncExecution"
        in found
    )
    assert "INIT is billed like the invocation." in found
    assert not any(line.startswith("kinesis") for line in found)  # not known there


def test_the_prices_of_another_day() -> None:
    """A day has the prices that held at its end."""
    before, since = (clew("prices", "show", "--on", day).stdout for day in ("2025-07-31", "2025-08-01"))
    assert "INIT is not billed." in before
    assert "INIT is billed like the invocation." in since
    assert "No prices are known of that day." in clew("prices", "show", "--on", "2019-01-01").stdout


def test_a_table_of_ones_own_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(CALLS)
    found = lines(clew("prices", "show", CLEW_PRICES_FILE=path).stdout)
    assert "sqs request - 0.0000004 1 2025-01-01 Send* ReceiveMessage" in found
    assert "us-east-1 0.00002 0.00001 0.0000002 - - - -" in found
    assert clew("prices", "show", "--toml", CLEW_PRICES_FILE=path).stdout == CALLS


def test_the_table_that_comes_along_can_be_made_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(clew("prices", "show", "--toml").stdout)
    checked = clew("prices", "check", str(path))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"The price table {path} is right: Lambda in 24 regions, calls of 15 services." in checked.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD.replace('"0.00002"', "0.00002"), 'regions.standard: us-east-1: x86_64: prices are text, "0.0000002"'),
        (CALLS.replace("Send*", ""), "is right"),
        (CALLS.replace('"0.0000004"', '"-4"'), "[[calls]] number 1 (sqs): unit.us-east-1: '-4' is no price"),
    ],
)
def test_a_bad_table_is_told(tmp_path: Path, text: str, reason: str) -> None:
    """With the entry that is wrong; the server refuses the same table with exit code 2."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    checked = clew("prices", "check", str(path))
    assert reason in checked.stdout + checked.stderr
    assert checked.returncode == (0 if reason == "is right" else 1)
    shown = clew("prices", "show", CLEW_PRICES_FILE=path)
    assert shown.returncode == (0 if reason == "is right" else 2)
    assert "Traceback" not in checked.stderr + shown.stderr


def test_no_table(tmp_path: Path) -> None:
    checked = clew("prices", "check", str(tmp_path / "none.toml"))
    assert (checked.returncode, checked.stdout) == (1, "")
    assert "cannot be read: No such file" in checked.stderr
