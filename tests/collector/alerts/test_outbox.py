"""The outbox: who is to hear of what, in which order, and one process at a time for each channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, func, insert, select

from collector.alerts import outbox
from collector.alerts.directory import Directory, Draft
from collector.alerts.model import Notice, NoticeKind, Severity
from collector.alerts.outcomes import Receipt
from collector.store.alert_tables import alerts
from collector.store.channel_tables import channels, deliveries
from collector.store.queries.channels import DeliveryRow, list_deliveries
from tests.collector.alerts.conftest import Clock
from tests.collector.alerts.notices import AT_MS, RULE, notice

PAGER = {"routing_key": "0123456789abcdef0123456789abcdef"}
SLACK = {"webhook_url": "https://hooks.slack.com/services/T/B/x"}
MAIL = {"to": "a@example.com", "from": "b@example.com", "host": "smtp.example.com"}


def slack(directory: Directory, name: str = "slack", **options: Any) -> int:
    return directory.add(Draft(name, "slack", SLACK, **options))


def add(database: Engine, *notices: Notice, now_ms: int = AT_MS) -> None:
    with database.begin() as connection:
        outbox.add(connection, notices, now_ms=now_ms)


def queued(database: Engine) -> list[tuple[str, int, str]]:
    """Channel, alert and kind of every delivery, oldest first."""
    with database.connect() as connection:
        rows = list_deliveries(connection, limit=500)
    return [(row.channel, row.alert_id, row.kind) for row in reversed(rows)]


def only(database: Engine) -> DeliveryRow:
    with database.connect() as connection:
        (row,) = list_deliveries(connection)
    return row


def take(database: Engine, clock: Clock, holder: str = "a") -> outbox.Claim | None:
    with database.begin() as connection:
        return outbox.claim(connection, holder, clock.now_ms)


def sent(database: Engine, claim: outbox.Claim | None, clock: Clock) -> None:
    assert claim is not None
    with database.begin() as connection:
        outbox.settle_sent(connection, claim, Receipt(reference="r"), clock.now_ms)


def test_a_rule_names_its_channels_or_leaves_it_to_the_default_ones(database: Engine, directory: Directory) -> None:
    """None: the default ones; a list: those; an empty one: nobody."""
    slack(directory, "default", is_default=True)
    slack(directory, "team")
    add(
        database,
        notice(1),
        notice(2, rule=replace(RULE, channels=("team", "gone"))),
        notice(3, rule=replace(RULE, channels=())),
    )

    assert [("default", 1, "opened"), ("team", 2, "opened")] == sorted(queued(database), key=lambda row: row[1])


def test_a_channel_hears_of_what_is_severe_enough(database: Engine, directory: Directory) -> None:
    """The least severity is the channel's own."""
    slack(directory, is_default=True, least_severity=Severity.ERROR)
    add(database, *(notice(alert, severity=severity) for alert, severity in enumerate(Severity, 1)))

    assert {1, 2} == {alert for _, alert, _ in queued(database)}


def test_a_channel_that_is_off_hears_nothing(database: Engine, directory: Directory) -> None:
    """Nothing waits for it either."""
    slack(directory, is_default=True, enabled=False)
    add(database, notice())

    assert [] == queued(database)


def test_a_resolve_goes_where_the_alert_was_told_of(database: Engine, directory: Directory) -> None:
    """Not to a channel that came later, nor to one that does not want it; PagerDuty always gets it."""
    slack(directory, "before", is_default=True)
    slack(directory, "silent", is_default=True, sends_resolved=False)
    directory.add(Draft("pager", "pagerduty", PAGER, is_default=True, sends_resolved=False))
    add(database, notice())
    slack(directory, "after", is_default=True)
    add(database, notice(kind=NoticeKind.RESOLVED))

    assert {"before", "pager"} == {channel for channel, _, kind in queued(database) if kind == "resolved"}


def test_an_acknowledgement_goes_to_channels_that_know_it(database: Engine, directory: Directory) -> None:
    """E-mail does not wake anybody to say that somebody is awake."""
    slack(directory, "chat", is_default=True)
    directory.add(Draft("mail", "email", MAIL, is_default=True))
    add(database, notice(), notice(kind=NoticeKind.ACKNOWLEDGED, by="Mia"))

    assert {"chat"} == {channel for channel, _, kind in queued(database) if kind == "acknowledged"}


def test_the_same_notice_again_changes_nothing(database: Engine, directory: Directory) -> None:
    """An evaluation that is repeated queues nothing twice, also of what was sent already."""
    slack(directory, is_default=True)
    clock = Clock()
    add(database, notice())
    sent(database, take(database, clock), clock)
    add(database, notice(), notice())

    assert "sent" == only(database).state


def test_a_rolled_back_alert_leaves_nothing(database: Engine, directory: Directory) -> None:
    """The outbox is part of the alert's own commit."""
    slack(directory, is_default=True)
    with database.connect() as connection:
        transaction = connection.begin()
        outbox.add(connection, [notice()], now_ms=AT_MS)
        transaction.rollback()

    assert [] == queued(database)


