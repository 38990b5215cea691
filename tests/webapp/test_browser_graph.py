"""The graph of a transaction on a small screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from tests.browser import PHONE, open_page, serve
from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS, SECOND
from tests.webapp.traffic import NOW_MS, Traffic, trace_hex
from webapp import create_app

FOLLOWER = 0x1001


@pytest.fixture
def late_failure(engine: Engine) -> Iterator[str]:
    """The address of a transaction whose last function fails, far to the right."""
    traffic = Traffic(engine)
    traffic.success(1)
    start = 40 * SECOND + 30 * MS
    invoke = otlp.call(
        "Lambda.Invoke", id=FOLLOWER * 16 + 2, trace=FOLLOWER, parent=FOLLOWER * 16, name="notify", start=start
    )
    traffic.send(otlp.export(resource=otlp.resource("store-summary"), spans=[invoke]))
    failing = otlp.invocation(
        "notify", id=FOLLOWER * 16 + 3, trace=FOLLOWER, parent=FOLLOWER * 16 + 2, start=start + MS, error="no"
    )
    traffic.send(otlp.export(resource=otlp.resource("notify"), spans=[failing]))
    with serve(create_app(engine, now=lambda: NOW_MS)) as url:
        yield f"{url}/transactions/{trace_hex(1)}"


def test_a_failure_far_to_the_right_is_in_sight(chromium: Browser, late_failure: str) -> None:
    """The page opens with the failed function within the graph's frame."""
    with open_page(chromium, PHONE) as page:
        page.goto(late_failure)
        frame, node = page.locator(".graph.zooms").bounding_box(), page.locator(".node.failed").bounding_box()

    assert frame is not None
    assert node is not None
    assert frame["x"] <= node["x"]
    assert node["x"] + node["width"] <= frame["x"] + frame["width"]


def test_fit_shows_the_whole_graph(chromium: Browser, late_failure: str) -> None:
    """Readable or not: that is what the button is for."""
    with open_page(chromium, PHONE) as page:
        page.goto(late_failure)
        frame = page.locator(".graph.zooms")
        expect(frame).to_be_visible()
        assert frame.evaluate("box => box.scrollWidth > box.clientWidth")
        page.get_by_role("button", name="Fit").click()
        assert frame.evaluate("box => box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight")


@pytest.mark.parametrize("path", [f"/transactions/{trace_hex(number)}" for number in (1, 4)])
def test_no_node_is_cut_on_a_phone(chromium: Browser, filled_url: str, path: str) -> None:
    """The picture ends between two columns; where it goes on it fades."""
    with open_page(chromium, PHONE) as page:
        page.goto(filled_url + path)
        frame = page.locator(".graph.zooms").bounding_box()
        assert frame is not None
        left, right = frame["x"], frame["x"] + frame["width"]
        boxes = [box.bounding_box() for box in page.locator(".graph .node .box").all()]
        seen = [box for box in boxes if box and box["x"] + box["width"] > left and box["x"] < right]
        assert seen
        assert all(box["x"] >= left and box["x"] + box["width"] <= right for box in seen)
        beyond = [box for box in boxes if box and box["x"] >= right]
        assert bool(beyond) <= page.locator(".graph.zooms").evaluate("box => box.classList.contains('more-after')")


def test_what_a_phone_shows_of_the_rest(chromium: Browser, filled_url: str) -> None:
    """All pages' names fit beside each other; the region and the account are told; no crumb leads to nothing."""
    with open_page(chromium, PHONE) as page:
        page.goto(f"{filled_url}/transactions/{trace_hex(4)}")
        last = page.get_by_role("navigation", name="Pages").get_by_role("link").last
        expect(last).to_have_text("System\u00a0map")
        box = last.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE[0]
        expect(page.locator(".strip .where")).to_be_visible()
        page.goto(filled_url)
        page.locator("tbody .row-link").first.click()
        crumb = page.locator(".crumbs > a").last
        assert crumb.evaluate("link => getComputedStyle(link, '::after').content") == "none"
