"""PagerDuty's Events API v2, by PagerDuty's own client: an alert triggers, is acknowledged and resolves by its key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from collector.alerts.channels.kinds import PAGERDUTY_API
from collector.alerts.channels.sending import Envelope, InvalidChannel, Values
from collector.alerts.message import Message
from collector.alerts.model import NoticeKind
from collector.alerts.outcomes import Receipt, Refused, TryAgain
from collector.alerts.text import fit
from collector.alerts.wire import Wire

KEY_LENGTH = 32
MAX_SUMMARY = 1_024
MAX_DETAIL = 4_096  # an event may have 512 KB


def check(values: Values) -> None:
    key = values["routing_key"]
    if len(key) != KEY_LENGTH or not key.isascii() or not key.isalnum():
        raise InvalidChannel("routing_key", f"An integration key has {KEY_LENGTH} letters and digits.")
    if not values["api_url"].startswith("https://"):
        raise InvalidChannel("api_url", "PagerDuty's address begins with https://.")


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    import pagerduty  # noqa: PLC0415  # only what sends needs it

    message = envelope.first
    key = message.key if message.alert_id else f"clew-test-{envelope.id}"
    client = pagerduty.EventsApiV2Client(
        values["routing_key"],
        base_url=values.get("api_url", PAGERDUTY_API).rstrip("/"),
        transport=wire,
        trust_env=False,
    )
    try:
        if message.kind is NoticeKind.RESOLVED:
            client.resolve(key)
        elif message.kind is NoticeKind.ACKNOWLEDGED:
            client.acknowledge(key)
        else:
            client.send_event("trigger", dedup_key=key, **event(message, envelope.base_url))
            if message.kind is NoticeKind.TEST:
                client.resolve(key)  # nobody is left paged by a test
    except pagerduty.UrlError:
        raise Refused("PagerDuty's address must begin with https://.") from None
    except pagerduty.Error as error:
        raise TryAgain(f"PagerDuty's answer cannot be read: {error.msg}") from None
    return Receipt(reference=key)


def event(message: Message, base_url: str) -> dict[str, Any]:
    """What is triggered."""
    payload = {
        "summary": fit(message.headline, MAX_SUMMARY),
        "source": fit(message.function_name or message.subject_name or "Clew", MAX_SUMMARY),
        "severity": str(message.severity),
        "timestamp": datetime.fromtimestamp(message.at_ms / 1000, UTC).isoformat(),
        "class": message.rule_id,
        "custom_details": {fact.label: fit(fact.value, MAX_DETAIL) for fact in message.facts()}
        | {"Rule": message.rule_name}
        | ({"What to do": fit(message.description, MAX_DETAIL)} if message.description else {}),
    }
    if message.function_name:
        payload["component"] = message.function_name
    if message.region:
        payload["group"] = message.region
    links = message.links(base_url)
    return {
        "payload": payload,
        "links": [{"href": link.url, "text": link.label} for link in links],
        "client": "Clew",
        "client_url": links[0].url,
    }