def test_a_channel_is_held_by_one_process(database: Engine, directory: Directory, clock: Clock) -> None:
    """Another finds nothing until it lets go or its hold has passed; then the same message is claimed again."""
    slack(directory, is_default=True)
    add(database, notice(), notice(2))
    first = take(database, clock, "a")
    assert first is not None
    assert take(database, clock, "b") is None

    clock.pass_s(outbox.HOLD_MS / 1000 + 1)
    second = take(database, clock, "b")
    assert second is not None
    assert first.due[0].id == second.due[0].id
    assert 2 == second.due[0].attempts

    # The first one wakes up again: what it says of the message counts, what it says of the channel does not.
    sent(database, first, clock)
    assert take(database, clock, "c") is None


def test_messages_of_one_alert_leave_in_their_order(database: Engine, directory: Directory, clock: Clock) -> None:
    """A resolve waits for its opening, also while that is to be tried again; other alerts go on."""
    directory.add(Draft("pager", "pagerduty", PAGER, is_default=True))
    add(database, notice(1), notice(2, at_ms=AT_MS + 1), notice(1, NoticeKind.RESOLVED))
    clock.pass_s(120)
    claim = take(database, clock)
    assert claim is not None
    assert (1, NoticeKind.OPENED) == (claim.due[0].message.alert_id, claim.due[0].message.kind)
    with database.begin() as connection:
        outbox.settle_failed(connection, claim, "no answer", clock.now_ms, pause_ms=60_000, whole_channel=False)

    claim = take(database, clock)
    assert claim is not None
    assert 2 == claim.due[0].message.alert_id
    sent(database, claim, clock)
    clock.pass_s(1)
    assert take(database, clock) is None

    clock.pass_s(60)
    for expected in (NoticeKind.OPENED, NoticeKind.RESOLVED):
        claim = take(database, clock)
        assert claim is not None
        assert (1, expected) == (claim.due[0].message.alert_id, claim.due[0].message.kind)
        sent(database, claim, clock)
        clock.pass_s(2)


def test_many_at_once_are_one_message(database: Engine, directory: Directory, clock: Clock) -> None:
    """All that is due is named in one, and each delivery knows which."""
    slack(directory, is_default=True)
    add(database, *(notice(alert) for alert in range(1, 21)))
    claim = take(database, clock)
    assert claim is not None
    assert 20 == len(claim.due)
    sent(database, claim, clock)
    with database.connect() as connection:
        rows = list_deliveries(connection)

    assert {"sent"} == {row.state for row in rows}
    assert {None: 1, claim.due[0].id: 19} == {
        id: sum(row.bundle_id == id for row in rows) for id in (None, claim.due[0].id)
    }


def test_incidents_are_never_bundled(database: Engine, directory: Directory, clock: Clock) -> None:
    """Each has a key of its own."""
    directory.add(Draft("pager", "pagerduty", PAGER, is_default=True))
    add(database, *(notice(alert) for alert in range(1, 21)))
    claim = take(database, clock)

    assert claim is not None
    assert 1 == len(claim.due)


def test_a_channel_has_its_pace(database: Engine, directory: Directory, clock: Clock) -> None:
    """Slack takes about a message a second."""
    slack(directory, is_default=True)
    add(database, notice(1), notice(2))
    sent(database, take(database, clock), clock)
    assert take(database, clock) is None
    clock.pass_s(1.2)

    assert take(database, clock) is not None


def test_a_pause_that_the_service_asks_for_holds_for_the_channel(
    database: Engine, directory: Directory, clock: Clock
) -> None:
    """Also for alerts that come meanwhile."""
    slack(directory, is_default=True)
    add(database, notice(1))
    claim = take(database, clock)
    assert claim is not None
    with database.begin() as connection:
        outbox.settle_failed(connection, claim, "429", clock.now_ms, pause_ms=30_000, whole_channel=True)
    add(database, notice(2))
    clock.pass_s(29)
    assert take(database, clock) is None
    clock.pass_s(1)

    assert take(database, clock) is not None


def test_what_fails_for_a_day_is_a_dead_end_with_its_reason(
    database: Engine, directory: Directory, clock: Clock
) -> None:
    """The pauses grow to a quarter of an hour; after a day it is given up."""
    slack(directory, is_default=True)
    add(database, notice())
    while (claim := take(database, clock)) is not None:
        pause = outbox.pause_ms(claim.due[0].attempts, 1.0)
        assert pause <= 900_000
        with database.begin() as connection:
            outbox.settle_failed(connection, claim, "no answer", clock.now_ms, pause_ms=pause, whole_channel=False)
        clock.pass_s(pause / 1000)
    row = only(database)

    assert ("dead", "Given up after a day. no answer") == (row.state, row.reason)
    assert 90 < row.attempts < 120
    assert row.ended_ms is not None
    assert row.ended_ms - AT_MS <= outbox.GIVE_UP_MS


