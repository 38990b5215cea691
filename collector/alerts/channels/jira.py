"""Jira: a ticket for each subject; while it is open, what follows becomes its comments.

Cloud by an e-mail address and API token, with Atlassian's document format; Data Center by a personal access token, with
text. The ticket carries a label for its subject. It is looked for by that before one is made, so that a process that
died between making it and noting it does not lead to a second. A remote link leads from the ticket to Clew.

Not by the library `jira`: it has no document format, asks for the server's properties first, and retries by itself.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from collector.alerts.channels import adf
from collector.alerts.channels.sending import Envelope, InvalidChannel, Values
from collector.alerts.message import Message
from collector.alerts.model import NoticeKind
from collector.alerts.outcomes import DeliveryError, Receipt, Refused, Ticket
from collector.alerts.text import fit
from collector.alerts.wire import Answer, Wire, excerpt, host_of, raise_for
from collector.domain.ids import hash63

MAX_SUMMARY = 255
_PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,79}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*-[0-9]+")
_OPENINGS = frozenset({NoticeKind.OPENED, NoticeKind.REPEATED})


def check(values: Values) -> None:
    if not _PROJECT.fullmatch(values["project"]):
        raise InvalidChannel("project", "A project key has letters and digits, such as OPS.")
    if any(" " in label for label in _labels(values)):
        raise InvalidChannel("labels", "Jira's labels have no spaces in them; separate them by commas.")


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    jira = _Jira(values, wire)
    message = envelope.first
    if message.kind is NoticeKind.TEST:
        return jira.test()
    known = envelope.ticket
    ticket = known if known is not None and jira.is_open(known) else jira.find(message)
    if ticket is None:
        if message.kind not in _OPENINGS:
            return Receipt(closed=known is not None, remark="There is no open ticket to comment on.")
        ticket = jira.create(message, envelope.base_url)
    elif ticket == known or message.kind not in _OPENINGS:
        jira.comment(ticket, message, envelope.base_url)
    # One that was found, and not known: it was made by an attempt that was cut off, and says all this already.
    if ticket != known:
        jira.link(ticket, message, envelope.base_url)
    return Receipt(reference=ticket.key, url=ticket.url, ticket=ticket, closed=known is not None and ticket != known)


@dataclass(frozen=True, slots=True)
class _Jira:
    values: Values
    wire: Wire

    @property
    def cloud(self) -> bool:
        return bool(self.values.get("email"))

    @property
    def site(self) -> str:
        return self.values["site"].rstrip("/")

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, missing_ok: bool = False) -> Answer:
        url = f"{self.site}/rest/api/{3 if self.cloud else 2}/{path}"
        token = self.values["token"]
        if self.cloud:
            both = base64.b64encode(f"{self.values['email']}:{token}".encode()).decode()
            authorization = f"Basic {both}"
        else:
            authorization = f"Bearer {token}"
        headers = {"Authorization": authorization, "Accept": "application/json"}
        answer = self.wire.ask(method, url, json_body=body, headers=headers)
        if not (missing_ok and answer.status == 404):
            raise_for(answer, host_of(url), _said(answer))
        return answer

    def is_open(self, ticket: Ticket) -> bool:
        answer = self.ask("GET", f"issue/{quote(ticket.key, safe='')}?fields=status", missing_ok=True)
        return answer.status != 404 and _category(answer.json()) != "done"

    def find(self, message: Message) -> Ticket | None:
        """The latest open ticket on the subject."""
        jql = (
            f'project = "{self.values["project"]}" AND labels = "{label_of(message)}" AND statusCategory != Done '
            "ORDER BY created DESC"
        )
        search = "search/jql" if self.cloud else "search"
        answer = self.ask("GET", f"{search}?jql={quote(jql, safe='')}&fields=status&maxResults=1")
        for found in answer.json().get("issues") or ():
            if isinstance(found, dict) and _KEY.fullmatch(str(found.get("key"))):
                return self._ticket(str(found["key"]))
        return None

    def create(self, message: Message, base_url: str) -> Ticket:
        text: Any = adf.document(message, base_url) if self.cloud else adf.wiki(message.text(base_url))
        fields = {
            "project": {"key": self.values["project"]},
            "issuetype": {"name": self.values.get("issue_type", "Bug")},
            "summary": fit(message.title, MAX_SUMMARY),
            "description": text,
            "labels": [*_labels(self.values), label_of(message)],
        }
        said = self.ask("POST", "issue", {"fields": fields}).json()
        key = str(said.get("key"))
        if not _KEY.fullmatch(key):
            raise Refused(f"{host_of(self.site)} did not answer as Jira does.")
        return self._ticket(key)

    def comment(self, ticket: Ticket, message: Message, base_url: str) -> None:
        body: Any = adf.comment(message, base_url)
        if not self.cloud:
            body = adf.wiki(f"{message.headline}\n{message.condition}\n{message.links(base_url)[-1].url}")
        self.ask("POST", f"issue/{ticket.key}/comment", {"body": body})

    def link(self, ticket: Ticket, message: Message, base_url: str) -> None:
        """The link back. The description has one too, so it is no reason to fail: the ticket is there."""
        url = message.links(base_url)[0].url
        body = {
            "globalId": f"clew={label_of(message)}",  # set again it replaces itself
            "application": {"type": "clew", "name": "Clew"},
            "object": {"url": url, "title": fit(message.title, MAX_SUMMARY)},
        }
        try:
            self.ask("POST", f"issue/{ticket.key}/remotelink", body)
        except DeliveryError:
            return

    def test(self) -> Receipt:
        """Whether tickets could be made, without making one."""
        answer = self.ask("GET", f"project/{self.values['project']}").json()
        types = [str(type.get("name")) for type in answer.get("issueTypes") or () if isinstance(type, dict)]
        wanted = self.values.get("issue_type", "Bug")
        if types and wanted not in types:
            raise Refused(f"The project has no issue type {wanted}; it has {', '.join(types)}.")
        return Receipt(reference=self.values["project"], url=f"{self.site}/browse/{self.values['project']}")

    def _ticket(self, key: str) -> Ticket:
        return Ticket(key, f"{self.site}/browse/{key}")


def label_of(message: Message) -> str:
    """Names the subject among all tickets."""
    return f"clew-{hash63('ticket', message.subject_key):016x}"


def _labels(values: Values) -> list[str]:
    return [label.strip() for label in values.get("labels", "").split(",") if label.strip()]


def _category(issue: dict[str, Any]) -> str:
    found: Any = issue
    for name in ("fields", "status", "statusCategory", "key"):
        found = found.get(name) if isinstance(found, dict) else None
    return str(found)


def _said(answer: Answer) -> str | None:
    said = answer.json()
    messages, errors = said.get("errorMessages"), said.get("errors")
    parts = [str(part) for part in messages] if isinstance(messages, list) else []
    if isinstance(errors, dict):
        parts.extend(f"{name}: {error}" for name, error in errors.items())
    return excerpt(" ".join(parts)) or None
