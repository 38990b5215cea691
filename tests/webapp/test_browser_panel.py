"""An open panel and the page beside it, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import DESKTOP, open_page
from tests.webapp.traffic import FIRST, trace_hex

FAILED = f"/transactions/{trace_hex(4)}"


@pytest.mark.parametrize("size", [DESKTOP, (1120, 800), (1920, 1080)], ids=["desktop", "small", "large"])
def test_the_page_is_usable_beside_an_open_panel(chromium: Browser, filled_url: str, size: tuple[int, int]) -> None:
    """Cause, graph, timeline and header end where the panel begins; one link after the other can be clicked."""
    with open_page(chromium, size) as page:
        page.goto(filled_url + FAILED)
        panel = page.locator("#details")
        page.get_by_role("link", name="The call, with its payload").click()
        expect(panel.get_by_role("heading", name="StartTranscriptionJob")).to_be_visible()
        edge = panel.bounding_box()
        assert edge is not None
        for selector in (".cause", ".graph-card", ".timeline", ".top"):
            box = page.locator(selector).bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= edge["x"], selector
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.get_by_role("link", name="Stack and event").click()
        expect(panel.get_by_role("heading", name=FIRST)).to_be_visible()
        page.locator(".waterfall .span .took").last.click()
        expect(panel.get_by_role("heading", name="StartTranscriptionJob")).to_be_visible()
