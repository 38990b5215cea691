"""The issues' forms in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from collector.store.engine import open_engine
from tests.browser import PHONE, open_page, serve
from tests.databases import create_sqlite
from tests.webapp.traffic import NOW_MS, fill
from webapp import create_app


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The example's traffic, with forms that may change it."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    fill(engine)
    with serve(create_app(engine, now=lambda: NOW_MS)) as url:
        yield url
    engine.dispose()


def test_tick_and_resolve(chromium: Browser, url: str) -> None:
    """What is done to the ticked ones shows as soon as one is ticked; the row's link does not lie over its box."""
    with open_page(chromium) as page:
        page.goto(f"{url}/issues")
        button = page.get_by_role("button", name="Resolve")
        expect(button).to_be_hidden()
        page.get_by_label("All issues of this list").check()
        expect(button).to_be_visible()
        button.click()
        expect(page.get_by_text("No open issue in the last hour.")).to_be_visible()
        page.get_by_role("link", name="Resolved").click()
        assert page.locator("tbody tr").count() == 2
        page.locator("tbody .pick input").first.check()
        page.get_by_role("button", name="Open again").click()
        expect(page.locator("tbody tr")).to_have_count(1)


def test_the_page_of_an_issue_fits_a_phone(chromium: Browser, url: str) -> None:
    """What to do comes before the rest, and changes the status."""
    with open_page(chromium, PHONE) as page:
        page.goto(f"{url}/issues")
        with page.expect_navigation():  # until its styles are there
            page.locator("tbody .row-link").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        decide, stack = (page.get_by_role("heading", name=name).bounding_box() for name in ("What to do", "Newest"))
        assert decide is not None
        assert stack is not None
        assert decide["y"] < stack["y"]
        page.get_by_label("Assignee").fill("Ada")
        page.get_by_role("button", name="Assign").click()
        expect(page.locator(".history")).to_contain_text("Assigned to Ada")
        page.get_by_label("Mute for").select_option("ever")
        page.get_by_role("button", name="Mute").click()
        expect(page.locator(".status")).to_have_text("muted for ever")
