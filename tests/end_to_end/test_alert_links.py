"""Every link of an alert's message leads to a page that there is."""

from __future__ import annotations

from sqlalchemy import Engine

from collector.alerts.message import Message
from collector.alerts.model import NoticeKind, Sample, Subject, SubjectKind
from tests.collector.alerts.notices import notice
from webapp import create_app

FUNCTION = Subject(SubjectKind.FUNCTION, "7", "checkout", function_id=7)


def test_links_are_routes_of_the_dashboard(reader: Engine) -> None:
    """Issue, transaction, trace, alert, rule, function, and the page of all alerts."""
    pages = create_app(reader).url_map.bind("clew.example.com")
    messages = [
        Message.of(notice()),
        Message.of(notice(issue=None, subject=FUNCTION, sample=Sample(1, 2, b"\x03" * 16, None))),
        Message.of(notice(0, NoticeKind.TEST, issue=None, sample=None)),
    ]
    paths = {link.url: link.label for message in messages for link in message.links("")}
    found = {label: pages.match(path or "/", method="GET")[0] for path, label in paths.items()}

    assert {"Issue", "Sample transaction", "Alert", "Rule", "Function"} <= set(found)
    assert pages.match("/alerts", method="GET")
