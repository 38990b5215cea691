"""Atlassian Document Format, which Jira Cloud wants text in, and text for Data Center that its markup leaves alone.

Text nodes are shown as they are: nothing in them is markup.
"""

from __future__ import annotations

from typing import Any

from collector.alerts.message import Message
from collector.alerts.text import fit

MAX_VALUE = 4_000  # a description may have 32,767 characters
MAX_WIKI = 30_000
Node = dict[str, Any]


def document(message: Message, base_url: str) -> Node:
    """All that the message says."""
    content: list[Node] = []
    if message.error:
        content.append({"type": "codeBlock", "content": [_plain(message.error)]})
    facts = [fact for fact in message.facts() if fact.label != "Error"]
    content.extend(_paragraph(_text(f"{fact.label}: ", "strong"), _text(fact.value)) for fact in facts)
    if message.description:
        content.extend(_paragraph(_text(line)) for line in message.description.splitlines() if line)
    named = {"Rule": f"Rule {message.rule_name}"}
    items = [_item(named.get(link.label, link.label), link.url) for link in message.links(base_url)]
    content.append({"type": "bulletList", "content": items})
    return _doc(content)


def comment(message: Message, base_url: str) -> Node:
    """What is new since."""
    facts = [fact for fact in message.facts() if fact.label in ("What", "Since", "How many", "Hits", "By", "Note")]
    content = [_paragraph(_text(message.headline, "strong"))]
    content.extend(_paragraph(_text(f"{fact.label}: {fact.value}")) for fact in facts)
    link = message.links(base_url)[-1]
    content.append(_paragraph(_link(link.label, link.url)))
    return _doc(content)


def wiki(text: str) -> str:
    """Text in which wiki markup means nothing."""
    return "{noformat}\n" + fit(text.replace("{noformat}", "{ noformat }"), MAX_WIKI) + "\n{noformat}"


def _doc(content: list[Node]) -> Node:
    return {"type": "doc", "version": 1, "content": content}


def _paragraph(*inlines: Node) -> Node:
    return {"type": "paragraph", "content": list(inlines)}


def _item(label: str, url: str) -> Node:
    return {"type": "listItem", "content": [_paragraph(_link(label, url))]}


def _link(label: str, url: str) -> Node:
    return _plain(label) | {"marks": [{"type": "link", "attrs": {"href": url}}]}


def _text(text: str, *marks: str) -> Node:
    return _plain(text) | ({"marks": [{"type": mark} for mark in marks]} if marks else {})


def _plain(text: str) -> Node:
    return {"type": "text", "text": fit(text, MAX_VALUE) or " "}  # an empty text node is refused
