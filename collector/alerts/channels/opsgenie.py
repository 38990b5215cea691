"""Opsgenie's Alert API, which Jira Service Management has taken over with another address.

What is sent is only accepted at first. So its outcome is asked for, a few times; one that is still to come then counts
as arrived. Neither has a client library that is still looked after.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from collector.alerts.channels.sending import Envelope, Values
from collector.alerts.message import Message
from collector.alerts.model import NoticeKind, Severity
from collector.alerts.outcomes import Receipt, Refused
from collector.alerts.text import fit
from collector.alerts.wire import Answer, Wire, excerpt, host_of, raise_for

MAX_MESSAGE = 130
MAX_DESCRIPTION = 15_000
MAX_DETAILS = 8_000  # keys and values of all
MAX_ENTITY = 512
MAX_TAG, MAX_TAGS = 50, 20
MAX_SHORT = 100  # of `source` and `user`
_PRIORITIES = {Severity.CRITICAL: "P1", Severity.ERROR: "P2", Severity.WARNING: "P3", Severity.INFO: "P5"}
_LOOKS = 4
_BETWEEN_LOOKS_S = 0.5


def check(values: Values) -> None:
    """Nothing beside what its fields say."""


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    message = envelope.first
    base = f"{values['api_url'].rstrip('/')}/v2/alerts"
    headers = {"Authorization": f"GenieKey {values['key']}"}
    alias = message.key if message.alert_id else f"clew-test-{envelope.id}"

    def post(path: str, body: dict[str, Any]) -> Receipt:
        answer = wire.ask("POST", base + path, json_body=body, headers=headers)
        raise_for(answer, host_of(base), _said(answer))
        return _outcome(wire, base, headers, answer, alias)

    follow = {"source": "Clew", "note": fit(_note(message), MAX_DESCRIPTION)}
    if message.by:
        follow["user"] = fit(message.by, MAX_SHORT)
    by_alias = f"/{quote(alias, safe='')}/{{}}?identifierType=alias"
    if message.kind is NoticeKind.RESOLVED:
        return post(by_alias.format("close"), follow)
    if message.kind is NoticeKind.ACKNOWLEDGED:
        return post(by_alias.format("acknowledge"), follow)
    receipt = post("", alert(message, envelope.base_url, alias, values.get("tags", "")))
    if message.kind is NoticeKind.TEST:
        post(by_alias.format("close"), follow)
    return receipt


def alert(message: Message, base_url: str, alias: str, tags: str) -> dict[str, Any]:
    """What is created, or counted again while it is open."""
    wanted = [tag.strip() for tag in tags.split(",") if tag.strip()]
    return {
        "message": fit(message.headline, MAX_MESSAGE),
        "alias": alias,
        "description": fit(message.text(base_url), MAX_DESCRIPTION),
        "priority": _PRIORITIES[message.severity],
        "source": "Clew",
        "entity": fit(message.function_name or message.subject_name, MAX_ENTITY),
        "tags": [fit(tag, MAX_TAG) for tag in wanted[:MAX_TAGS]],
        "details": _details(message, base_url),
    }


def _details(message: Message, base_url: str) -> dict[str, str]:
    details: dict[str, str] = {}
    left = MAX_DETAILS
    pairs = [*message.links(base_url), *message.facts(), ("Rule name", message.rule_name)]
    for label, value in pairs:
        room = left - len(label)
        if room < MAX_SHORT:
            break
        details[label] = fit(value, min(room, MAX_DETAILS // 8))
        left = room - 2 * len(details[label])  # however it counts what is beyond ASCII
    return details


def _note(message: Message) -> str:
    return " ".join(part for part in (message.headline, f"by {message.by}" if message.by else "", message.note) if part)


def _outcome(wire: Wire, base: str, headers: dict[str, str], accepted: Answer, alias: str) -> Receipt:
    request = str(accepted.json().get("requestId", ""))
    if not request:
        return Receipt(reference=alias)
    for _ in range(_LOOKS):
        answer = wire.ask("GET", f"{base}/requests/{quote(request, safe='')}", headers=headers)
        data = answer.json().get("data")
        if answer.status == 200 and isinstance(data, dict):
            status = excerpt(str(data.get("status", "")))
            # What is to be closed or acknowledged and is not there needs neither.
            if data.get("isSuccess", data.get("success")) is False and "not exist" not in status:
                raise Refused(f"{host_of(base)} did not do it: {status}")
            return Receipt(reference=alias)
        if answer.status not in (200, 404):
            break
        if wire.left_s < 2 * _BETWEEN_LOOKS_S:
            break
        time.sleep(_BETWEEN_LOOKS_S)
    return Receipt(reference=alias, remark=f"Accepted as {request}; whether it was done was not known within seconds.")


def _said(answer: Answer) -> str | None:
    said = answer.json()
    errors = said.get("errors")
    parts = [str(said.get("message", ""))]
    if isinstance(errors, dict):
        parts.extend(f"{name} {error}" for name, error in errors.items())
    return excerpt(" ".join(part for part in parts if part)) or None
