"""The dashboard in a real Chromium: what scripts add, what styles promise. No page may make the browser complain."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import DESKTOP, PHONE, open_page
from tests.webapp.traffic import FIRST, MESSAGE, trace_hex

FAILED, WHOLE = f"/transactions/{trace_hex(4)}", f"/transactions/{trace_hex(1)}"
PAGES = ("/", "/issues", "/transactions", "/map", FAILED, WHOLE, "/issues?q=nothing")


def paths(page: Page, url: str) -> list[str]:
    page.goto(url)
    function = page.locator(".row-link").first.get_attribute("href")
    assert function is not None
    return [*PAGES, function, f"{FAILED}?span={4 * 16 + 2:016x}"]


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE, (820, 1100)], ids=["desktop", "phone", "tablet"])
def test_no_page_scrolls_sideways_or_complains(
    chromium: Browser,
    filled_url: str,
    size: tuple[int, int],
    dark: bool,
) -> None:
    """At every width, in both themes; the policy against foreign and inline code holds in a real browser."""
    with open_page(chromium, size, dark=dark) as page:
        for path in paths(page, filled_url):
            page.goto(filled_url + path)
            if page.locator(".chart").count():
                page.locator(".chart .main-svg").first.wait_for(state="attached")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_cause_is_read_without_scrolling(chromium: Browser, filled_url: str, size: tuple[int, int]) -> None:
    """Type, failing call and message are on the first screen."""
    with open_page(chromium, size) as page:
        page.goto(filled_url + FAILED)
        cause = page.locator(".cause")
        for part in (cause.locator("h2"), cause.get_by_text(MESSAGE)):
            box = part.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= size[1]
        expect(cause).to_contain_text("Transcribe.StartTranscriptionJob")


def test_the_theme_is_switched_and_remembered(chromium: Browser, filled_url: str) -> None:
    """Dark stays dark on the next page, charts included, and before the first paint."""
    with open_page(chromium) as page:
        page.goto(filled_url)
        light = background(page)
        page.get_by_role("button", name="Switch between light and dark").click()
        dark = background(page)
        assert dark != light
        page.goto(f"{filled_url}/transactions")
        assert dark == background(page)
        assert "dark" == page.evaluate("document.documentElement.dataset.theme")
        page.locator(".bars path").first.wait_for(state="attached")
        before = page.locator(".bars path").last.evaluate("node => getComputedStyle(node).fill")
        page.get_by_role("button", name="Switch between light and dark").click()
        expect(page.locator(".bars path").last).not_to_have_css("fill", before)


def test_the_systems_theme_is_followed(chromium: Browser, filled_url: str) -> None:
    """Without a choice here, the system's holds."""
    grounds = []
    for dark in (False, True):
        with open_page(chromium, dark=dark) as page:
            page.goto(filled_url)
            grounds.append(background(page))

    assert grounds[0] != grounds[1]


def test_the_time_range_goes_along_from_page_to_page(chromium: Browser, filled_url: str) -> None:
    """Chosen once, it holds through a whole walk."""
    with open_page(chromium) as page:
        page.goto(filled_url)
        page.get_by_role("link", name="24h").click()
        for step in ("Issues", "Transactions", "System map", "Functions"):
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=step).click()
            expect(page).to_have_url(re.compile("range=24h"))
            expect(page.get_by_role("link", name="24h")).to_have_attribute("aria-current", "true")
        page.get_by_role("link", name=FIRST).click()
        expect(page).to_have_url(re.compile("range=24h"))


def test_a_fixed_range_is_chosen_in_local_time_and_sent_as_utc(chromium: Browser, filled_url: str) -> None:
    """In Berlin, 22:30 in summer is 20:30 UTC; the fields show it as it was chosen."""
    with open_page(chromium, zone="Europe/Berlin") as page:
        page.goto(f"{filled_url}/transactions?q=store")
        page.get_by_text("Custom").click()
        page.get_by_label("From", exact=True).fill("2026-05-28T22:30")
        page.get_by_label("To", exact=True).fill("2026-05-28T22:33")
        page.get_by_role("button", name="Show").click()
        expect(page).to_have_url(re.compile(r"q=store.*from=2026-05-28T20%3A30Z&to=2026-05-28T20%3A33Z"))
        page.get_by_text("Custom").click()
        expect(page.get_by_label("From", exact=True)).to_have_value("2026-05-28T22:30")


def test_times_are_the_readers_own(chromium: Browser, filled_url: str) -> None:
    """A person in Tokyo reads Tokyo's time, with UTC in the tooltip."""
    with open_page(chromium, zone="Asia/Tokyo") as page:
        page.goto(filled_url + FAILED)
        started = page.locator(".strip time")
        expect(started).to_have_text(re.compile("29.May 2026 05:30:40"))
        expect(started).to_have_attribute("title", "2026-05-28 20:30:40 UTC")


def test_charts_are_drawn_without_clutter(chromium: Browser, filled_url: str) -> None:
    """Four charts, no tool bar, hover text in words."""
    with open_page(chromium) as page:
        page.goto(paths(page, filled_url)[-2].join((filled_url, "")))
        expect(page.locator(".chart .main-svg:first-of-type")).to_have_count(4)
        expect(page.locator(".modebar")).to_have_count(0)
        box = page.locator("#chart-invocations .nsewdrag").bounding_box()
        assert box is not None
        hovered = page.locator("#chart-invocations .hovertext")
        for share in range(1, 40):
            page.mouse.move(box["x"] + box["width"] * share / 40, box["y"] + box["height"] - 4)
            if hovered.count() and re.search("[1-9]", hovered.first.text_content() or ""):
                break
        expect(hovered.first).to_contain_text("invocations")


