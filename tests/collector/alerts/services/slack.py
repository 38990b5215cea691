"""Slack's incoming webhooks and `chat.postMessage`."""

from __future__ import annotations

import re
from typing import Any

from tests.collector.alerts.services.server import Received, Reply, Service, violations

WEBHOOK = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
TOKEN = "xoxb-1234567890-abcdefghij"
_MRKDWN = {
    "type": "object",
    "properties": {
        "type": {"const": "mrkdwn"},
        "text": {"type": "string", "minLength": 1, "maxLength": 3000},
        "verbatim": {"type": "boolean"},
    },
    "required": ["type", "text"],
    "additionalProperties": False,
}


def _plain(limit: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "type": {"const": "plain_text"},
            "text": {"type": "string", "minLength": 1, "maxLength": limit},
            "emoji": {"type": "boolean"},
        },
        "required": ["type", "text"],
        "additionalProperties": False,
    }


def _block(type: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "type": {"const": type},
            "block_id": {"type": "string", "maxLength": 255},
            **properties,
        },
        "required": ["type", *required],
        "additionalProperties": False,
    }


_FIELD = {"allOf": [_MRKDWN, {"properties": {"text": {"maxLength": 2000}}}]}
_BLOCKS = {
    "header": _block("header", ["text"], text=_plain(150)),
    "section": _block(
        "section", [], text=_MRKDWN, fields={"type": "array", "minItems": 1, "maxItems": 10, "items": _FIELD}
    ),
    "divider": _block("divider", []),
    "context": _block(
        "context", ["elements"], elements={"type": "array", "minItems": 1, "maxItems": 10, "items": _MRKDWN}
    ),
}
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 40_000},
        "blocks": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "type": "object",
                "properties": {"type": {"enum": sorted(_BLOCKS)}},
                "required": ["type"],
                "allOf": [
                    {"if": {"properties": {"type": {"const": name}}}, "then": schema}
                    for name, schema in _BLOCKS.items()
                ],
            },
        },
        "unfurl_links": {"type": "boolean"},
        "unfurl_media": {"type": "boolean"},
        "channel": {"type": "string", "minLength": 1},
        "thread_ts": {"type": "string", "pattern": r"^\d+\.\d+$"},
        "reply_broadcast": {"type": "boolean"},
    },
    "required": ["text"],
    "additionalProperties": False,
}
_CONTROL = re.compile(r"<([^<>]*)>")
_LINK = re.compile(r"https?://[^\s|<>]+(\|[^|<>]+)?")
_DATE = re.compile(r"!date\^\d+\^[^^|<>]+\|[^<>]+")


def unescaped(text: str) -> list[str]:
    """What mrkdwn would read as more than text, beside links and dates."""
    found = [
        control for control in _CONTROL.findall(text) if not _LINK.fullmatch(control) and not _DATE.fullmatch(control)
    ]
    rest = _CONTROL.sub("", text)
    found.extend(re.findall(r"[<>]|&(?!amp;|lt;|gt;)", rest))
    return found


def faults(payload: Any) -> list[str]:
    """What Slack would say is wrong with a message."""
    found = violations(SCHEMA, payload)
    texts = [payload.get("text", "")]
    for block in payload.get("blocks", ()):
        parts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        texts.extend(part["text"] for part in parts if part and part.get("type") == "mrkdwn")
    found.extend(f"unescaped {control!r} in {text[:60]!r}" for text in texts for control in unescaped(text))
    return found


class Slack(Service):
    def answer(self, received: Received) -> Reply:
        if received.headers.get("content-type", "").partition(";")[0] != "application/json":
            self.fault("content type")
        if found := faults(received.json()):
            self.faults.extend(found)
            return Reply(400, "invalid_blocks")
        if received.path == WEBHOOK:
            return Reply(200, "ok")
        if received.path == "/api/chat.postMessage":
            return self._post(received)
        return Reply(404, "no_service")

    def _post(self, received: Received) -> Reply:
        if received.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(200, {"ok": False, "error": "invalid_auth"})
        if "channel" not in received.json():
            return Reply(200, {"ok": False, "error": "channel_not_found"})
        return Reply(200, {"ok": True, "channel": "C1", "ts": f"1700000000.{len(self.received):06d}"})
