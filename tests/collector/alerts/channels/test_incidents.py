"""PagerDuty, Opsgenie and Jira Service Management: what opens, is acknowledged and ends with an alert."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from collector.alerts.channels import opsgenie, pagerduty
from collector.alerts.channels.sending import Envelope, InvalidChannel, check_values, deliver
from collector.alerts.model import NoticeKind, Severity
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Refused, TryAgain
from tests.collector.alerts.channels.envelopes import envelope, envelopes
from tests.collector.alerts.notices import notice
from tests.collector.alerts.services.incidents import (
    ALERT,
    EVENT,
    GENIE_KEY,
    MAX_EVENT,
    ROUTING_KEY,
    Opsgenie,
    PagerDuty,
)
from tests.collector.alerts.services.server import Reply, violations
from tests.collector.alerts.services.tls import Authority

KEY = "clew-0000000000000001"


@pytest.fixture
def pager_values(pager: PagerDuty) -> dict[str, str]:
    return {"routing_key": ROUTING_KEY, "api_url": pager.url}


@pytest.fixture(params=[("opsgenie", ""), ("jsm", "/jsm/ops/integration")], ids=["opsgenie", "jsm"])
def genie(request: pytest.FixtureRequest, trusted: Authority) -> Iterator[tuple[str, Opsgenie, dict[str, str]]]:
    """The kind, its service, and a channel's values."""
    kind, prefix = request.param
    with Opsgenie(trusted.server_context(), prefix) as service:
        yield kind, service, {"key": GENIE_KEY, "api_url": service.url + prefix, "tags": "clew, prod"}
    assert [] == service.faults


def test_an_incident_lives_as_its_alert(pager: PagerDuty, pager_values: dict[str, str], networks: Networks) -> None:
    """Trigger, again, acknowledge and resolve, all by one key; it opens once."""
    for kind in (NoticeKind.OPENED, NoticeKind.REPEATED, NoticeKind.ACKNOWLEDGED):
        assert KEY == deliver("pagerduty", pager_values, envelope(notice(kind=kind)), networks).reference
    assert {KEY: "acknowledged"} == pager.open
    deliver("pagerduty", pager_values, envelope(notice(kind=NoticeKind.RESOLVED)), networks)

    assert ({}, {KEY: 1}) == (pager.open, pager.opened)
    assert ["trigger", "trigger", "acknowledge", "resolve"] == [r.json()["event_action"] for r in pager.received]


def test_an_incident_says_what_broke(pager: PagerDuty, pager_values: dict[str, str], networks: Networks) -> None:
    """Summary, severity, where, the details and the links."""
    deliver("pagerduty", pager_values, envelope(notice(severity=Severity.CRITICAL)), networks)
    event = pager.received[0].json()
    payload = event["payload"]

    assert ("checkout fails", "checkout", "critical") == (payload["summary"], payload["source"], payload["severity"])
    assert "CardDeclined: card 4242 was declined" == payload["custom_details"]["Error"]
    assert "DynamoDB.PutItem" == payload["custom_details"]["Cause"]
    assert ["Issue", "Sample transaction", "Alert", "Rule"] == [link["text"] for link in event["links"]]
    assert "https://clew.example.com/issues/0000000000000abc" == event["client_url"]


def test_a_test_leaves_nobody_paged(pager: PagerDuty, pager_values: dict[str, str], networks: Networks) -> None:
    """A test incident is resolved at once."""
    deliver("pagerduty", pager_values, envelope(notice(0, NoticeKind.TEST)), networks)

    assert ({}, {"clew-test-00000000000000aa": 1}) == (pager.open, pager.opened)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (
            Reply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["x"]}),
            (Refused, None),
        ),
        (Reply(429, {"status": "throttle exceeded"}), (TryAgain, None)),
        (Reply(429, {"status": "throttle exceeded"}, {"Retry-After": "12"}), (TryAgain, 12.0)),
        (Reply(500, "oops"), (TryAgain, None)),
        (Reply(503, ""), (TryAgain, None)),
        (Reply(cut=True), (TryAgain, None)),
        (Reply(202, "<html>"), (TryAgain, None)),
    ],
)
def test_what_pagerduty_answers(
    pager: PagerDuty,
    pager_values: dict[str, str],
    networks: Networks,
    reply: Reply,
    outcome: tuple[type[Exception], float | None],
) -> None:
    """One request for each attempt, however its own client would like to retry."""
    pager.failures.append(reply)
    error, after_s = outcome
    with pytest.raises(error) as raised:
        deliver("pagerduty", pager_values, envelope(), networks)

    assert 1 == len(pager.received)
    assert error is type(raised.value)
    assert ROUTING_KEY not in str(raised.value)
    assert after_s == getattr(raised.value, "after_s", None)


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_any_text_fits_an_event(sent: Envelope) -> None:
    """PagerDuty's schema and limits hold for whatever functions say."""
    for message in sent.messages:
        event = {
            "routing_key": ROUTING_KEY,
            "event_action": "trigger",
            "dedup_key": message.key,
            **pagerduty.event(message, sent.base_url),
        }
        text = json.dumps(event)
        assert [] == violations(EVENT, json.loads(text))
        assert len(text) < MAX_EVENT


