"""JSON to an address of the user's own, signed. docs/webhook.schema.json is its schema, docs/channels.md its page.

`Clew-Signature: t=1700000000,v1=HEX` is HMAC-SHA256, by the channel's secret, of the time, a full stop and the body as
it is sent. The time is when it was sent, so a receiver can refuse what is old.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from collector.alerts.channels.sending import Envelope, InvalidChannel, Values
from collector.alerts.message import Message
from collector.alerts.outcomes import Receipt
from collector.alerts.wire import Wire

VERSION = 1
LEAST_SECRET = 16
_SAFE_INTEGER = 2**53


def check(values: Values) -> None:
    if len(values["secret"]) < LEAST_SECRET:
        raise InvalidChannel("secret", f"The signing secret needs at least {LEAST_SECRET} characters.")


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    content = json.dumps(payload(envelope), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    headers = {
        "Clew-Delivery": envelope.id,
        "Clew-Signature": f"t={envelope.at_s},v1={signature(values['secret'], envelope.at_s, content)}",
    }
    wire.send("POST", values["url"], body=content, headers=headers)
    return Receipt(reference=envelope.id)


def signature(secret: str, at_s: int, content: bytes) -> str:
    return hmac.new(secret.encode(), b"%d.%s" % (at_s, content), hashlib.sha256).hexdigest()


def payload(envelope: Envelope) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": envelope.id,
        "title": envelope.title,
        "text": envelope.text(),
        "alerts": [_alert(message, envelope.base_url) for message in envelope.messages],
    }


def _alert(message: Message, base_url: str) -> dict[str, Any]:
    return {
        "key": message.key,
        "event": str(message.kind),
        "severity": str(message.severity),
        "title": message.title,
        "condition": message.condition,
        "value": _finite(message.value),
        "threshold": _finite(message.threshold),
        "since": _moment(message.since_s),
        "until": None if message.until_s is None else _moment(message.until_s),
        "decided": _moment(message.at_ms / 1000),
        "count": message.count,
        "invocations": message.invocations,
        "errors": message.errors,
        "window_s": message.window_s,
        "functions": list(message.functions),
        "function": message.function_name,
        "region": message.region,
        "account": message.account,
        "error": message.error,
        "cause": message.cause,
        "cost_usd": None if message.cost_pd is None else round(message.cost_pd / 1e12, 12),
        "by": message.by,
        "note": message.note or None,
        "rule": {"id": message.rule_id, "name": message.rule_name, "description": message.description or None},
        "links": {link.label.lower().replace(" ", "_"): link.url for link in message.links(base_url)},
    }


def _finite(value: float) -> float | None:
    return value if abs(value) < _SAFE_INTEGER else None  # of NaN it is false too


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