def test_a_span_opens_in_place_and_its_address_can_be_shared(chromium: Browser, filled_url: str) -> None:
    """Click, read, share, close, go back: the address always says what is open."""
    with open_page(chromium) as page:
        page.goto(filled_url + FAILED)
        panel = page.locator("#details")
        expect(panel).to_be_hidden()
        page.locator(".waterfall .span").last.click()
        expect(panel.get_by_role("heading", name="StartTranscriptionJob")).to_be_visible()
        expect(panel).to_contain_text("masked")
        shared = page.url
        assert "span=" in shared
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        assert "span=" not in page.url
        page.go_back()
        expect(panel.get_by_role("heading", name="StartTranscriptionJob")).to_be_visible()
        page.goto(shared)
        expect(panel.get_by_role("heading", name="StartTranscriptionJob")).to_be_visible()
        expect(page.locator(".waterfall .span.selected")).to_contain_text("StartTranscriptionJob")


def test_a_node_of_the_graph_opens_its_span(chromium: Browser, filled_url: str) -> None:
    """A click on the failing function shows its exception with the library's frames folded."""
    with open_page(chromium) as page:
        page.goto(filled_url + FAILED)
        page.locator("a.node.failed", has_text=FIRST).click()
        panel = page.locator("#details")
        expect(panel.get_by_role("heading", name=FIRST)).to_be_visible()
        frames = panel.locator("details.library").first
        expect(frames).not_to_have_attribute("open", "")
        frames.locator("summary").click()
        expect(frames).to_contain_text("botocore/client.py")


def test_the_timeline_is_walked_with_the_keyboard(chromium: Browser, filled_url: str) -> None:
    """Enter opens a row, Escape closes it and the focus is back where it was."""
    with open_page(chromium) as page:
        page.goto(filled_url + FAILED)
        row = page.locator(".waterfall .span").nth(1)
        row.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#details h2")).to_be_focused()
        page.keyboard.press("Escape")
        expect(row).to_be_focused()


def test_log_lines_are_filtered_while_typing(chromium: Browser, filled_url: str) -> None:
    """Without asking the server again."""
    with open_page(chromium) as page:
        page.goto(filled_url + FAILED)
        lines = page.locator(".lines .line:visible")
        expect(lines).to_have_count(2)
        page.get_by_placeholder("Find in logs").fill("COULD not")
        expect(lines).to_have_count(1)
        page.get_by_placeholder("Find in logs").fill("nothing like it")
        expect(page.get_by_text("No line holds that text.")).to_be_visible()


def test_the_map_is_zoomed(chromium: Browser, filled_url: str) -> None:
    """In, and back to all of it."""
    with open_page(chromium) as page:
        page.goto(f"{filled_url}/map")
        drawing = page.locator("svg.drawing")
        first = drawing.bounding_box()
        page.get_by_role("button", name="Zoom in").click()
        second = drawing.bounding_box()
        page.get_by_role("button", name="Fit").click()
        assert first is not None
        assert second is not None
        assert second["width"] > first["width"] * 1.2
        assert first == drawing.bounding_box()


def test_live_fetches_the_page_again(chromium: Browser, filled_url: str) -> None:
    """Switched on, the list is fetched at once and what is shown stays in place."""
    with open_page(chromium) as page:
        page.goto(filled_url)
        button = page.get_by_role("button", name="Live")
        with page.expect_request(
            lambda request: request.url.startswith(filled_url) and request.resource_type == "fetch"
        ):
            button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("link", name=FIRST)).to_be_visible()
        button.click()


def test_live_leaves_unfolded_what_was(chromium: Browser, filled_url: str) -> None:
    """The page that came in its place is unfolded as the one before."""
    with open_page(chromium) as page:
        page.goto(filled_url)
        page.get_by_role("link", name=FIRST).click()
        page.get_by_text("Cost by part").click()
        page.evaluate("document.querySelector('.costs').dataset.before = ''")
        button = page.get_by_role("button", name="Live")
        button.click()
        expect(page.locator(".costs[data-before]")).to_have_count(0)
        expect(page.locator(".costs[open]")).to_have_count(1)
        button.click()


def test_pages_work_without_scripts(chromium: Browser, filled_url: str) -> None:
    """Tables, filters and the panel are there; buttons that need scripts are not."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{filled_url}/transactions")
    page.get_by_label("Result").select_option("failed")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.get_by_role("button", name="Live")).to_have_count(0)
    page.goto(filled_url + FAILED)
    page.locator(".waterfall .span").last.click()
    expect(page.locator("#details").get_by_role("heading", name="StartTranscriptionJob")).to_be_visible()
    context.close()


def test_the_custom_range_fits_a_phone(chromium: Browser, filled_url: str) -> None:
    """Its fields and its button are within the screen."""
    with open_page(chromium, PHONE) as page:
        page.goto(filled_url)
        page.get_by_text("Custom").click()
        for part in (page.get_by_label("From", exact=True), page.get_by_role("button", name="Show")):
            box = part.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= PHONE[0] - 14
