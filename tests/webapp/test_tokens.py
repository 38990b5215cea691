"""The tokens' page: made once, shown once, revoked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from collector.store.tokens import Limits, Scope, Tokens, Use, digest_of
from tests.browser import DESKTOP, PHONE, open_page, serve
from tests.webapp.forms import send_form
from tests.webapp.traffic import NOW_MS
from tests.webapp.visitors import locked_app
from webapp import create_app

SECRET = re.compile(r"clew_(?:ingest|dashboard)_[\w-]{43}")


@pytest.fixture
def tokens(engine: Engine) -> Tokens:
    return Tokens(engine)


def test_an_ingest_token(client: FlaskClient, tokens: Tokens) -> None:
    """The answer shows it with what a function needs; no later page does."""
    answer = send_form(client, "/tokens", name=" prod ", scope="ingest", max_requests_s="1,000", max_bytes_s="")
    (secret,) = set(SECRET.findall(answer.text))

    assert 200 == answer.status_code
    assert "no-store" == answer.headers["Cache-Control"]
    assert f"OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{secret}" in answer.text
    token = tokens.active()[digest_of(secret)]
    assert ("prod", Scope.INGEST, Limits(max_requests_s=1000), NOW_MS) == (
        token.name,
        token.scope,
        token.limits,
        token.created_ms,
    )
    page = client.get("/tokens").text
    assert secret not in page
    assert f"…{secret[-4:]}" in page


def test_sent_again_it_makes_no_second(client: FlaskClient, tokens: Tokens) -> None:
    """A reloaded answer meets its own name."""
    for status in (200, 400):
        assert status == send_form(client, "/tokens", name="prod", scope="dashboard").status_code
    assert 1 == len(tokens.active())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "scope": "ingest"}, "needs a name"),
        ({"name": "a", "scope": "root"}, "ingest or dashboard"),
        ({"name": "a"}, "ingest or dashboard"),
        ({"name": "a", "scope": "ingest", "max_bytes_s": "-1"}, "Bytes a second: a whole number"),
        ({"name": "a", "scope": "ingest", "max_bytes_s": "1e9"}, "Bytes a second: a whole number"),
        ({"name": "a", "scope": "ingest", "max_bytes_s": "9" * 30}, "Bytes a second: a whole number"),
        ({"name": "a", "scope": "ingest", "max_requests_s": "0"}, "numbers from 1 on"),
        ({"name": "a", "scope": "dashboard", "max_requests_s": "5"}, "for ingest tokens"),
    ],
)
def test_what_cannot_be_made(client: FlaskClient, tokens: Tokens, fields: dict[str, str], said: str) -> None:
    """The page says why, and keeps what was typed."""
    answer = send_form(client, "/tokens", **fields)
    assert 400 == answer.status_code
    assert said in answer.text
    assert {} == tokens.active()


def test_hostile_names_are_text(client: FlaskClient) -> None:
    """Wherever they are shown."""
    evil = '"><script>alert(1)</script>'
    made = send_form(client, "/tokens", name=evil, scope="ingest").text
    again = send_form(client, "/tokens", name=evil, scope="ingest").text
    for page in (made, again, client.get("/tokens").text):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_revoking(client: FlaskClient, tokens: Tokens) -> None:
    """It stays in the list, and cannot be revoked again."""
    token, _ = tokens.create("prod", Scope.INGEST, now_ms=NOW_MS)
    assert "/revoke" in client.get("/tokens").text
    assert 303 == send_form(client, f"/tokens/{token.id}/revoke").status_code
    assert {} == tokens.active()
    page = client.get("/tokens").text
    assert "revoked" in page
    assert "/revoke" not in page
    assert 404 == send_form(client, f"/tokens/{token.id}/revoke").status_code


def test_what_each_was_used_for(client: FlaskClient, tokens: Tokens) -> None:
    """Requests, bytes, refusals and when."""
    _, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW_MS - 9_000_000)
    tokens.add_uses([Use(digest_of(secret), NOW_MS - 120_000, 12_345, 8_390_000, 7)])
    page = client.get("/tokens").text
    for text in ("12\N{NARROW NO-BREAK SPACE}345", "8.39\N{NO-BREAK SPACE}MB", ">7<", "2 min ago"):
        assert text.replace(" ", "\N{NO-BREAK SPACE}") in page.replace(" ", "\N{NO-BREAK SPACE}")


def test_revoking_ones_own_signs_out(engine: Engine, tokens: Tokens) -> None:
    """As the page says before."""
    token, secret = tokens.create("ann", Scope.DASHBOARD, now_ms=NOW_MS)
    client = locked_app(engine).test_client()
    send_form(client, "/sign-in", token=secret)
    assert "You are signed in with it and will be signed out." in client.get("/tokens").text
    assert 303 == send_form(client, f"/tokens/{token.id}/revoke").status_code
    assert client.get("/tokens").headers["Location"].startswith("/sign-in")


@pytest.fixture
def url(engine: Engine, tokens: Tokens) -> Iterator[str]:
    tokens.create("an old one with a rather long name", Scope.INGEST, now_ms=NOW_MS - 10**9)
    tokens.revoke("an old one with a rather long name", now_ms=NOW_MS - 10**8)
    tokens.create("ann", Scope.DASHBOARD, now_ms=NOW_MS - 10**7)
    with serve(create_app(engine, now=lambda: NOW_MS)) as url:
        yield url


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_in_a_browser(chromium: Browser, url: str, tokens: Tokens, size: tuple[int, int]) -> None:
    """Made with limits, copied, revoked in two steps."""
    with open_page(chromium, size) as page:
        page.goto(f"{url}/")
        page.get_by_role("link", name="Tokens").click()
        page.get_by_label("Name").fill("prod")
        page.get_by_text("Limits of an ingest token").click()
        page.get_by_label("Requests a second").fill("500")
        page.get_by_role("button", name="Create").click()
        shown = page.locator(".secret code").inner_text()
        assert Limits(max_requests_s=500) == tokens.active()[digest_of(shown)].limits
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        row = page.get_by_role("row").filter(has_text="prod")
        expect(row).to_contain_text("500 requests/s")
        row.get_by_text("Revoke", exact=True).click()
        page.get_by_role("button", name="Revoke prod").click()
        expect(page.locator(".secret")).to_have_count(0)
        expect(page.get_by_role("row").filter(has_text="prod")).to_contain_text("revoked")
    assert ["ann"] == [token.name for token in tokens.active().values()]
