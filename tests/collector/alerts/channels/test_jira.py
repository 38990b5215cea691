"""Jira: one ticket for a subject while it is open, and links both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from collector.alerts.channels import adf
from collector.alerts.channels.jira import label_of
from collector.alerts.channels.sending import Envelope, InvalidChannel, check_values, deliver
from collector.alerts.message import Message
from collector.alerts.model import NoticeKind
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Refused, Ticket
from tests.collector.alerts.channels.envelopes import envelope, envelopes
from tests.collector.alerts.notices import notice
from tests.collector.alerts.services.atlassian import DOCUMENT, EMAIL, MAX_TEXT, TOKEN, Jira
from tests.collector.alerts.services.server import Reply, violations
from tests.collector.alerts.services.tls import Authority


@pytest.fixture(params=[True, False], ids=["cloud", "data center"])
def jira(request: pytest.FixtureRequest, trusted: Authority) -> Iterator[Jira]:
    with Jira(trusted.server_context(), cloud=request.param) as service:
        yield service
    assert [] == service.faults


@pytest.fixture
def values(jira: Jira) -> dict[str, str]:
    given = {"site": jira.url, "token": TOKEN, "project": "OPS", "issue_type": "Bug", "labels": "clew,prod"}
    return given | ({"email": EMAIL} if jira.cloud else {})


def test_a_ticket_is_made_with_a_link_each_way(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """The ticket leads to the issue, and the receipt to the ticket."""
    receipt = deliver("jira", values, envelope(), networks)
    ticket = jira.issues["OPS-1"]

    assert Ticket("OPS-1", f"{jira.url}/browse/OPS-1") == receipt.ticket
    assert "checkout fails" == ticket.fields["summary"]
    assert ["clew", "prod", label_of(Message.of(notice()))] == ticket.fields["labels"]
    assert ["https://clew.example.com/issues/0000000000000abc"] == list(ticket.links.values())
    assert "CardDeclined: card 4242 was declined" in json.dumps(ticket.fields["description"])


def test_there_is_no_second_ticket_while_one_is_open(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """The next alert on the same issue, and the resolve, become comments."""
    ticket = deliver("jira", values, envelope(), networks).ticket
    again = envelope(notice(2), ticket=ticket)
    assert ticket == deliver("jira", values, again, networks).ticket
    resolved = envelope(notice(2, NoticeKind.RESOLVED), ticket=ticket)
    deliver("jira", values, resolved, networks)

    assert ["OPS-1"] == list(jira.issues)
    assert 2 == len(jira.issues["OPS-1"].comments)
    assert "Resolved: checkout fails" in json.dumps(jira.issues["OPS-1"].comments[1])


def test_a_closed_ticket_is_followed_by_a_new_one(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """What is done stays done; so does what was deleted."""
    first = deliver("jira", values, envelope(), networks).ticket
    jira.issues["OPS-1"].category = "done"
    receipt = deliver("jira", values, envelope(notice(2), ticket=first), networks)
    assert receipt.ticket is not None
    assert ("OPS-2", True) == (receipt.ticket.key, receipt.closed)

    gone = Ticket("OPS-99", "https://x.example/browse/OPS-99")
    receipt = deliver("jira", values, envelope(notice(3), ticket=gone), networks)
    assert receipt.ticket is not None
    assert "OPS-2" == receipt.ticket.key


def test_a_ticket_that_was_made_and_not_noted_is_found(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """A process that died after making it leads to no second, and to no comment that repeats it."""
    deliver("jira", values, envelope(), networks)
    receipt = deliver("jira", values, envelope(), networks)

    assert ["OPS-1"] == list(jira.issues)
    assert [] == jira.issues["OPS-1"].comments
    assert receipt.ticket is not None
    assert 1 == len(jira.issues["OPS-1"].links)


def test_another_subject_has_a_ticket_of_its_own(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """Two issues are two tickets."""
    issue = notice().issue
    assert issue is not None
    other = type(issue)(0xDEF, "Timeout", "Task timed out", None, 0)
    deliver("jira", values, envelope(), networks)
    deliver("jira", values, envelope(notice(2, issue=other)), networks)

    assert ["OPS-1", "OPS-2"] == list(jira.issues)


def test_a_resolve_without_a_ticket_makes_none(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """Somebody closed it; there is nothing to say."""
    receipt = deliver("jira", values, envelope(notice(kind=NoticeKind.RESOLVED)), networks)

    assert ({}, "There is no open ticket to comment on.") == (jira.issues, receipt.remark)


def test_a_test_makes_no_ticket_and_says_what_is_missing(
    jira: Jira, values: dict[str, str], networks: Networks
) -> None:
    """It asks for the project and its issue types."""
    deliver("jira", values, envelope(notice(0, NoticeKind.TEST)), networks)
    with pytest.raises(Refused, match="no issue type Incident; it has Bug, Task"):
        deliver("jira", values | {"issue_type": "Incident"}, envelope(notice(0, NoticeKind.TEST)), networks)

    assert {} == jira.issues


def test_jiras_reasons_are_shown(jira: Jira, values: dict[str, str], networks: Networks) -> None:
    """A field that it does not take is named; a wrong token is refused without being shown."""
    with pytest.raises(Refused, match="issuetype: Specify a valid issue type"):
        deliver("jira", values | {"issue_type": "Incident"}, envelope(), networks)
    with pytest.raises(Refused, match="401") as raised:
        deliver("jira", values | {"token": "wrong-token-0000"}, envelope(), networks)

    assert "wrong-token" not in str(raised.value)


def test_a_remote_link_that_fails_does_not_lose_the_ticket(
    jira: Jira, values: dict[str, str], networks: Networks
) -> None:
    """The ticket is what counts; its text has the links too."""

    def refuse_links(received: object) -> None:
        if str(getattr(received, "path", "")).endswith("remotelink"):
            jira.failures.append(Reply(500, "no"))

    jira.on_request = refuse_links
    receipt = deliver("jira", values, envelope(), networks)

    assert receipt.ticket is not None
    assert {} == jira.issues["OPS-1"].links


@settings(max_examples=40, deadline=None)
@given(envelopes)
def test_any_text_is_a_document(sent: Envelope) -> None:
    """Whatever functions say is a valid document within the limits, and text in wiki markup."""
    for message in sent.messages:
        for document in (adf.document(message, sent.base_url), adf.comment(message, sent.base_url)):
            text = json.dumps(document, ensure_ascii=False)
            assert [] == violations(DOCUMENT, json.loads(text))
            assert len(text) < 2 * MAX_TEXT
        wiki = adf.wiki(message.text(sent.base_url))
        assert 2 == wiki.count("{noformat}")
        assert len(wiki) < MAX_TEXT


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"project": 'OPS" OR 1=1'}, "project"), ({"labels": "two words"}, "labels"), ({"token": ""}, "token")],
)
def test_a_channel_that_cannot_be(changed: dict[str, str], field: str) -> None:
    """A project key cannot hold a query, a label no space."""
    values = {"site": "https://example.atlassian.net", "email": EMAIL, "token": TOKEN, "project": "OPS"}
    with pytest.raises(InvalidChannel) as raised:
        check_values("jira", values | changed)

    assert field == raised.value.field
