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
