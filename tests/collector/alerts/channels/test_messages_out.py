"""Teams, webhooks, e-mail and Apprise: what is sent, and what their answers mean."""

from __future__ import annotations

import json
import re
import time
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from collector.alerts.channels import mail, teams, webhook
from collector.alerts.channels.kinds import KINDS
from collector.alerts.channels.sending import Envelope, InvalidChannel, check_values, deliver
from collector.alerts.model import NoticeKind
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Blocked, Refused, TryAgain
from tests.collector.alerts.channels.envelopes import envelope, envelopes
from tests.collector.alerts.notices import AT_MS, notice
from tests.collector.alerts.services.server import Reply, Service, violations
from tests.collector.alerts.services.smtp import PASSWORD, USER, MailServer
from tests.collector.alerts.services.teams import MAX_BYTES, MESSAGE, PATH, SCHEMA, SECRET, Teams, Webhook
from tests.collector.alerts.services.tls import Authority


def test_teams_gets_a_card(trusted: Authority, networks: Networks) -> None:
    """The facts as plain runs, the links as buttons."""
    with Teams(trusted.server_context()) as service:
        deliver("teams", {"webhook_url": service.url + PATH}, envelope(), networks)
        card = service.received[0].json()["attachments"][0]["content"]
    shown = json.dumps(card["body"])

    assert [] == service.faults
    assert "checkout fails" == card["body"][0]["inlines"][0]["text"]
    assert "CardDeclined: card 4242 was declined" in shown
    assert ["Issue", "Sample transaction", "Alert", "Rule"] == [action["title"] for action in card["actions"]]
    assert card["fallbackText"].startswith("[ERROR] checkout fails")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": {"code": "TriggerInputSchemaMismatch"}}), Refused),
        (Reply(401, {"error": {"code": "SignatureInvalid"}}), Refused),
        (Reply(429, {"error": "TooManyRequests"}, {"Retry-After": "3"}), TryAgain),
        (Reply(502, ""), TryAgain),
        (
            Reply(200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"),
            TryAgain,
        ),
    ],
)
def test_what_teams_answers(trusted: Authority, networks: Networks, reply: Reply, error: type[Exception]) -> None:
    """The signature in the address is not in the reason."""
    with Teams(trusted.server_context()) as service:
        service.failures.append(reply)
        with pytest.raises(error) as raised:
            deliver("teams", {"webhook_url": service.url + PATH}, envelope(), networks)

    assert error is type(raised.value)
    assert "abcdefghijkl" not in str(raised.value)


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_any_text_fits_a_card(sent: Envelope) -> None:
    """The whole message is within 28 KB and holds nothing but plain runs."""
    content = teams.payload(sent)

    assert [] == violations(MESSAGE, json.loads(content))
    assert len(content) <= MAX_BYTES


def test_a_hundred_alerts_fit_a_card() -> None:
    """As many are named as there is room for."""
    content = teams.payload(envelope(*(notice(alert) for alert in range(1, 101))))
    text = content.decode()

    assert len(content) <= MAX_BYTES
    assert text.count('"checkout fails"') + int(text.partition("and ")[2].partition(" more")[0] or 0) >= 100


def test_a_webhook_is_signed_and_as_documented(networks: Networks) -> None:
    """Schema, signature and the time in it; the same message has the same id again."""
    with Webhook() as service:
        values = {"url": f"{service.url}/alerts", "secret": SECRET}
        for _ in range(2):
            deliver("webhook", values, envelope(), networks)
        first, second = service.received
    body = first.json()

    assert [] == service.faults
    assert body["id"] == first.headers["clew-delivery"] == second.headers["clew-delivery"]
    assert first.headers["clew-signature"].startswith(f"t={AT_MS // 1000},v1=")
    alert = body["alerts"][0]
    assert ("opened", 12.0, "DynamoDB.PutItem", 0.0012) == (
        alert["event"], alert["value"], alert["cause"], alert["cost_usd"],
    )  # fmt: skip
    assert "https://clew.example.com/issues/0000000000000abc" == alert["links"]["issue"]


def test_the_signature_is_the_one_of_the_documentation() -> None:
    """A known value: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef"""
    expected = "9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"

    assert expected == webhook.signature("0123456789abcdef", 1_700_000_000, b'{"a":1}')


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_any_text_is_a_valid_webhook(sent: Envelope) -> None:
    """Numbers that JSON has not are null, halves of characters are replaced."""
    content = json.dumps(webhook.payload(sent), ensure_ascii=False, allow_nan=False).encode("utf-8")

    assert [] == violations(SCHEMA, json.loads(content))


