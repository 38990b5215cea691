"""A Teams workflow that posts Adaptive Cards, and a receiver of generic webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

from tests.collector.alerts.services.server import Received, Reply, Service, violations

PATH = "/workflows/8f1c/triggers/manual/paths/invoke?api-version=1&sig=abcdefghijklmnopqrstuvwxyz"
MAX_BYTES = 28 * 1024
_RUN = {
    "type": "object",
    "properties": {
        "type": {"const": "TextRun"},
        "text": {"type": "string", "minLength": 1},
        "size": {"enum": ["small", "default", "medium", "large", "extraLarge"]},
        "weight": {"enum": ["lighter", "default", "bolder"]},
        "color": {"enum": ["default", "dark", "light", "accent", "good", "warning", "attention"]},
        "fontType": {"enum": ["default", "monospace"]},
        "isSubtle": {"type": "boolean"},
    },
    "required": ["type", "text"],
    "additionalProperties": False,
}
_CARD = {
    "type": "object",
    "properties": {
        "$schema": {"type": "string"},
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
        "fallbackText": {"type": "string"},
        "msteams": {"type": "object"},
        "body": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "type": {"const": "RichTextBlock"},
                    "inlines": {"type": "array", "minItems": 1, "items": _RUN},
                },
                "required": ["type", "inlines"],
                "additionalProperties": False,
            },
        },
        "actions": {
            "type": "array",
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "type": {"const": "Action.OpenUrl"},
                    "title": {"type": "string"},
                    "url": {"type": "string", "pattern": "^https?://"},
                },
                "required": ["type", "url"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "version", "body"],
    "additionalProperties": False,
}
MESSAGE = {
    "type": "object",
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": _CARD,
                },
                "required": ["contentType", "content"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "attachments"],
    "additionalProperties": False,
}


class Teams(Service):
    def answer(self, received: Received) -> Reply:
        found = violations(MESSAGE, received.json())
        if len(received.body) > MAX_BYTES:
            found.append("too large")
        if found:
            self.faults.extend(found)
            return Reply(400, {"error": {"code": "TriggerInputSchemaMismatch", "message": "no"}})
        return Reply(202) if received.path == PATH else Reply(401, {"error": {"code": "SignatureInvalid"}})


SECRET = "a signing secret of some length"
SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[4] / "docs" / "webhook.schema.json").read_text())


class Webhook(Service):
    """Checks the signature and the documented schema, as a careful receiver does."""

    def answer(self, received: Received) -> Reply:
        match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", received.headers.get("clew-signature", ""))
        if match is None:
            self.fault("no signature")
            return Reply(401)
        expected = hmac.new(SECRET.encode(), match[1].encode() + b"." + received.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, match[2]):
            self.fault("wrong signature")
            return Reply(401)
        document = received.json()
        found = violations(SCHEMA, document)
        if received.headers.get("clew-delivery") != document["id"]:
            found.append("id")
        self.faults.extend(found)
        return Reply(400 if found else 204)