def test_pauses_double_and_differ() -> None:
    """Half of each is by chance, so that what failed together is not tried again together."""
    assert [5_000, 10_000, 20_000, 900_000] == [outbox.pause_ms(number, 1.0) for number in (1, 2, 3, 50)]
    assert [2_500, 5_000] == [outbox.pause_ms(number, 0.0) for number in (1, 2)]


def test_a_dead_delivery_can_be_revived(database: Engine, directory: Directory, clock: Clock) -> None:
    """After the channel was mended."""
    slack(directory, is_default=True)
    add(database, notice())
    claim = take(database, clock)
    assert claim is not None
    with database.begin() as connection:
        outbox.settle_dead(connection, claim, "404: no_service", clock.now_ms)
    dead = only(database)
    assert "dead" == dead.state
    clock.pass_s(60)
    with database.begin() as connection:
        assert 1 == outbox.retry(connection, [dead.id], clock.now_ms)

    assert take(database, clock) is not None


def test_what_waits_for_a_channel_that_is_off_is_given_up_after_a_day(
    database: Engine, directory: Directory, clock: Clock
) -> None:
    """And what ended three months ago is forgotten."""
    slack(directory, is_default=True)
    add(database, notice())
    directory.change("slack", Draft("slack", "slack", {}, enabled=False))
    clock.pass_s(25 * 3600)
    with database.begin() as connection:
        assert 1 == outbox.give_up(connection, clock.now_ms)
    assert ("dead", "Given up: it could not be sent for a day.") == (only(database).state, only(database).reason)
    clock.pass_s(91 * 24 * 3600)
    with database.begin() as connection:
        outbox.give_up(connection, clock.now_ms)
        assert 0 == connection.scalar(select(func.count()).select_from(deliveries))


def test_a_removed_channel_ends_what_waits_for_it(database: Engine, directory: Directory, clock: Clock) -> None:
    """Its deliveries keep its name."""
    slack(directory, is_default=True)
    add(database, notice())
    directory.remove("slack")

    assert ("dead", "The channel was removed.", "slack") == (
        only(database).state, only(database).reason, only(database).channel,
    )  # fmt: skip
    assert take(database, clock) is None


def test_a_process_that_is_alone_need_not_wait_for_its_predecessor(
    database: Engine, directory: Directory, clock: Clock
) -> None:
    """Nobody else can hold anything."""
    slack(directory, is_default=True)
    add(database, notice())
    assert take(database, clock, "killed") is not None
    with database.begin() as connection:
        outbox.release_all(connection)

    assert take(database, clock, "next") is not None


def test_looking_takes_no_lock(database: Engine, reader: Engine, directory: Directory, clock: Clock) -> None:
    """A look while another transaction writes sees what is committed, and does not wait."""
    slack(directory, is_default=True)
    with database.begin() as writing:
        outbox.add(writing, [notice()], now_ms=AT_MS)
        with reader.connect() as connection:
            assert not outbox.is_due(connection, clock.now_ms)
    with reader.connect() as connection:
        assert outbox.is_due(connection, clock.now_ms)


def test_idle_costs_no_channel_scan(database: Engine, directory: Directory, dialect: str) -> None:
    """The look for what is due goes by the index of waiting deliveries."""
    slack(directory)
    with database.connect() as connection:
        plan = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
        if dialect == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")
        text = str(outbox._candidates(0).compile(connection, compile_kwargs={"literal_binds": True}))
        shown = " ".join(str(row) for row in connection.exec_driver_sql(plan + text))

    assert "ix_deliveries_state_channel_id_created_ms" in shown


def test_the_tables_hold_no_secret_in_clear(database: Engine, directory: Directory) -> None:
    """The row of a channel does not contain its address."""
    slack(directory)
    with database.connect() as connection:
        row = connection.execute(select(channels)).one()

    assert "hooks.slack.com/services" not in repr(tuple(row))


def test_what_an_open_alert_was_told_is_not_forgotten(database: Engine, directory: Directory, clock: Clock) -> None:
    """Its resolve, months later, still goes where it was told of."""
    directory.add(Draft("pager", "pagerduty", PAGER, is_default=True))
    add(database, notice())
    sent(database, take(database, clock), clock)
    states = {"severity": "error", "subject_kind": "function", "subject_key": "7", "subject_name": "checkout"}
    figures = dict.fromkeys(("since_s", "last_s", "opened_ms", "value", "peak", "threshold", "count", "told_count"), 1)
    row = {"id": 1, "rule_id": "errors", "rule_name": "Errors", "state": "open", "muted": False, **states, **figures}
    clock.pass_s(91 * 24 * 3600)
    with database.begin() as connection:
        connection.execute(insert(alerts), row)
        outbox.give_up(connection, clock.now_ms)
    add(database, notice(kind=NoticeKind.RESOLVED, at_ms=clock.now_ms))

    assert [("pager", 1, "opened"), ("pager", 1, "resolved")] == queued(database)
