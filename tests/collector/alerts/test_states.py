"""States of alerts: what people and time do to them, and who hears of it."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from collector.alerts import actions
from collector.alerts.model import EVERY_EVENT, ConditionKind, Grouping, Metric, MuteWindow, NoticeKind, Scope
from collector.alerts.mutes import is_on
from collector.alerts.rule_store import DEFAULT_RULES, read_rules, save_mute
from collector.domain.facts import IssueKind, Result
from collector.store import issue_states
from collector.store.alert_tables import alert_rules
from tests.collector.alerts.world import DAY_S, World, issue_id, rule
from tests.collector.store.facts import function

HOUR = 3600


def failing(world: World, from_s: int, to_s: int) -> None:
    for second in range(from_s, to_s, 60):
        world.invoke(second, result=Result.ERROR)


def test_rules_are_there_from_the_beginning_and_once(world: World) -> None:
    """One that is deleted does not come back."""
    rounds = world.rounds()
    rounds.run()
    with world.writing.begin() as connection:
        assert {one.id for one in DEFAULT_RULES} == read_rules(connection).keys()
        actions.remove_rules(connection, ["memory"], now_ms=world.clock() // 10**6, tell=world.tell)
    world.run(world.rounds(), 60)
    with world.reading.connect() as connection:
        kept = {"errors", "about-to-time-out", "new-issue", "regressed-issue"}
        assert kept == read_rules(connection).keys()
    world.invoke(65, result=Result.ERROR, duration_ms=2900, max_memory_mb=100)
    world.run(rounds, 130)
    assert {"errors", "about-to-time-out", "new-issue"} == {row.rule_id for row in world.alerts()}


def test_acknowledged_alerts_are_not_repeated_and_resolve_by_themselves(world: World) -> None:
    """Whoever acknowledges stops the repetition; the end is told all the same."""
    rounds = world.begin(rule(repeat_s=600))
    failing(world, 0, 4 * HOUR)
    for second in range(65, 2000, 60):
        world.run(rounds, second)
    assert ["opened", "repeated", "repeated", "repeated"] == world.told
    (alert,) = world.alerts()
    with world.writing.begin() as connection:
        now_ms = world.clock() // 10**6
        for expected in ([alert.id], []):
            done = actions.acknowledge(connection, [alert.id, 5], "ada\0\n", now_ms=now_ms, tell=world.tell)
            assert done == expected
    world.run(rounds, 4 * HOUR)
    world.run(rounds, 5 * HOUR)
    assert ["opened", "repeated", "repeated", "repeated", "acknowledged", "resolved"] == world.told
    assert world.notices[4].by == "ada"
    (alert,) = world.alerts()
    assert (alert.state, alert.acknowledged_by, alert.resolved_by) == ("resolved", "ada", None)
    assert ["opened", "repeated", "repeated", "repeated", "acknowledged", "resolved"] == world.history()


def test_an_alert_resolved_by_hand_stays_so_while_its_condition_lasts(world: World) -> None:
    """A new alert needs the condition to have ended first."""
    rounds = world.begin(rule())
    failing(world, 0, 1200)
    world.run(rounds, 300)
    with world.writing.begin() as connection:
        actions.resolve(connection, [world.alerts()[0].id], "ada", now_ms=world.clock() // 10**6, tell=world.tell)
    for second in range(360, 3000, 60):
        world.run(rounds, second)
    assert ["opened", "resolved"] == world.told
    world.invoke(3001, result=Result.ERROR)
    world.run(rounds, 3010)
    assert ["opened", "resolved", "opened"] == world.told
    assert 2 == len(world.alerts())


def test_nobody_hears_of_a_snoozed_alert_until_then(world: World) -> None:
    """If it still goes on afterwards, that is told."""
    rounds = world.begin(rule(repeat_s=300))
    failing(world, 0, HOUR)
    world.run(rounds, 70)
    with world.writing.begin() as connection:
        now_ms = world.clock() // 10**6
        until_ms = now_ms + 1_200_000
        done = actions.snooze(connection, [world.alerts()[0].id], "ada", until_ms=until_ms, now_ms=now_ms)
        assert len(done) == 1
    for second in range(120, 1260, 60):
        world.run(rounds, second)
    assert ["opened"] == world.told
    world.run(rounds, 1280)
    assert ["opened", "repeated"] == world.told
    assert world.alerts()[0].snoozed_until_ms is None


def test_a_mute_window_holds_notices_back(world: World) -> None:
    """What opens meanwhile is told when the window ends and it still goes on; what resolves meanwhile is never told."""
    window = MuteWindow(
        "night", "Night", weekdays=(0,), start="00:00", minutes=60, timezone="UTC", scope=Scope(("checkout",))
    )
    rounds = world.begin(rule(), rule(id="all", grouping=Grouping.TOGETHER))
    with world.writing.begin() as connection:
        save_mute(connection, window, now_ms=0)
    failing(world, 0, 600)
    world.run(rounds, 300)
    world.run(rounds, 2000)
    assert {("all", NoticeKind.OPENED), ("all", NoticeKind.RESOLVED)} == {
        (notice.rule.id, notice.kind) for notice in world.notices
    }
    assert ["resolved", "resolved"] == [row.state for row in world.alerts()]
    failing(world, 3000, 4800)
    world.notices.clear()
    world.run(rounds, 3590)
    assert ["all"] == [notice.rule.id for notice in world.notices]
    world.run(rounds, 3610)
    assert ["all", "rule"] == [notice.rule.id for notice in world.notices]


def test_weekly_windows_go_by_the_clock_of_their_timezone() -> None:
    """Also past midnight, and on the days on which the clock is changed: 2026-10-25 has 25 hours in Berlin."""
    night = MuteWindow("n", "n", weekdays=(5,), start="22:00", minutes=600, timezone="Europe/Berlin")

    def at(text: str) -> bool:
        from datetime import datetime

        return is_on(night, int(datetime.fromisoformat(text).timestamp() * 1000))

    assert [at(f"2026-10-24T{clock}+02:00") for clock in ("21:59", "22:00")] == [False, True]
    assert [at(f"2026-10-25T{clock}+01:00") for clock in ("07:59", "08:00")] == [True, False]
    assert not at("2026-10-26T01:00+01:00")
    longest = MuteWindow("w", "w", weekdays=(0,), start="12:00", minutes=7 * 24 * 60)
    assert all(is_on(longest, 1_794_787_200_000 + day * 86_400_000) for day in range(1, 8))


def test_every_event_is_told_with_how_many_there_are(world: World) -> None:
    """Of a rule that says so, each round that finds more of them tells it."""
    rounds = world.begin(rule(repeat_s=EVERY_EVENT))
    for number, second in enumerate((65, 70, 200, 201, 202)):
        world.invoke(second, result=Result.ERROR)
        if number in (0, 1, 4):
            world.run(rounds, second + 1)
            world.run(rounds, second + 5)
    assert ["opened", "repeated", "repeated"] == world.told
    assert [1, 2, 5] == [notice.count for notice in world.notices]


def test_new_and_regressed_issues(world: World) -> None:
    """Each is told once: when it comes, and when it comes back after somebody resolved it, which ends its alert."""
    rounds = world.begin(
        rule(ConditionKind.NEW_ISSUE, id="new", resolve_after_s=HOUR),
        rule(ConditionKind.REGRESSED_ISSUE, id="regressed", resolve_after_s=HOUR),
    )
    for second in (65, 130, 400):
        world.invoke(second, result=Result.ERROR, type="ValueError", message="no such order")
        world.run(rounds, second + 1)
    assert ["opened"] == world.told
    (notice,) = world.notices
    assert notice.issue is not None
    assert (notice.subject.name, notice.subject.function_name, notice.issue.message) == (
        "ValueError",
        "checkout",
        "no such order",
    )
    assert notice.sample is not None
    with world.writing.begin() as connection:
        issue_states.resolve(connection, [issue_id("checkout", "ValueError")], "ada", now=world.clock)
    world.run(rounds, 500)
    assert ["opened", "resolved"] == world.told
    assert "issue" == world.alerts()[0].resolved_by
    world.invoke(700, result=Result.ERROR, type="ValueError")
    world.run(rounds, 701)
    assert ["new", "new", "regressed"] == [notice.rule.id for notice in world.notices]
    world.run(rounds, 3 * HOUR)
    assert ["opened", "resolved", "opened", "resolved"] == world.told


def test_issues_of_little_interest_are_left_alone(world: World) -> None:
    """Muted ones, 4xx if the rule says so, calls that failed and were dealt with; a rule that names them gets them."""
    named = rule(ConditionKind.NEW_ISSUE, id="named", types=("call", "HTTP 404"))
    rounds = world.begin(rule(ConditionKind.NEW_ISSUE, id="new", ignore_4xx=True), named)
    world.invoke(65, type="AccessDenied", kind=IssueKind.CALL)
    world.invoke(66, result=Result.ERROR, type="HTTP 404")
    world.run(rounds, 70)
    assert {("named", "AccessDenied"), ("named", "HTTP 404")} == {
        (notice.rule.id, notice.subject.name) for notice in world.notices
    }


def test_muted_issues_are_no_errors(world: World) -> None:
    """Nobody wants to hear of them, in whatever way."""
    rounds = world.begin(rule(), rule(ConditionKind.ISSUE, id="issue"))
    world.invoke(65, result=Result.ERROR, type="ValueError")
    with world.writing.begin() as connection:
        issue_states.mute(connection, [issue_id("checkout", "ValueError")], "ada", now=world.clock)
    world.run(rounds, 130)
    assert [] == world.told
    world.invoke(140, result=Result.ERROR, type="KeyError")
    world.run(rounds, 150)
    assert ["issue", "rule"] == sorted(notice.rule.id for notice in world.notices)


def test_what_a_message_says(world: World) -> None:
    """Whom it hits, how many, the error, an example, what it cost."""
    rounds = world.begin(rule(ConditionKind.ERROR_RATE, above=0.2, window_s=300, grouping=Grouping.TOGETHER))
    for second in range(0, 290, 10):
        world.invoke(second, name="pay", result=Result.ERROR if second % 20 else Result.OK, cost_pd=7, type=None)
        world.invoke(second, name="ship")
    world.run(rounds, 340)
    (notice,) = world.notices
    assert ("all", "all functions") == (notice.subject.key, notice.subject.name)
    assert ("pay",) == notice.functions
    assert notice.value == pytest.approx(14 / 58)
    assert (58, 14, 7 * 14) == (notice.invocations, notice.errors, notice.cost_pd)  # as the value is of
    assert notice.issue is not None
    assert notice.sample is not None
    assert notice.sample.started_ns == round((DAY_S + 270) * 1e9)


def test_a_deleted_or_disabled_rule_ends_its_alerts(world: World) -> None:
    """And says so where they were told of."""
    rounds = world.begin(rule(), rule(id="other"))
    failing(world, 0, HOUR)
    world.run(rounds, 130)
    with world.writing.begin() as connection:
        actions.remove_rules(connection, ["rule"], now_ms=world.clock() // 10**6, tell=world.tell)
        connection.execute(update(alert_rules).values(enabled=False, updated_ms=world.clock() // 10**6))
    world.run(rounds, 200)
    assert ["resolved", "resolved"] == [row.state for row in world.alerts()]
    assert ["opened", "opened", "resolved", "resolved"] == world.told


def test_a_rule_that_cannot_be_read_stops_no_other(world: World) -> None:
    """A newer Clew's, say."""
    rounds = world.begin(rule(), rule(id="other"))
    with world.writing.begin() as connection:
        connection.execute(update(alert_rules).where(alert_rules.c.id == "other").values(definition='{"condition": 1}'))
    world.invoke(65, result=Result.ERROR)
    world.run(rounds, 70)
    assert ["rule"] == [notice.rule.id for notice in world.notices]


