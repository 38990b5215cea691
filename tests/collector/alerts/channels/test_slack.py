"""Slack: what is sent, within its limits, and what its answers mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from collector.alerts.channels import slack as module
from collector.alerts.channels.sending import Envelope, InvalidChannel, check_values, deliver
from collector.alerts.model import NoticeKind
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Refused, TryAgain
from tests.collector.alerts.channels.envelopes import envelope, envelopes
from tests.collector.alerts.notices import notice
from tests.collector.alerts.services.server import Reply
from tests.collector.alerts.services.slack import TOKEN, WEBHOOK, Slack, faults


@pytest.fixture
def webhook(slack: Slack) -> dict[str, str]:
    return {"webhook_url": slack.url + WEBHOOK}


@pytest.fixture
def bot(slack: Slack) -> dict[str, str]:
    return {"token": TOKEN, "channel": "C1", "api_url": f"{slack.url}/api/"}


def test_the_message_answers_all_questions(slack: Slack, webhook: dict[str, str], networks: Networks) -> None:
    """What, since when, how many, whom, the error, its cause, the cost, and where to read on."""
    deliver("slack", webhook, envelope(), networks)
    (received,) = slack.received
    payload = received.json()
    shown = json.dumps(payload["blocks"], ensure_ascii=False)

    assert "🔴 checkout fails" == payload["blocks"][0]["text"]["text"]
    for answer in (
        "12 failed invocations in 5 min; the rule fires above 5",
        "<!date^1763737200^",
        "12 so far",
        "12 of 340 invocations in 5 min: checkout, refund",
        "CardDeclined: card 4242 was declined",
        "`DynamoDB.PutItem`",
        "$0.0012",
        "Look at the card service first.",
        "<https://clew.example.com/issues/0000000000000abc|Issue>",
        f"<https://clew.example.com/transactions/{'02' * 16}|Sample transaction>",
        "<https://clew.example.com/alerts/rules/errors|Rule>",
    ):
        assert answer in shown
    assert payload["text"].startswith("[ERROR] checkout fails\nWhat: 12 failed")


def test_many_at_once_are_one_message_that_names_them(
    slack: Slack, webhook: dict[str, str], networks: Networks
) -> None:
    """A bundle has a line for each alert, and says how many there are."""
    deliver("slack", webhook, envelope(*(notice(alert) for alert in range(1, 31))), networks)
    payload = slack.received[0].json()

    assert "🔴 30 alerts at once" == payload["blocks"][0]["text"]["text"]
    assert 30 == json.dumps(payload["blocks"]).count("|checkout fails>")


def test_a_bundle_beyond_the_limit_says_how_many_are_left(
    slack: Slack, webhook: dict[str, str], networks: Networks
) -> None:
    """Of 500 alerts with long errors some are only counted."""
    issue = notice().issue
    assert issue is not None
    long = [notice(alert, issue=type(issue)(alert, "E" * 900, "m", None, 0)) for alert in range(1, 501)]
    deliver("slack", webhook, envelope(*long), networks)
    texts = [block["text"]["text"] for block in slack.received[0].json()["blocks"][1:]]
    named = sum(text.count("|checkout fails>") for text in texts)

    assert f"and {500 - named} more: " in texts[-1]
    assert named > 100


def test_a_bot_writes_what_follows_into_the_thread(slack: Slack, bot: dict[str, str], networks: Networks) -> None:
    """The resolve is a reply that the channel sees too."""
    receipt = deliver("slack", bot, envelope(), networks)
    assert receipt.reference == "1700000000.000001"
    resolved = envelope(notice(kind=NoticeKind.RESOLVED), reference=receipt.reference)
    deliver("slack", bot, resolved, networks)
    payload = slack.received[1].json()

    assert ("C1", receipt.reference, True) == (payload["channel"], payload["thread_ts"], payload["reply_broadcast"])
    assert "✅ Resolved: checkout fails" == payload["blocks"][0]["text"]["text"]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(404, "no_service"), (Refused, "127.0.0.1 answered 404: no_service")),
        (Reply(400, "invalid_payload"), (Refused, "invalid_payload")),
        (Reply(410, "channel_is_archived"), (Refused, "channel_is_archived")),
        (Reply(500, "rollup_error"), (TryAgain, "rollup_error")),
        (Reply(302, "", {"Location": "https://example.com/"}), (Refused, "a redirect")),
    ],
)
def test_what_a_webhook_answers(
    slack: Slack, webhook: dict[str, str], networks: Networks, reply: Reply, outcome: tuple[type[Exception], str]
) -> None:
    """Slack's plain text is the reason; its own faults are tried again."""
    slack.failures.append(reply)
    error, reason = outcome
    with pytest.raises(error, match=reason) as raised:
        deliver("slack", webhook, envelope(), networks)

    assert error is type(raised.value)
    assert "abcdefghijkl" not in str(raised.value)


def test_slack_asks_for_a_pause(slack: Slack, webhook: dict[str, str], networks: Networks) -> None:
    """429 with Retry-After holds the whole channel back for as long as it says."""
    slack.failures.append(Reply(429, "rate_limited", {"Retry-After": "30"}))
    with pytest.raises(TryAgain) as raised:
        deliver("slack", webhook, envelope(), networks)

    assert (30.0, True) == (raised.value.after_s, raised.value.whole_channel)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"ok": False, "error": "not_in_channel"}, Refused),
        ({"ok": False, "error": "internal_error"}, TryAgain),
        ({"ok": False, "error": "ratelimited"}, TryAgain),
        ("<html>proxy</html>", TryAgain),
    ],
)
def test_what_the_api_answers(
    slack: Slack, bot: dict[str, str], networks: Networks, body: str | dict[str, object], error: type[Exception]
) -> None:
    """With a token the status is 200 even for errors, which its body names."""
    slack.failures.append(Reply(200, body))
    with pytest.raises(error) as raised:
        deliver("slack", bot, envelope(), networks)

    assert error is type(raised.value)


def test_a_wrong_token_is_refused_without_showing_it(slack: Slack, bot: dict[str, str], networks: Networks) -> None:
    """The reason is Slack's word for it."""
    with pytest.raises(Refused, match=r"^Slack answered: invalid_auth$"):
        deliver("slack", bot | {"token": "xoxb-wrong"}, envelope(), networks)


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_whatever_a_function_says_stays_text_within_the_limits(sent: Envelope) -> None:
    """Hostile text makes no mention, link or broken request, and passes every limit."""
    payload = {"text": "x", "blocks": [block.to_dict() for block in module.blocks(sent)]}

    assert [] == faults(json.loads(json.dumps(payload)))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "webhook_url"),
        ({"webhook_url": "https://hooks.slack.com/services/x", "token": "xoxb"}, "webhook_url"),
        ({"token": "xoxb-1"}, "channel"),
        ({"webhook_url": "ftp://hooks.slack.com/"}, "webhook_url"),
        ({"webhook_url": "https://user:pass@hooks.slack.com/"}, "webhook_url"),
        ({"webhook_url": "https://hooks.slack.com/\r\nHost: x"}, "webhook_url"),
        ({"webhook_url": "https://hooks.slack.com/", "color": "red"}, "color"),
    ],
)
def test_a_channel_that_cannot_be(values: dict[str, str], field: str) -> None:
    """What is missing or wrong is named by its field."""
    with pytest.raises(InvalidChannel) as raised:
        check_values("slack", values)

    assert field == raised.value.field
