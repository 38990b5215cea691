"""The whole of it, once for all stories: Clew, the example's functions, an AWS on loopback, and a browser."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from examples.audio_to_text.example import running_example
from tests.browser import launch_chromium
from tests.collector.alerts.services.fixtures import authority, slack, trusted
from tests.collector.app.clew import Clew

__all__ = ["authority", "slack", "trusted"]

GOOD = ("podcast-042.mp3", "interview-7.mp3", "voicemail-3.wav")
WITH_SPACE, WITH_SLASH, STALLED = "customer call 17.wav", "2026/11/interview-8.mp3", "conference-day-2.wav"
INVOCATIONS = 2 * len(GOOD) + 3  # each good recording's transcript sets off the second function
WAIT_S = 60


@dataclass(frozen=True)
class Story:
    """Where the dashboard is, with all of the example's traffic in it."""

    url: str


def stitched(database: Path) -> int:
    """Invocations that are stored and belong to a transaction that is stored."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("SELECT coalesce(sum(invocations), 0) FROM transactions").fetchone()
        (waiting,) = connection.execute("SELECT count(*) FROM stitch_queue").fetchone()
    return 0 if waiting else int(found)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    database = folder / "clew.db"
    with Clew(database) as clew, running_example(otlp_endpoint=clew.url, directory=folder) as example:
        for key in (*GOOD, WITH_SPACE, WITH_SLASH, STALLED):
            example.upload(key)
        example.wait_idle()
        deadline = time.monotonic() + WAIT_S
        while stitched(database) < INVOCATIONS:
            assert time.monotonic() < deadline, f"{stitched(database)} of {INVOCATIONS} invocations arrived"
            time.sleep(0.05)
        yield Story(clew.url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """No longer than a module: while Playwright runs, no other test of this process can start an event loop."""
    with launch_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, story: Story) -> Iterator[Page]:
    """A page that fails the test for anything that the browser complains about or asks of another address."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=story.url)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(story.url) else complaints.append(request.url))
    yield page
    context.close()
    assert [] == complaints