@pytest.mark.parametrize("key", ["short", "x" * 33, "0123456789abcdef0123456789abcde-"])
def test_a_routing_key_has_32_letters_and_digits(key: str) -> None:
    """A key that cannot be one is refused when the channel is made."""
    with pytest.raises(InvalidChannel, match="32 letters") as raised:
        check_values("pagerduty", {"routing_key": key})

    assert "routing_key" == raised.value.field


def test_an_alert_lives_by_its_alias(genie: tuple[str, Opsgenie, dict[str, str]], networks: Networks) -> None:
    """Create, acknowledge and close; what was accepted is asked for until it is done."""
    kind, service, values = genie
    service.slow = 2
    assert KEY == deliver(kind, values, envelope(), networks).reference
    assert {KEY: "open"} == service.open
    deliver(kind, values, envelope(notice(kind=NoticeKind.ACKNOWLEDGED, by="Mia")), networks)
    assert {KEY: "acknowledged"} == service.open
    deliver(kind, values, envelope(notice(kind=NoticeKind.RESOLVED)), networks)
    assert {} == service.open
    created = service.received[0].json()

    assert ("checkout fails", "P2", ["clew", "prod"]) == (created["message"], created["priority"], created["tags"])
    assert "https://clew.example.com/issues/0000000000000abc" == created["details"]["Issue"]
    assert "CardDeclined: card 4242 was declined" in created["description"]


def test_what_was_accepted_and_then_refused_is_a_dead_end(
    genie: tuple[str, Opsgenie, dict[str, str]], networks: Networks
) -> None:
    """202 is not success: the outcome of the request counts."""
    kind, service, values = genie
    service.refuses = "Alert payload is not valid"
    with pytest.raises(Refused, match="Alert payload is not valid"):
        deliver(kind, values, envelope(), networks)


def test_closing_what_is_not_there_is_no_failure(
    genie: tuple[str, Opsgenie, dict[str, str]], networks: Networks
) -> None:
    """Somebody closed it there already."""
    kind, service, values = genie
    service.refuses = "Alert does not exist"

    assert KEY == deliver(kind, values, envelope(notice(kind=NoticeKind.RESOLVED)), networks).reference


def test_an_outcome_that_takes_long_is_told_as_unknown(
    genie: tuple[str, Opsgenie, dict[str, str]], networks: Networks
) -> None:
    """It counts as arrived, with a remark."""
    kind, service, values = genie
    service.slow = 100
    remark = deliver(kind, values, envelope(), networks).remark

    assert remark is not None
    assert remark.startswith("Accepted as request-1;")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(403, {"message": "Key format is not valid!"}), Refused),
        (Reply(422, {"message": "no", "errors": {"message": "too long"}}), Refused),
        (Reply(429, {"message": "You are making too many requests!"}, {"Retry-After": "5"}), TryAgain),
        (Reply(503, {"message": "unavailable"}), TryAgain),
    ],
)
def test_what_opsgenie_answers(
    genie: tuple[str, Opsgenie, dict[str, str]], networks: Networks, reply: Reply, error: type[Exception]
) -> None:
    """4xx is final but for 429; the service's message is the reason."""
    kind, service, values = genie
    service.failures.append(reply)
    assert isinstance(reply.body, dict)
    with pytest.raises(error, match=str(reply.body["message"])) as raised:
        deliver(kind, values, envelope(), networks)

    assert error is type(raised.value)


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_any_text_fits_an_alert(sent: Envelope) -> None:
    """Opsgenie's schema and limits hold for whatever functions say."""
    for message in sent.messages:
        alert = json.loads(json.dumps(opsgenie.alert(message, sent.base_url, message.key, "a," * 30 + "b" * 90)))
        assert [] == violations(ALERT, alert)
        assert sum(len(key) + len(value) for key, value in alert["details"].items()) <= 8_000