@pytest.fixture
def mail_values() -> dict[str, str]:
    return {"to": "on-call@example.com, lead@example.com", "from": "clew@example.com", "host": "127.0.0.1"}


def test_mail_by_starttls_with_a_login(trusted: Authority, networks: Networks, mail_values: dict[str, str]) -> None:
    """Encrypted, logged in, in plain text and HTML, with the headers that keep it in order."""
    with MailServer(trusted.server_context(), login=True) as server:
        values = mail_values | {
            "port": str(server.port), "security": "starttls", "username": USER, "password": PASSWORD,
        }  # fmt: skip
        deliver("email", check_values("email", values), envelope(), networks)
    (sent,) = server.mails
    plain, page = sent.message.get_body(("plain",)), sent.message.get_body(("html",))

    assert (True, ["on-call@example.com", "lead@example.com"]) == (sent.encrypted, sent.to)
    assert "[ERROR] checkout fails" == sent.message["Subject"]
    assert ("<00000000000000aa@example.com>", "auto-generated") == (
        sent.message["Message-ID"], sent.message["Auto-Submitted"],
    )  # fmt: skip
    assert isinstance(plain, EmailMessage)
    assert isinstance(page, EmailMessage)
    assert "CardDeclined: card 4242 was declined" in plain.get_content()
    assert 'href="https://clew.example.com/issues/0000000000000abc"' in page.get_content()


@pytest.mark.parametrize(
    ("failure", "error"), [("451 4.3.0 try again later", TryAgain), ("554 5.7.1 refused as spam", Refused)]
)
def test_what_a_mail_server_answers(
    networks: Networks, mail_values: dict[str, str], failure: str, error: type[Exception]
) -> None:
    """4xx is for now, 5xx is for good: SMTP's own meaning."""
    with MailServer() as server:
        server.failures.append(failure)
        values = mail_values | {"port": str(server.port), "security": "none"}
        with pytest.raises(error, match=failure[4:]):
            deliver("email", values, envelope(), networks)


def test_a_wrong_password_is_a_dead_end_that_does_not_show_it(
    trusted: Authority, networks: Networks, mail_values: dict[str, str]
) -> None:
    """Trying again would lock the account."""
    with MailServer(trusted.server_context(), login=True) as server:
        values = mail_values | {
            "port": str(server.port), "security": "starttls", "username": USER, "password": "wrong-password",
        }  # fmt: skip
        with pytest.raises(Refused, match="535") as raised:
            deliver("email", values, envelope(), networks)

    assert "wrong-password" not in str(raised.value)


def test_a_recipient_that_is_not_there_is_told(networks: Networks, mail_values: dict[str, str]) -> None:
    """The others got it; of a message that nobody got the reason is the server's."""
    with MailServer() as server:
        values = mail_values | {"port": str(server.port), "security": "none"}
        server.refused = {"lead@example.com"}
        assert "Not taken for lead@example.com." == deliver("email", values, envelope(), networks).remark
        server.refused = {"lead@example.com", "on-call@example.com"}
        with pytest.raises(Refused, match=r"550: 5\.1\.1 no such user"):
            deliver("email", values, envelope(), networks)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_any_text_is_a_harmless_mail(sent: Envelope) -> None:
    """No header but ours, no element but ours, and lines that servers take."""
    message = mail.email(sent, "clew@example.com", ["a@example.com"])
    found = _Tags()
    found.feed(mail.page(sent))
    ours = {
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
        "References",
        "Auto-Submitted",
        "X-Clew-Alert",
        "MIME-Version",
        "Content-Type",
    }

    assert found.tags <= {
        "html",
        "head",
        "meta",
        "body",
        "div",
        "h1",
        "table",
        "tr",
        "td",
        "pre",
        "code",
        "p",
        "a",
        "b",
        "br",
    }
    assert found.attributes <= {"charset", "style", "href"}
    assert set(message.keys()) <= ours
    assert max(len(line) for line in message.as_bytes().splitlines()) < 998


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"to": "a@b.example\r\nBcc: c@d.example"}, "to"),
        ({"from": "x y@z.example"}, "from"),
        ({"port": "0"}, "port"),
        ({"security": "ssl3"}, "security"),
        ({"password": "x"}, "username"),
        ({"password": "x", "username": "y", "security": "none"}, "security"),
    ],
)
def test_a_mail_channel_that_cannot_be(mail_values: dict[str, str], changed: dict[str, str], field: str) -> None:
    """Addresses, port and security are checked; a password never leaves without encryption."""
    with pytest.raises(InvalidChannel) as raised:
        check_values("email", mail_values | changed)

    assert field == raised.value.field


