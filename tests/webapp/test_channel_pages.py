"""The pages of channels and deliveries: what they show, what they change, and that no secret comes out."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, update

from collector.alerts import outbox
from collector.alerts.directory import Directory, Draft, open_values
from collector.alerts.keyring import Keyring
from collector.alerts.model import (
    NoticeKind,
)
from collector.alerts.networks import Networks
from collector.store.channel_tables import channels, deliveries
from tests.collector.alerts.notices import notice
from tests.collector.alerts.world import World
from tests.webapp.alerting import MARK, SECRET, channel_id
from tests.webapp.forms import send_form
from webapp import create_app
from webapp.identifiers import format_id

MAIL = {"name": "x", "value-to": "a@example.com", "value-from": "b@example.com", "value-host": "mail.example.com"}


@pytest.fixture
def client(engine: Engine, world: World, directory: Directory) -> FlaskClient:
    return create_app(engine, now=lambda: world.clock() // 1_000_000, directory=directory).test_client()


def test_a_channel_shows_no_secret(client: FlaskClient, engine: Engine, keyring: Keyring) -> None:
    """Neither when it is made, nor when it is refused, changed or looked at; left empty it stays as it was."""
    sent = {
        "kind": "pagerduty",
        "name": "On call",
        "value-routing_key": "0123456789abcdef0123456789abcdef",
        "least": "info",
    }
    pages = [send_form(client, "/alerts/new-channel", **(sent | {"name": ""}))]
    assert pages[0].status_code == 400
    assert send_form(client, "/alerts/new-channel", **sent, enabled="1", is_default="1").status_code == 303
    id = channel_id(engine, "On call")
    changed = sent | {"name": "Nights", "value-routing_key": "", "least": "critical"}
    assert send_form(client, f"/alerts/channels/{id}", **changed).status_code == 303
    pages += [client.get(path) for path in ("/alerts/channels", f"/alerts/channels/{id}", "/alerts/deliveries")]
    assert all(sent["value-routing_key"] not in page.text for page in pages)
    with engine.connect() as connection:
        row = connection.execute(select(channels)).one()
    assert (row.name, row.least_severity, row.enabled, row.is_default) == ("Nights", "critical", False, False)
    assert open_values(keyring, row.id, row.settings, row.secrets)["routing_key"] == sent["value-routing_key"]
    assert "critical" in pages[1].text
    assert send_form(client, f"/alerts/channels/{id}/remove").status_code == 303
    assert "There is no channel yet" in client.get("/alerts/channels").text
    for path in (f"/alerts/channels/{id}", f"/alerts/channels/{id}/test", f"/alerts/channels/{id}/remove"):
        assert send_form(client, path, **changed).status_code == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"kind": "webhook", "name": "x", "value-url": "ftp://example.com", "value-secret": SECRET},
            "must be an address",
        ),
        ({"kind": "webhook", "name": "x", "value-url": "https://example.com"}, "Signing secret is needed"),
        ({"kind": "email", **MAIL, "value-security": "rot13"}, "is one of starttls"),
        ({"kind": "webhook", "name": "x", "least": "dire"}, "The least severity is"),
        ({"kind": "pigeon", "name": "x"}, "no such kind"),
    ],
)
def test_a_channel_that_cannot_be(client: FlaskClient, fields: dict[str, str], said: str) -> None:
    """It says why, in words that hold no secret."""
    answer = send_form(client, "/alerts/new-channel", **({"least": "info"} | fields))
    assert answer.status_code == 400
    assert said in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "kind", ["slack", "pagerduty", "opsgenie", "jsm", "jira", "teams", "email", "webhook", "apprise"]
)
def test_every_kind_has_a_form(client: FlaskClient, kind: str) -> None:
    page = client.get(f"/alerts/new-channel?kind={kind}")
    assert page.status_code == 200
    assert "Add the channel" in page.text
    assert f"kind={kind}" in client.get("/alerts/new-channel").text


def test_the_list_says_where_channels_lead_to(client: FlaskClient, directory: Directory) -> None:
    """The host, and not the path, which is the secret."""
    url = "https://hooks.slack.com/services/T1/B2/secret-path"
    directory.add(Draft("On call", "slack", {"webhook_url": url}))
    directory.add(Draft("Pager", "pagerduty", {"routing_key": "0123456789abcdef0123456789abcdef"}))
    page = client.get("/alerts/channels").text
    assert "hooks.slack.com" in page
    assert "events.pagerduty.com" in page
    assert "secret-path" not in page
    assert "0123456789abcdef" not in page


def test_a_test_that_may_not_leave(client: FlaskClient, engine: Engine, keyring: Keyring) -> None:
    """An internal address is not asked, and the page says which setting would allow it."""
    sent = {"kind": "webhook", "name": "Inside", "value-url": "http://127.0.0.1:9/hook", "value-secret": SECRET}
    refused = send_form(client, "/alerts/new-channel", **sent, least="info")
    assert refused.status_code == 400
    assert "CLEW_ALERT_NETWORKS" in refused.text
    allowing = Directory(engine, keyring, Networks.parse(["127.0.0.1"]), "http://127.0.0.1")
    allowing.add(Draft("Inside", "webhook", {"url": "http://127.0.0.1:9/hook", "secret": SECRET}))
    page = send_form(client, f"/alerts/channels/{channel_id(engine, 'Inside')}/test")
    assert page.status_code == 200
    assert "CLEW_ALERT_NETWORKS" in page.text
    assert "/hook" not in page.text
    again = client.get(f"/alerts/channels/{channel_id(engine, 'Inside')}/test", follow_redirects=True)
    assert again.request.path == f"/alerts/channels/{channel_id(engine, 'Inside')}"
    assert "The last test did not arrive" in again.text
    assert ">failed</span>" in client.get("/alerts/channels").text


def test_deliveries_that_were_given_up(client: FlaskClient, engine: Engine, directory: Directory, world: World) -> None:
    """They are told on the first page, with their reason, and wait again when somebody says so."""
    directory.add(Draft("On call", "webhook", {"url": "https://example.com", "secret": SECRET}, is_default=True))
    now_ms = world.clock() // 1_000_000
    with engine.begin() as connection:
        outbox.add(connection, [notice(at_ms=now_ms), notice(2, NoticeKind.OPENED, at_ms=now_ms)], now_ms=now_ms)
        connection.execute(update(deliveries).values(state="dead", ended_ms=now_ms, reason=f"They said {MARK}"))
    assert "2 messages were given up" in client.get("/alerts").text
    page = client.get("/alerts/deliveries?state=dead").text
    assert "They said &#34;&gt;&lt;img" in page
    assert ">its alert</a>" in page
    assert ">Sent</th>" in page
    assert "given up <time" in page
    with engine.connect() as connection:
        first, second = connection.scalars(select(deliveries.c.id).order_by(deliveries.c.id))
    assert send_form(client, "/alerts/deliveries", delivery=format_id(first), back="//example.com").status_code == 303
    with engine.connect() as connection:
        states = {row.id: row.state for row in connection.execute(select(deliveries))}
    assert states == {first: "waiting", second: "dead"}
    for query in (
        "state=waiting",
        "state=nonsense",
        "before=1",
        "before=x",
        f"channel={channel_id(engine, 'On call')}",
    ):
        assert client.get(f"/alerts/deliveries?{query}").status_code == 200


def test_without_a_directory_nothing_of_channels_changes(engine: Engine, world: World) -> None:
    """Channels are shown and cannot be changed."""
    client = create_app(engine, now=lambda: world.clock() // 1_000_000).test_client()
    assert client.get("/alerts/channels").status_code == 200
    sent = {"kind": "webhook", "name": "x", "value-url": "https://example.com", "value-secret": SECRET, "least": "info"}
    assert send_form(client, "/alerts/new-channel", **sent).status_code == 403
