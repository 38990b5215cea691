"""Payloads as files: whole, as they were received, and never anything that a browser would run."""

from __future__ import annotations

import json
import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy import Engine

from tests.browser import open_page
from tests.collector.domain import otlp
from tests.webapp.traffic import FIRST, Traffic, trace_hex

TRANSACTION = f"/transactions/{trace_hex(4)}"


def span_keys(client: FlaskClient, transaction: str = TRANSACTION) -> list[str]:
    """In the timeline's order."""
    return re.findall(r'data-span="([^"]+)"', client.get(transaction).text.partition('class="waterfall"')[2])


def test_a_payload_is_downloaded_as_it_was_received(filled: FlaskClient) -> None:
    """Plain text, byte for byte, in a file that says what it is."""
    key = span_keys(filled)[2]
    response = filled.get(f"{TRANSACTION}/spans/{key}/request")

    assert {"TranscriptionJobName": "my holiday.mp3"}.items() <= json.loads(response.data).items()
    assert "text/plain; charset=utf-8" == response.headers["Content-Type"]
    assert "nosniff" == response.headers["X-Content-Type-Options"]
    assert f"attachment; filename={key}-request.txt" == response.headers["Content-Disposition"]


@pytest.mark.parametrize("part", ["request", "response"])
def test_an_unknown_span_has_no_payload(filled: FlaskClient, part: str) -> None:
    """A mangled link is a page that says so."""
    assert 404 == filled.get(f"{TRANSACTION}/spans/nonsense/{part}").status_code


def test_a_part_that_was_not_recorded_is_no_file(filled: FlaskClient) -> None:
    """Absent is not empty; and there are two parts, no others."""
    keys = span_keys(filled)
    answers = {filled.get(f"{TRANSACTION}/spans/{keys[0]}/{part}").status_code for part in ("response", "cookies")}

    assert {404} == answers


def test_a_huge_payload_does_not_make_a_huge_page(client: FlaskClient, engine: Engine) -> None:
    """Its beginning is shown with what is left out; the whole is a file away."""
    body = json.dumps([{"number": number, "text": "</pre><script>"} for number in range(20_000)])
    Traffic(engine).send(otlp.export(spans=[otlp.invocation(FIRST, id=64, trace=4, attrs={"clew.event": body})]))
    [key] = span_keys(client)
    panel = client.get(f"{TRANSACTION}/spans/{key}")
    whole = client.get(f"{TRANSACTION}/spans/{key}/request")

    assert len(body) > 800_000
    assert len(panel.data) < 500_000
    assert "characters are not shown" in panel.text
    assert f"{key}/request" in panel.text
    assert body == whole.text


def test_a_payload_is_copied_whole(chromium: Browser, filled_url: str, filled: FlaskClient) -> None:
    """The clipboard holds what was received, not what was laid out for reading."""
    key = span_keys(filled)[2]
    with open_page(chromium) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{filled_url}{TRANSACTION}?span={key}#details")
        page.locator("#details").get_by_role("button", name="Copy").first.click()
        page.locator("#details [data-copied]").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")

    assert filled.get(f"{TRANSACTION}/spans/{key}/request").text == copied
