"""Back and forth in a real Chromium: filters say what the list beside them shows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser import open_page
from tests.webapp.traffic import FIRST

LISTS = {
    "/transactions": "outcome",
    "/issues": "kind",
    "/map": "failing",
    "function": "cold",
}


def change(field: Locator) -> None:
    if field.get_attribute("type") == "checkbox":
        field.check()
    else:
        field.select_option(index=1)


def state(field: Locator) -> object:
    return field.evaluate("field => field.type === 'checkbox' ? field.checked : field.value")


@pytest.mark.parametrize("path", LISTS)
def test_back_shows_the_filters_of_the_list(chromium: Browser, filled_url: str, path: str) -> None:
    """What was chosen before leaving is not kept beside a list that is without it."""
    with open_page(chromium) as page:
        page.goto(filled_url if path == "function" else filled_url + path)
        if path == "function":
            page.get_by_role("link", name=FIRST).click()
        address = page.url
        field = page.locator(f".filters [name={LISTS[path]}]")
        first = state(field)
        with page.expect_navigation():
            change(field)
        assert first != state(field)
        page.go_back()
        expect(page).to_have_url(address)
        assert first == state(field)
