"""Rows in a real Chromium: a link all over, except where something explains itself or is there to be copied."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import open_page
from tests.webapp.traffic import FIRST

AT_POINT = """element => {
    const box = element.getBoundingClientRect();
    const found = document.elementFromPoint(box.x + Math.min(box.width, 40) / 2, box.y + box.height / 2);
    return element === found || element.contains(found);
}"""


def open_list(page: Page, url: str, path: str) -> None:
    page.goto(url if path == "function" else url + path)
    if path == "function":
        page.get_by_role("link", name=FIRST).click()


@pytest.mark.parametrize(
    ("path", "selector"),
    [
        ("function", ".id > span"),
        ("function", "tbody time"),
        ("function", ".cold"),
        ("/", "tbody span[title*=configured]"),
        ("/issues", ".issue .text"),
        ("/issues", "td small[title]"),
        ("/transactions", "td time"),
    ],
)
def test_what_explains_itself_is_under_the_pointer(
    chromium: Browser, filled_url: str, path: str, selector: str
) -> None:
    """Its tooltip can appear and its text be marked: the row's link does not lie over it."""
    with open_page(chromium) as page:
        open_list(page, filled_url, path)
        place = page.locator(selector).first
        place.scroll_into_view_if_needed()
        found = place.evaluate(AT_POINT)

    assert found, selector


@pytest.mark.parametrize("path", ["/", "/issues", "/transactions", "function"])
def test_a_row_is_a_link_elsewhere(chromium: Browser, filled_url: str, path: str) -> None:
    """A click beside the words opens what the row is about."""
    with open_page(chromium) as page:
        open_list(page, filled_url, path)
        row = page.locator("tbody tr:has(.row-link)").first
        href = row.locator(".row-link").get_attribute("href")
        box = row.bounding_box()
        assert href is not None
        assert box is not None
        page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] - 3)
        expect(page).to_have_url(re.compile(re.escape(href)))
