"""Slack: an incoming webhook, or `chat.postMessage` with a bot's token. Block Kit, with the text as fallback.

The blocks are slack_sdk's, which checks Slack's limits. Its clients do not send: they follow redirects, retry by
themselves and cannot be held to a checked address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from collector.alerts.channels.kinds import SLACK_API
from collector.alerts.channels.sending import Envelope, InvalidChannel, Values
from collector.alerts.message import Message
from collector.alerts.model import NoticeKind, Severity
from collector.alerts.outcomes import Receipt, Refused, TryAgain
from collector.alerts.text import fit
from collector.alerts.wire import Wire, host_of, retry_after_s
from collector.alerts.wording import moment

if TYPE_CHECKING:
    from slack_sdk.models.blocks import Block

MAX_HEADER = 150
MAX_SECTION = 3_000
MAX_FIELD = 2_000
MAX_TEXT = 4_000  # beyond it Slack may cut the text; its own limit is ten times this
MAX_URL = 3_000
_LINE = 300
_SECTIONS = 45  # of a bundle; a message has at most 50 blocks
_SIGNS = {Severity.CRITICAL: "🔴", Severity.ERROR: "🔴", Severity.WARNING: "🟠", Severity.INFO: "🔵"}
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)


def check(values: Values) -> None:
    if bool(values.get("webhook_url")) == bool(values.get("token")):
        raise InvalidChannel("webhook_url", "Give either an incoming webhook or a bot's token with a channel.")
    if values.get("token") and not values.get("channel"):
        raise InvalidChannel("channel", "The bot needs to know the channel.")


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    payload: dict[str, Any] = {
        "text": fit(envelope.text(), MAX_TEXT, escape),
        "blocks": [block.to_dict() for block in blocks(envelope)],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if webhook := values.get("webhook_url"):
        wire.send("POST", webhook, json_body=payload)
        return Receipt()
    return _post(values, envelope, wire, payload)


def _post(values: Values, envelope: Envelope, wire: Wire, payload: dict[str, Any]) -> Receipt:
    url = urljoin(values.get("api_url", SLACK_API), "chat.postMessage")
    payload["channel"] = values["channel"]
    if envelope.reference:
        # What follows an alert goes into its thread; that it is over is said in the channel too.
        payload["thread_ts"] = envelope.reference
        payload["reply_broadcast"] = envelope.first.over
    answer = wire.send("POST", url, json_body=payload, headers={"Authorization": f"Bearer {values['token']}"})
    said = answer.json()
    if said.get("ok") is True:
        return Receipt(reference=envelope.reference or str(said.get("ts", "")) or None)
    error = str(said.get("error", "no reason"))
    if error in _PASSING:
        raise TryAgain(f"Slack answered: {error}", after_s=retry_after_s(answer.headers), whole_channel=True)
    if not said:
        raise TryAgain(f"{host_of(url)} did not answer as Slack does.")
    raise Refused(f"Slack answered: {error}")


def blocks(envelope: Envelope) -> list[Block]:
    """The message in Block Kit."""
    from slack_sdk.models.blocks import (  # noqa: PLC0415  # 2 MB
        ContextBlock,
        DividerBlock,
        HeaderBlock,
        MarkdownTextObject,
        PlainTextObject,
        SectionBlock,
    )

    def written(text: str) -> MarkdownTextObject:
        return MarkdownTextObject(text=text, verbatim=True)  # names and addresses in it do not become links

    title = PlainTextObject(text=fit(f"{_sign(envelope)} {envelope.title}", MAX_HEADER), emoji=True)
    found: list[Block] = [HeaderBlock(text=title)]
    if len(envelope.messages) > 1:
        found.extend(SectionBlock(text=written(text)) for text in _named(envelope))
        return found
    message = envelope.first
    found.append(SectionBlock(text=written(fit(message.condition, MAX_SECTION, escape))))
    if message.error:
        found.append(SectionBlock(text=written(f"```{fit(message.error, MAX_SECTION - 6, _code)}```")))
    shown = [fact for fact in message.facts() if fact.label not in ("What", "Error")]
    fields = [written(f"*{fact.label}*\n{_value(fact.label, fact.value, message)}") for fact in shown[:10]]
    if fields:
        found.append(SectionBlock(fields=fields))
    if message.description and not message.over:
        found.append(DividerBlock())
        found.append(SectionBlock(text=written(fit(message.description, MAX_SECTION, escape))))
    links = "  ·  ".join(
        f"<{fit(link.url, MAX_URL, escape)}|{link.label}>" for link in message.links(envelope.base_url)
    )
    found.append(SectionBlock(text=written(links)))
    rule = fit(f"Clew · {message.severity} · rule {message.rule_name}", MAX_FIELD, escape)
    found.append(ContextBlock(elements=[written(rule)]))
    return found


def escape(text: str) -> str:
    """What mrkdwn gives a meaning: without it no link, mention or @channel can be made."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    return escape(text.replace("`", "'"))


def _value(label: str, value: str, message: Message) -> str:
    if label == "Since" and message.until_s is None:
        # Shown in the reader's own time zone.
        fallback = escape(moment(message.since_s))
        return f"<!date^{message.since_s}^{{date_short_pretty}} {{time}}|{fallback}>"
    if label == "Cause":
        return f"`{fit(value, MAX_FIELD - 64, _code)}`"
    return fit(value, MAX_FIELD - 64, escape)


def _named(envelope: Envelope) -> list[str]:
    """Sections that name each alert of a bundle, as many as there is room for."""
    texts: list[str] = []
    lines: list[str] = []
    left = len(envelope.messages)
    for message in envelope.messages:
        link = message.links(envelope.base_url)[0]
        what = fit(message.headline, _LINE, escape)
        error = f"\n      `{fit(message.error, _LINE, _code)}`" if message.error else ""
        line = f"{_SIGNS[message.severity]} <{fit(link.url, MAX_URL // 3, escape)}|{what.replace('|', '¦')}>{error}"
        if lines and sum(map(len, lines)) + len(lines) + len(line) > MAX_SECTION - 200:
            texts.append("\n".join(lines))
            lines = []
        if len(texts) == _SECTIONS:
            break
        lines.append(line)
        left -= 1
    if lines:
        texts.append("\n".join(lines))
    if left:
        texts.append(f"and {left} more: <{escape(envelope.base_url)}/alerts|all alerts>")
    return texts


def _sign(envelope: Envelope) -> str:
    if all(message.over for message in envelope.messages):
        return "✅"
    if envelope.first.kind is NoticeKind.ACKNOWLEDGED:
        return "👀"
    return _SIGNS[min((message.severity for message in envelope.messages), key=list(Severity).index)]