def test_a_value_that_wavers_keeps_its_alert(world: World) -> None:
    """A tenth below the threshold it counts as met still; further below it does not."""
    rounds = world.begin(rule(ConditionKind.MEMORY, above=0.5, window_s=60, resolve_after_s=60))
    for minute, used_mb in enumerate((80, 60, 60, 70, 60)):
        world.invoke(60 * minute, max_memory_mb=used_mb)
        world.run(rounds, 60 * minute + 50)
    assert [("checkout", 60, 300, "open")] == world.intervals()
    world.invoke(300, max_memory_mb=57)
    world.run(rounds, 430)
    assert [("checkout", 60, 300, "resolved")] == world.intervals()


def test_a_queue_that_falls_behind(world: World) -> None:
    """Its oldest message's age, for the queue, whoever reads it."""
    rounds = world.begin(rule(ConditionKind.AGE, above=60, grouping=Grouping.RESOURCE))
    world.invoke(65, name="one", age_ms=50_000)
    world.invoke(66, name="two", age_ms=90_000)
    world.run(rounds, 70)
    assert [("orders", 120, 120, "open")] == world.intervals()
    assert [90.0] == [notice.value for notice in world.notices]


def test_a_function_that_is_unlike_itself(world: World) -> None:
    """Fourteen days of a hundred invocations an hour, and then a thousand; the hour before tells nothing of it."""
    rounds = world.begin(
        rule(ConditionKind.ANOMALY, above=5, metric=Metric.INVOCATIONS),
        rule(ConditionKind.ANOMALY, above=None, below=-5, id="few"),
    )
    fill_past(world, days=14, per_hour=100)
    world.run(rounds, 12 * HOUR)
    assert [] == world.told
    fill_hour(world, 12 * HOUR, 1000)
    world.run(rounds, 13 * HOUR + 60)
    assert ["rule"] == [notice.rule.id for notice in world.notices]
    assert world.notices[0].value > 50


def fill_past(world: World, *, days: int, per_hour: int) -> None:
    """Rollups of days before, and of today until noon."""
    for hour in range(-24 * days, 12):
        fill_hour(world, hour * HOUR, per_hour + hour % 7)
    world.invoke(-days * 86_400)


def fill_hour(world: World, start_s: int, count: int) -> None:
    from collector.store.statements import adding, write
    from collector.store.tables import function_stats

    values = {"function_id": function("checkout").id, "invocations": count}
    rows = []
    for resolution, start, share in [(3600, start_s, count), *((60, start_s + 60 * n, count // 60) for n in range(60))]:
        one = {**values, "resolution": resolution, "start_s": DAY_S + start, "invocations": share}
        rows.append(tuple(one.get(column.name, 0) for column in function_stats.columns))
    with world.writing.begin() as connection:
        write(connection, function_stats, rows, adding(function_stats, "invocations"))
