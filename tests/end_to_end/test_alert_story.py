"""The way of an alert in a browser, with nothing but AWS, Slack and the clock made up."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import DESKTOP, open_page
from tests.collector.alerts.breaking import CULPRIT, ERROR, GOOD, WAIT_S, Breaking, breaking_example, wait_for
from tests.collector.alerts.services.slack import WEBHOOK, Slack

RULE, RUNBOOK = "Transcription fails", "Look at the recording's name."
WAIT_MS = WAIT_S * 1_000


def follow(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.click()


def add_channel(page: Page, slack: Slack) -> None:
    """From the page of alerts, which says that nobody is told, to a channel that works."""
    expect(page.locator("main")).to_contain_text("Nobody is told of alerts: there is no channel yet.")
    page.get_by_role("link", name="Add Slack").click()
    follow(page, "Slack")
    page.locator("input[name=name]").fill("On call")
    page.locator("input[name=value-webhook_url]").fill(slack.url + WEBHOOK)
    page.get_by_role("button", name="Add the channel").click()
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("status")).to_contain_text("The test arrived")
    assert "it works" in slack.received[0].json()["text"]


def add_rule(page: Page) -> None:
    """Its preview follows what is filled in."""
    follow(page, "Alerts", "Rules", "New rule", "Errors")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("No alert since")
    page.locator("textarea[name=functions]").fill("transcripe")
    expect(preview).to_contain_text("No function that was seen so far is in the scope")
    page.locator("textarea[name=functions]").fill("transcribe")
    expect(preview).to_contain_text("No alert since")
    expect(preview.locator(".js-plotly-plot")).to_have_count(1)
    page.locator("input[name=name]").fill(RULE)
    page.locator("select[name=severity]").select_option("critical")
    page.locator("textarea[name=description]").fill(RUNBOOK)
    page.get_by_role("button", name="Create the rule").click()
    expect(page.get_by_role("row").filter(has_text=RULE)).to_contain_text("On call")


def read_alert(page: Page) -> Locator:
    """It comes by itself to a page that is live. Returns what happened, of its own page."""
    follow(page, "Now")
    page.get_by_role("button", name="Live").click()
    card = page.get_by_role("article").filter(has_text="critical")
    expect(card).to_be_visible(timeout=WAIT_MS)
    for words in ("transcribe fails", ERROR, CULPRIT, RUNBOOK, "1 of 2 invocations in 5 min"):
        expect(card).to_contain_text(words)
    card.get_by_role("heading").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("transcribe fails")
    expect(page.locator(".head").first).to_contain_text("open")
    expect(page.get_by_label("What it says")).to_contain_text("1 failed invocation in 5 min; the rule fires above 0.")
    events = page.get_by_role("region", name="What happened")
    expect(events).to_contain_text(re.compile(r"Told\s+On call\s+that it opened.*Opened", re.DOTALL), timeout=WAIT_MS)
    return events


def read_cause(page: Page) -> None:
    """One click from the alert to what broke, and back."""
    page.get_by_role("link", name="Sample transaction").first.click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text(f"{ERROR}")
    expect(page.get_by_role("heading", level=2).first).to_contain_text(CULPRIT)
    page.go_back()


def tell(scene: Breaking, slack: Slack, browser: Browser) -> None:
    with open_page(browser, DESKTOP) as page:
        page.goto(f"{scene.clew.url}/alerts")
        add_channel(page, slack)
        add_rule(page)
        scene.break_it()
        events = read_alert(page)
        read_cause(page)
        scene.mend()
        scene.pass_time()
        expect(page.locator(".head").first).to_contain_text("resolved", timeout=WAIT_MS)
        over = re.compile(r"Told\s+On call\s+that it is over.*Resolved\s+by itself.*Opened", re.DOTALL)
        expect(events).to_contain_text(over, timeout=WAIT_MS)
        follow(page, "Alerts")
        expect(page.locator("main")).to_contain_text("Nothing is wrong", timeout=WAIT_MS)
        expect(page.locator(".latest")).to_contain_text(RULE)


def test_an_alert_opens_and_resolves_before_ones_eyes(slack: Slack, browser: Browser, tmp_path: Path) -> None:
    """Somebody makes a channel and a rule, the example breaks, the alert says why, and the mended example ends it."""
    with breaking_example(tmp_path / "clew.db", tmp_path) as scene:
        scene.run()
        wait_for(lambda: b"transcribe" in scene.clew.get("/")[1], f"{GOOD} did not arrive")
        tell(scene, slack, browser)
    told = [str(received.json()) for received in slack.received]
    assert any("Resolved: transcribe fails" in text for text in told)
