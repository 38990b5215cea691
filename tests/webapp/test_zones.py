"""Times in the reader's zone, wherever a page shows one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import open_page
from tests.webapp.traffic import NOW_MS

MINUTES = re.compile(r"\b\d\d:\d\d\b")
# In May: none of them is UTC, one of them lies off the hour.
ZONES = {"America/New_York": -4 * 60, "Europe/Berlin": 2 * 60, "Asia/Kolkata": 330}


def clocks(texts: list[str], start: datetime) -> list[float]:
    """Minutes from `start` to each clock time in the texts, across midnight too."""
    found = [match.group() for text in texts if (match := MINUTES.search(text))]
    return [
        (datetime.strptime(clock, "%H:%M").replace(tzinfo=UTC) - start.replace(year=1900, month=1, day=1))
        / timedelta(minutes=1)
        % 1440
        for clock in found
    ]


def hover(page: Page, chart: str) -> str:
    """What the chart says where something happened."""
    box = page.locator(f"{chart} .nsewdrag").bounding_box()
    assert box is not None
    hovered = page.locator(f"{chart} .hovertext")
    for share in range(1, 60):
        page.mouse.move(box["x"] + box["width"] * share / 60, box["y"] + box["height"] - 4)
        if hovered.count() and re.search("[1-9]", hovered.first.text_content() or ""):
            return hovered.first.text_content() or ""
    return ""


@pytest.mark.parametrize("zone", ZONES)
def test_the_axis_of_a_chart_is_in_the_readers_zone(chromium: Browser, filled_url: str, zone: str) -> None:
    """Every hour beside the axis lies within the last hour, as the reader's own clock has it."""
    local_start = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(minutes=ZONES[zone] - 62)
    with open_page(chromium, zone=zone) as page:
        page.goto(f"{filled_url}/transactions")
        page.locator(".xtick text").first.wait_for(state="attached")
        ticks = page.locator(".xtick text").all_text_contents()

    distances = clocks(ticks, local_start)
    assert len(distances) >= 2
    assert all(0 <= distance <= 64 for distance in distances), ticks


@pytest.mark.parametrize("zone", ["UTC", *ZONES])
def test_a_bar_says_when_it_was(chromium: Browser, filled_url: str, zone: str) -> None:
    """Hovering tells day and time, in the reader's zone."""
    local_start = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(minutes=ZONES.get(zone, 0) - 62)
    with open_page(chromium, zone=zone) as page:
        page.goto(f"{filled_url}/transactions")
        page.locator(".bars path").first.wait_for(state="attached")
        said = hover(page, "#chart-transactions")

    assert re.search(r"\d+ May \d\d:\d\d", said), said
    assert all(0 <= distance <= 64 for distance in clocks([said], local_start)), said


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-05-28T20:30Z", "2026-05-28T20:45Z", "28 May 22:30 to 28 May 22:45"),
        ("2025-12-31T22:30Z", "2026-01-01T11:00Z", "31 Dec 2025 23:30 to 1 Jan 12:00"),
        ("2020-01-01T00:00Z", "2026-05-28T20:45Z", "27 May 2025 22:45 to 28 May 22:45 (cut to its last 366 days)"),
    ],
)
def test_a_fixed_range_is_told_in_the_readers_zone(
    chromium: Browser, filled_url: str, start: str, end: str, said: str
) -> None:
    """With the year where it is another one, and with what became of a range that is too long."""
    with open_page(chromium, zone="Europe/Berlin") as page:
        page.goto(f"{filled_url}/issues?from={start}&to={end}")
        expect(page.locator(".fixed-range")).to_have_text(said)
