"""From the failing function to the cause, in a browser, over what the example's functions really sent."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.end_to_end.conftest import GOOD, WITH_SLASH, WITH_SPACE

MESSAGE = "Member must satisfy regular expression pattern: ^[0-9a-zA-Z._-]+"


def in_view(page: Page, text: str) -> bool:
    """Whether a person reads it without scrolling."""
    box = page.get_by_text(text).first.bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    return 0 <= box["y"] and box["y"] + box["height"] <= size["height"]


def test_functions_show_what_fails(page: Page) -> None:
    """Every function with its figures; the failing one says how often it fails."""
    page.goto("/")

    transcribe = page.get_by_role("row").filter(has_text="transcribe")
    summarize = page.get_by_role("row").filter(has_text="summarize")
    expect(transcribe).to_contain_text("eu-west-1")
    expect(transcribe).to_contain_text(re.compile(r"3\s*50\s?%"))
    expect(transcribe).to_contain_text(re.compile(r"\$0\.0000\d+"))
    expect(transcribe).to_contain_text(re.compile(r"/\s*256\s?MB"))
    expect(summarize).to_contain_text(re.compile(r"\d+\s?ms"))
    expect(summarize).not_to_contain_text("%")


def test_a_function_shows_the_cost_of_each_invocation(page: Page) -> None:
    """Charts, and every invocation with result, duration, cold start, cost and issue."""
    page.goto("/")
    page.get_by_role("link", name="transcribe", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("transcribe")
    expect(page.locator(".js-plotly-plot")).to_have_count(4)
    rows = page.locator("tbody tr:has(.row-link)")
    expect(rows).to_have_count(6)
    for row in rows.all():
        expect(row).to_contain_text(re.compile(r"\$0\.0000\d+"))
    expect(rows.filter(has_text="BadRequestException")).to_have_count(2)
    expect(rows.filter(has_text="Timed out")).to_have_count(1)
    expect(rows.filter(has_text="Success")).to_have_count(3)
    page.get_by_label("Cold starts only").check()
    expect(page).to_have_url(re.compile("cold=1"))
    expect(rows.first).to_be_visible()
    assert 1 <= rows.count() < 6


def test_an_issue_leads_to_its_invocations(page: Page) -> None:
    """Two failures with one cause are one issue, whose page lists them and leads to the function filtered to it."""
    page.goto("/issues")

    issue = page.get_by_role("row").filter(has_text="BadRequestException")
    expect(issue).to_have_count(1)
    expect(issue).to_contain_text("Transcribe.StartTranscriptionJob")
    expect(issue).to_contain_text("2")
    issue.get_by_role("link").filter(has_text="BadRequestException").first.click()

    expect(page).to_have_url(re.compile(r"/issues/[0-9a-f]{16}"))
    expect(page.locator(".samples tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Its invocations").click()
    expect(page).to_have_url(re.compile(r"/functions/[0-9a-f]{16}\?.*issue=[0-9a-f]{16}"))
    expect(page.locator("tbody tr:has(.row-link)")).to_have_count(2)


def test_the_cause_is_read_without_scrolling(page: Page) -> None:
    """On a desk and on a phone the Transcribe error stands at the top of the failing transaction."""
    page.goto("/transactions?q=transcribe&outcome=failed")
    page.locator("tbody tr").filter(has_text="BadRequestException").first.get_by_role("link").first.click()

    expect(page.get_by_role("heading", level=2).first).to_contain_text("BadRequestException")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("Transcribe.StartTranscriptionJob")
    assert in_view(page, MESSAGE)
    page.set_viewport_size({"width": 390, "height": 844})
    assert in_view(page, MESSAGE)


def test_the_failing_call_shows_its_payload_and_stack(page: Page) -> None:
    """One click from the cause: what was asked of Transcribe, what it answered, and the line that asked."""
    page.goto("/transactions?outcome=failed")
    page.locator("tbody tr").filter(has_text="BadRequestException").first.get_by_role("link").first.click()

    page.get_by_role("link", name="The call, with its payload").click()
    details = page.locator("#details")
    expect(details).to_contain_text("TranscriptionJobName")
    expect(details).to_contain_text(re.compile(f"{re.escape(WITH_SPACE)}|{re.escape(WITH_SLASH)}"))
    expect(page).to_have_url(re.compile("span="))
    page.get_by_role("link", name="Stack and event").click()
    expect(details).to_contain_text("transcribe.start_transcription_job(")
    expect(details).to_contain_text("ObjectCreated:Put")


def test_a_transaction_goes_on_through_the_bucket(page: Page) -> None:
    """The second function is in the same transaction: graph, timeline and log lines of both, by time."""
    page.goto("/transactions?q=summarize")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(len(GOOD))
    expect(rows.first).to_contain_text("DynamoDB")
    rows.first.get_by_role("link").first.click()

    graph = page.get_by_role("region", name="Graph")
    for node in ("recordings", "transcribe", "Transcribe", "transcripts", "summarize", "summaries"):
        expect(graph.get_by_text(node, exact=True).first).to_be_visible()
    timeline = page.get_by_role("region", name="Timeline")
    for line in ("transcribe", "StartTranscriptionJob", "summarize", "PutItem"):
        expect(timeline).to_contain_text(line)
    logs = page.get_by_role("region", name="Logs")
    expect(logs).to_contain_text(re.compile(r"New recording.*Started transcription job.*Stored the summary", re.DOTALL))


def test_a_timeout_shows_what_hung(page: Page) -> None:
    """The call that never returned is named as the cause."""
    page.goto("/transactions?outcome=failed")
    page.locator("tbody tr").filter(has_text="Timeout").first.get_by_role("link").first.click()

    cause = page.get_by_role("heading", level=2).first
    expect(cause).to_contain_text("Timed out while waiting for Transcribe.StartTranscriptionJob")
    assert in_view(page, "Task timed out after 3.00 seconds")


def test_the_map_connects_everything(page: Page) -> None:
    """Functions, buckets, Transcribe and the table, with calls, errors and latency on the edges."""
    page.goto("/map")

    for node in ("recordings", "transcribe", "Transcribe", "transcripts", "summarize", "summaries"):
        expect(page.locator("svg").get_by_text(node, exact=True).first).to_be_visible()
    calls = page.locator("tbody tr").filter(has_text=re.compile(r"transcribe\s+calls\s+Transcribe"))
    expect(calls).to_contain_text(re.compile(r"6\s+3\s*50\s?%"))
    expect(calls).to_contain_text(re.compile(r"\d(\s?ms|\s?s)"))
    handed = page.locator("tbody tr").filter(has_text=re.compile(r"Transcribe\s+writes to\s+transcripts"))
    expect(handed).to_contain_text("3")
    page.locator("svg a").filter(has_text="summaries").click()
    expect(page).to_have_url(re.compile(r"/transactions\?.*resource="))
    expect(page.locator("tbody tr")).to_have_count(len(GOOD))


def test_the_time_range_goes_along(page: Page) -> None:
    """Chosen once, it holds on every page; a range without traffic says so."""
    page.goto("/")
    page.get_by_role("link", name="15m").click()
    for name in ("Issues", "Transactions", "System map", "Functions"):
        page.get_by_role("navigation").get_by_role("link", name=name).first.click()
        expect(page).to_have_url(re.compile("range=15m"))
    page.goto("/transactions?from=2020-01-01T00:00&to=2020-01-02T00:00")
    expect(page.locator("tbody tr")).to_have_count(0)
