"""Every relative link and anchor of the documents leads somewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("tracer/*.md")]
)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\((?:<([^>\n]+)>|([^)\s>]+))(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def links(text: str) -> Iterator[str]:
    """Where links and pictures lead, those in code left out."""
    text = _CODE.sub("`…`", _FENCE.sub("", text))
    for found in _LINK.findall(text):
        yield next(filter(None, found))
    yield from _REFERENCE.findall(text)


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@cache
def anchors_of(path: Path) -> set[str]:
    return anchors(path.read_text())


def fault(document: Path, target: str) -> str:
    """Why the link leads nowhere; "" where it leads somewhere, or out of here."""
    if re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.IGNORECASE):
        return ""
    name, _, anchor = target.partition("#")
    path = (document.parent / unquote(name)).resolve() if name else document
    if not path.exists():
        return f"{target}: there is no {name}"
    if ROOT not in (path, *path.parents):
        return f"{target}: outside of the project"
    if anchor and path.suffix == ".md" and anchor not in anchors_of(path):
        return f"{target}: {path.name} has no heading #{anchor}"
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    faults = [why for target in links(document.read_text()) if (why := fault(document, target))]
    assert not faults


def test_what_leads_nowhere_is_found() -> None:
    """The reader of links itself: kinds of links, code, headings that repeat, and anchors with marks in them."""
    text = '[a](b.md) ![c](<d e.png>) [f](g.md#h "title") `[no](no.md)`\n```\n[no](no.md)\n```\n[i]: j.md\n'
    assert list(links(text + '<img src="k.png">')) == ["b.md", "d e.png", "g.md#h", "k.png", "j.md"]
    assert anchors("# A `b` & c!\n## Same\n## Same\n```\n# no\n```\n") == {"a-b--c", "same", "same-1"}
    document = ROOT / "README.md"
    assert "no heading" in fault(document, "docs/install.md#nowhere")
    assert "there is no" in fault(document, "docs/nothing.md")
    assert fault(document, "https://example.com/#x") == ""
    assert len(DOCUMENTS) > 25
    assert sum(len(list(links(path.read_text()))) for path in DOCUMENTS) > 100