def test_apprise_sends_to_what_it_knows(networks: Networks) -> None:
    """Through Apprise's own code, in a process of its own."""
    with Service() as service:
        deliver("apprise", {"url": f"json://127.0.0.1:{service.port}/hook"}, envelope(), networks)
    (received,) = service.received

    assert "checkout fails" == received.json()["title"]
    assert "CardDeclined: card 4242 was declined" in received.json()["message"]


def test_apprise_cannot_reach_internal_addresses() -> None:
    """Every connection of its process is checked, whichever service makes it."""
    with Service() as service, pytest.raises(Blocked, match=r"internal address 127\.0\.0\.1"):
        deliver("apprise", {"url": f"json://127.0.0.1:{service.port}/"}, envelope(), Networks())

    assert [] == service.received


def test_apprise_follows_no_redirect_inside(networks: Networks) -> None:
    """A service that leads to an internal address leads nowhere."""
    with Service() as service:
        service.failures.append(Reply(302, "", {"Location": "http://169.254.169.254/latest/meta-data/"}))
        with pytest.raises((Blocked, Refused, TryAgain)):
            deliver("apprise", {"url": f"json://127.0.0.1:{service.port}/?redirect=yes"}, envelope(), networks)


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (429, TryAgain), (500, TryAgain)])
def test_what_services_answer_to_apprise(networks: Networks, status: int, error: type[Exception]) -> None:
    """The status is found in what Apprise logs; nothing of the address is in the reason."""
    with Service() as service:
        service.failures.append(Reply(status, "no"))
        with pytest.raises(error) as raised:
            deliver("apprise", {"url": f"json://user:pass-word-1@127.0.0.1:{service.port}/"}, envelope(), networks)

    assert error is type(raised.value)
    assert "pass-word-1" not in str(raised.value)


def test_apprise_runs_no_program(networks: Networks) -> None:
    """Channels of this machine's desktop or system log are none."""
    with pytest.raises(Blocked, match="run something on this machine"):
        deliver("apprise", {"url": "syslog://"}, envelope(), networks)


def test_an_address_that_apprise_does_not_know_is_refused_at_once() -> None:
    """When the channel is made, not when an alert fires."""
    with pytest.raises(InvalidChannel, match="does not know"):
        check_values("apprise", {"url": "nonsense://x"})
    assert {"url": "json://example.com/x"} == check_values("apprise", {"url": "json://example.com/x"})


def test_a_resolve_says_so_everywhere(networks: Networks) -> None:
    """The same word in every channel."""
    with Service() as service:
        sent = envelope(notice(kind=NoticeKind.RESOLVED))
        deliver("apprise", {"url": f"json://127.0.0.1:{service.port}/"}, sent, networks)

    assert ("Resolved: checkout fails", "success") == (
        service.received[0].json()["title"], service.received[0].json()["type"],
    )  # fmt: skip


def test_the_documented_example_is_valid_and_so_is_its_receiver() -> None:
    """docs/channels.md shows a document of the schema, and code that tells genuine requests from others."""
    page = (Path(__file__).parents[4] / "docs" / "channels.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    now = int(time.time())
    genuine = names["genuine"]

    assert [] == violations(SCHEMA, json.loads(example))
    assert genuine(f"t={now},v1={webhook.signature(SECRET, now, b'{}')}", b"{}", SECRET)
    assert not genuine(f"t={now},v1={webhook.signature(SECRET, now, b'{}')}", b"{} ", SECRET)
    assert not genuine(f"t={now - 900},v1={webhook.signature(SECRET, now - 900, b'{}')}", b"{}", SECRET)


def test_the_page_names_every_field_that_a_channel_needs() -> None:
    """docs/channels.md has a command for each kind, with its secret fields."""
    page = (Path(__file__).parents[4] / "docs" / "channels.md").read_text()
    for kind in KINDS.values():
        assert f"clew channels add {kind.name} " in page
        for field in kind.fields:
            if field.required:
                assert f"--secret {field.name}" in page or f"--set {field.name}=" in page, (kind.name, field.name)
