"""Rules that somebody else wrote, or at another time."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from collector.alerts.conditions import Unit
from collector.alerts.model import ConditionKind
from collector.alerts.rule_store import broken_rules, find_rule, read_rules, save_rule
from collector.alerts.rule_text import write_rule
from collector.alerts.units import read_quantity, write_quantity
from collector.domain.facts import Result
from collector.store.alert_tables import alert_rules
from tests.collector.alerts.world import DAY_S, World, rule


@pytest.mark.parametrize(
    "definition", ["{", "[]", '{"condition": "telepathy"}', '{"condition": "errors", "above": "x"}']
)
def test_a_rule_that_cannot_be_read_is_told_of_and_stops_no_other(
    world: World, definition: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not there for who asks for it, is named among the broken ones, is logged, and can be saved anew."""
    rounds = world.begin(rule(), rule(id="bad"))
    with world.writing.begin() as connection:
        connection.execute(update(alert_rules).where(alert_rules.c.id == "bad").values(definition=definition))
        assert find_rule(connection, "bad") is None
        assert "bad" in caplog.text
        (broken,) = broken_rules(connection)
        assert ("bad", "Rule") == (broken.id, broken.name)
        assert broken.reason
        assert ["rule"] == list(read_rules(connection))
    world.invoke(605, result=Result.ERROR)
    world.run(rounds, 610)
    assert ["rule"] == [row.rule_id for row in world.alerts()]

    with world.writing.begin() as connection:
        assert save_rule(connection, rule(id="bad"), origin="page", now_ms=world.clock() // 10**6)
        assert [] == broken_rules(connection)
        assert {"bad", "rule"} == set(read_rules(connection))


def test_a_rule_that_was_saved_while_the_clock_was_ahead_is_looked_at(world: World) -> None:
    """From when it is seen on, not only when that time comes."""
    rounds = world.begin()
    with world.writing.begin() as connection:
        save_rule(connection, rule(), origin="page", now_ms=(DAY_S + 40_000) * 1000)
    world.run(rounds, 600)
    world.invoke(665, result=Result.ERROR)
    world.run(rounds, 730)
    assert [("checkout", 720)] == [interval[:2] for interval in world.intervals()]


@pytest.mark.parametrize("text", ["99.9%", "99.95%", "99.99%", "99.999%", "5%", "0.1%", "33.3%", "7%"])
def test_shares_are_the_numbers_that_people_mean(text: str) -> None:
    """99.9 % is 0.999, and is written as it was read."""
    share = read_quantity(text, Unit.SHARE)
    assert float(f"{float(text[:-1]) / 100:.12g}") == share
    assert text == write_quantity(share, Unit.SHARE)
    assert len(repr(share)) <= len(text) + 3


def test_a_target_is_written_as_it_was_said() -> None:
    made = rule(ConditionKind.BURN_RATE, above=1, objective=read_quantity("99.95%", Unit.SHARE))
    assert "99.95%" == write_rule(made)["objective"]
