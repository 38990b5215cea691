"""Channels as they are added, changed, tried, listed and removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from collector.alerts.channels.sending import InvalidChannel
from collector.alerts.directory import Directory, Draft, UnknownChannel, open_values
from collector.alerts.keyring import Keyring, new_key
from collector.alerts.model import Severity
from collector.alerts.networks import Networks
from collector.store.channel_tables import channels
from collector.store.queries.channels import count_dead, find_channel, list_channels
from tests.collector.alerts.conftest import BASE_URL, Clock
from tests.collector.alerts.services.server import Reply, Service
from tests.collector.alerts.services.teams import SECRET, Webhook

SLACK = {"token": "xoxb-1-secret-token", "channel": "C1"}


def values_of(database: Engine, keyring: Keyring, name: str) -> dict[str, str]:
    with database.connect() as connection:
        row = connection.execute(select(channels).where(channels.c.name == name)).one()
    return open_values(keyring, row.id, row.settings, row.secrets)


def test_a_channel_is_listed_without_its_secrets(database: Engine, directory: Directory, clock: Clock) -> None:
    """What is no secret is shown, with the defaults that were filled in."""
    directory.add(Draft("team", "slack", SLACK, is_default=True, least_severity=Severity.WARNING))
    with database.connect() as connection:
        (row,) = list_channels(connection)
        assert 0 == count_dead(connection, 0)

    assert {"channel": "C1", "api_url": "https://slack.com/api/"} == row.settings
    assert ("team", "slack", True, True, "warning", clock.now_ms) == (
        row.name, row.kind, row.enabled, row.is_default, row.least_severity, row.created_ms,
    )  # fmt: skip
    assert "secret-token" not in repr(row)


def test_a_change_keeps_secrets_that_are_not_given(database: Engine, directory: Directory, keyring: Keyring) -> None:
    """A form that shows no secret sends none back."""
    directory.add(Draft("team", "slack", SLACK))
    directory.change("team", Draft("all", "slack", {"channel": "C2", "token": ""}, enabled=False))
    kept = values_of(database, keyring, "all")
    assert ("xoxb-1-secret-token", "C2") == (kept["token"], kept["channel"])
    directory.change("all", Draft("all", "slack", {"channel": "C2", "token": "xoxb-2"}))

    assert "xoxb-2" == values_of(database, keyring, "all")["token"]
    with database.connect() as connection:
        assert find_channel(connection, "team") is None
        assert find_channel(connection, "all") is not None


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft("", "slack", SLACK), "name"),
        (Draft("two\nlines", "slack", SLACK), "name"),
        (Draft("x" * 101, "slack", SLACK), "name"),
        (Draft("taken", "slack", SLACK), "name"),
        (Draft("x", "pigeon", {}), "kind"),
        (Draft("x", "pagerduty", {}), "routing_key"),
        (Draft("x", "webhook", {"url": "https://example.com/", "secret": "short"}), "secret"),
    ],
)
def test_a_channel_that_cannot_be(directory: Directory, draft: Draft, field: str) -> None:
    """The field that is to blame is named, and nothing of a secret said."""
    directory.add(Draft("taken", "slack", SLACK))
    with pytest.raises(InvalidChannel) as raised:
        directory.add(draft)

    assert field == raised.value.field


def test_a_kind_does_not_change(directory: Directory) -> None:
    """Its secrets would be another service's."""
    directory.add(Draft("team", "slack", SLACK))
    with pytest.raises(InvalidChannel, match="add another channel"):
        directory.change("team", Draft("team", "pagerduty", {"routing_key": "0" * 32}))


def test_what_is_not_there_is_told(directory: Directory) -> None:
    """By its name."""
    for act in (directory.remove, directory.test):
        with pytest.raises(UnknownChannel, match=r"There is no channel nobody\."):
            act("nobody")


