"""Microsoft Teams: an Adaptive Card to a workflow that starts with a webhook request.

All text is in rich text runs, which know no Markdown: nothing in it can become a link or a mention.
"""

from __future__ import annotations

import json
from typing import Any

from collector.alerts.channels.sending import Envelope, Values
from collector.alerts.message import Message
from collector.alerts.model import Severity
from collector.alerts.outcomes import Receipt, TryAgain
from collector.alerts.text import fit
from collector.alerts.wire import Wire

MAX_BYTES = 28 * 1024  # of the whole message
MAX_TITLE = 500
MAX_VALUE = 1_500
MAX_FALLBACK = 2_000
MAX_ACTIONS = 6
_COLORS = {
    Severity.CRITICAL: "attention",
    Severity.ERROR: "attention",
    Severity.WARNING: "warning",
    Severity.INFO: "accent",
}


def check(values: Values) -> None:
    """Nothing beside what its fields say."""


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    answer = wire.send("POST", values["webhook_url"], body=payload(envelope))
    # Connectors of old answer 200 and say in the text that they did not pass it on.
    if "HTTP error 429" in answer.text:
        raise TryAgain("Teams answered that it gets too many messages.", whole_channel=True)
    return Receipt()


def payload(envelope: Envelope) -> bytes:
    """The request's body. The values are cut further until it fits."""
    limit = MAX_VALUE
    while True:
        content = json.dumps(_message(envelope, limit), ensure_ascii=False).encode("utf-8", "replace")
        if len(content) <= MAX_BYTES or limit < 16:
            return content
        limit //= 2


def _message(envelope: Envelope, limit: int) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": fit(envelope.text(), min(MAX_FALLBACK, limit * 4)),
        "msteams": {"width": "Full"},
        "body": _body(envelope, limit),
    }
    links = envelope.first.links(envelope.base_url) if len(envelope.messages) == 1 else []
    if links:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": link.label, "url": link.url} for link in links[:MAX_ACTIONS]
        ]
    else:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "All alerts", "url": f"{envelope.base_url}/alerts"}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _body(envelope: Envelope, limit: int) -> list[dict[str, Any]]:
    title = _run(
        fit(envelope.title, min(MAX_TITLE, limit)), size="large", weight="bolder", color=_color(envelope.first)
    )
    body = [_rich(title)]
    if len(envelope.messages) > 1:
        body.extend(_named(envelope, limit))
        return body
    message = envelope.first
    for label, value in message.facts():
        plain = label not in ("Error", "Cause")
        value_run = _run(fit(value, limit), fontType="default" if plain else "monospace")
        body.append(_rich(_run(f"{label}: ", weight="bolder"), value_run))
    if message.description and not message.over:
        body.append(_rich(_run(fit(message.description, limit))))
    body.append(_rich(_run(fit(f"Clew, {message.severity}, rule {message.rule_name}", limit), isSubtle=True)))
    return body


def _named(envelope: Envelope, limit: int) -> list[dict[str, Any]]:
    most = max(1, min(len(envelope.messages), 4 * limit // 100))
    lines = []
    for message in envelope.messages[:most]:
        runs = [_run(fit(message.headline, min(limit, 200)), weight="bolder", color=_color(message))]
        if message.error:
            runs.append(_run(" " + fit(message.error, min(limit, 200))))
        lines.append(_rich(*runs))
    if left := len(envelope.messages) - most:
        lines.append(_rich(_run(f"and {left} more")))
    return lines


def _rich(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: object) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}


def _color(message: Message) -> str:
    return "good" if message.over else _COLORS[message.severity]