def test_a_test_says_what_came_of_it(database: Engine, directory: Directory, clock: Clock) -> None:
    """It is remembered with its time: that it arrived, or why not."""
    with Webhook() as service:
        directory.add(Draft("hook", "webhook", {"url": f"{service.url}/x", "secret": SECRET}))
        assert directory.test("hook").reason is None
        assert [] == service.faults
        assert "test" == service.received[0].json()["alerts"][0]["event"]
        with database.connect() as connection:
            row = find_channel(connection, "hook")
        assert row is not None
        assert (clock.now_ms, None) == (row.tested_ms, row.test_error)

        clock.pass_s(60)
        service.failures.append(Reply(410, "gone"))
        assert "127.0.0.1 answered 410: gone" == directory.test("hook").reason
    with database.connect() as connection:
        row = find_channel(connection, "hook")

    assert row is not None
    assert (clock.now_ms, "127.0.0.1 answered 410: gone") == (row.tested_ms, row.test_error)


def test_a_test_reaches_no_internal_address(database: Engine, keyring: Keyring) -> None:
    """The button cannot be used to look around inside."""
    strict = Directory(database, keyring, Networks(), BASE_URL)
    with Service() as service:
        Directory(database, keyring, Networks.parse(["127.0.0.1"]), BASE_URL).add(
            Draft("hook", "webhook", {"url": f"{service.url}/x", "secret": SECRET})
        )
        reason = strict.test("hook").reason

    assert reason is not None
    assert "internal address 127.0.0.1" in reason
    assert [] == service.received


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("webhook", {"url": "https://127.0.0.1:9/x", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://localhost./x", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://[::ffff:169.254.169.254]/latest", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://127.1/x", "secret": SECRET}, "url"),
        ("slack", {"webhook_url": "https://10.0.0.7/services/secret"}, "webhook_url"),
        ("pagerduty", {"routing_key": "0" * 32, "api_url": "https://192.168.0.1"}, "api_url"),
        ("email", {"to": "a@b.example", "from": "c@d.example", "host": "169.254.169.254"}, "host"),
    ],
)
def test_an_internal_address_is_refused_when_it_is_saved(
    database: Engine, keyring: Keyring, kind: str, values: dict[str, str], field: str
) -> None:
    """Not first when an alert should be told; and nothing of it is said but the host."""
    directory = Directory(database, keyring, Networks(), BASE_URL)
    with pytest.raises(InvalidChannel, match="CLEW_ALERT_NETWORKS") as refused:
        directory.add(Draft("inside", kind, values))
    assert refused.value.field == field
    assert not any(text in str(refused.value) for text in ("secret", "key", "latest"))
    allowed = Directory(database, keyring, Networks.parse(["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16"]), BASE_URL)
    if "169.254" not in str(values):
        allowed.add(Draft("inside", kind, values))
        with pytest.raises(InvalidChannel, match="internal address"):
            directory.change("inside", Draft("inside", kind, values))


def test_where_channels_lead_to_is_a_host_alone(database: Engine, directory: Directory, keyring: Keyring) -> None:
    ids = {
        directory.add(
            Draft("hook", "webhook", {"url": "https://hooks.example:8443/path?key=1", "secret": SECRET})
        ): "hooks.example:8443",
        directory.add(Draft("pager", "pagerduty", {"routing_key": "0" * 32})): "events.pagerduty.com",
        directory.add(Draft("chat", "apprise", {"url": "tgram://123456789:token/1"})): "tgram://…",
    }
    directory.add(Draft("mail", "email", {"to": "a@b.example", "from": "c@d.example", "host": "mail.example"}))
    with database.connect() as connection:
        known = [row.id for row in list_channels(connection)]
    assert directory.hosts(known) == ids
    assert Directory(database, Keyring(new_key()), Networks(), BASE_URL).hosts(known) == {}


def test_keys_are_rotated(database: Engine, directory: Directory, keyring: Keyring, tmp_path: Path) -> None:
    """Every channel's secrets are encrypted anew, and the old key is gone."""
    directory.add(Draft("a", "slack", SLACK))
    directory.add(Draft("b", "slack", SLACK))
    before = (tmp_path / "clew.key").read_text()
    assert 2 == directory.rotate_keys()

    assert before != (tmp_path / "clew.key").read_text()
    assert "xoxb-1-secret-token" == values_of(database, keyring, "b")["token"]
    old = Keyring(before.strip())
    with pytest.raises(Exception, match="cannot be read"):
        values_of(database, old, "a")
