"""Signing in: who gets in, how long, from where; and what nobody gets without."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from collector.store.tokens import Scope, Tokens
from tests.browser import PHONE, open_page, serve
from tests.webapp.forms import send_form
from tests.webapp.traffic import NOW_MS
from tests.webapp.visitors import Now, locked_app
from webapp.sign_in.attempts import MAX_ADDRESSES, MOST, WINDOW_MS, Attempts

PAGES = ("/", "/issues", "/transactions", "/map", "/tokens", "/transactions/" + "0" * 32, "/no-such-page")


@pytest.fixture
def tokens(engine: Engine) -> Tokens:
    return Tokens(engine)


@pytest.fixture
def secret(tokens: Tokens) -> str:
    """A dashboard token."""
    return tokens.create("ann", Scope.DASHBOARD, now_ms=NOW_MS)[1]


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def app(engine: Engine, now: Now) -> Flask:
    return locked_app(engine, now=now)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(client: FlaskClient, secret: str, **fields: str) -> int:
    return send_form(client, "/sign-in", token=secret, **fields).status_code


@pytest.mark.parametrize("page", PAGES)
def test_no_page_without(client: FlaskClient, page: str) -> None:
    """Every page leads to the sign-in, which leads back; nothing tells what is there and what not."""
    answer = client.get(f"{page}?range=1h")

    assert 303 == answer.status_code
    assert answer.headers["Location"].startswith("/sign-in?next=")
    assert "Set-Cookie" not in answer.headers


def test_what_needs_none(client: FlaskClient) -> None:
    """The sign-in itself, and what it looks like."""
    page = client.get("/sign-in")
    assert 200 == page.status_code
    for path in re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text):
        with client.get(path) as answer:
            assert 200 == answer.status_code
    assert "/issues" not in page.text


@pytest.mark.parametrize("path", ["/tokens", "/sign-out", "/tokens/0/revoke"])
def test_nothing_is_changed_without(client: FlaskClient, tokens: Tokens, path: str) -> None:
    """With a form that is good in itself."""
    assert 401 == send_form(client, path, name="evil", scope="dashboard").status_code
    assert {} == tokens.active()


def test_a_script_is_told_401(client: FlaskClient) -> None:
    """A page that refreshes itself must not show the sign-in in its place."""
    assert 401 == client.get("/", headers={"Sec-Fetch-Dest": "empty"}).status_code


def test_signing_in_and_out(client: FlaskClient, secret: str) -> None:
    """Back to where it was asked for, and out again for good."""
    assert 303 == sign_in(client, secret)
    assert 200 == client.get("/").status_code
    assert "Sign out" in client.get("/issues").text
    assert "Make an ingest token" in client.get("/").text  # nothing was received yet, and sending takes one
    assert 303 == client.get("/sign-in").status_code
    assert send_form(client, "/sign-out").headers["Location"].startswith("/sign-in")
    assert 303 == client.get("/").status_code


def test_the_cookie(client: FlaskClient, secret: str) -> None:
    """Out of reach of scripts and other sites, Secure under TLS only, and without the token."""
    cookie = send_form(client, "/sign-in", token=secret).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert secret not in cookie

    client.delete_cookie(cookie.partition("=")[0])
    with client.session_transaction() as session:
        session.clear()
    page = client.get("/sign-in", base_url="https://localhost").text
    field = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert field is not None
    answer = client.post("/sign-in", data={"form_token": field[1], "token": secret}, base_url="https://localhost")
    assert "; Secure" in answer.headers["Set-Cookie"]


def test_two_installations_on_one_host(engine: Engine) -> None:
    """Cookies know no ports, so each installation's has a name of its own, the same in all its processes."""
    names = []
    for key in (b"a" * 32, b"a" * 32, b"b" * 32):
        app = locked_app(engine, secret_key=key)
        with app.test_request_context():
            names.append(app.session_interface.get_cookie_name(app))
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("given", ["", " ", "clew_dashboard_wrong", "ü" * 50, "\0", "x" * 10_000, "' OR 1=1 --"])
def test_what_does_not_get_in(client: FlaskClient, secret: str, given: str) -> None:
    """And is not shown again."""
    answer = send_form(client, "/sign-in", token=given)
    assert 403 == answer.status_code
    assert "not known here, or was revoked" in answer.text
    assert "OR 1=1" not in answer.text
    assert 303 == client.get("/").status_code


def test_an_ingest_token_does_not_get_in(client: FlaskClient, tokens: Tokens) -> None:
    """Functions must not look, and whoever mixes them up is told."""
    _, ingest = tokens.create("prod", Scope.INGEST, now_ms=NOW_MS)
    answer = send_form(client, "/sign-in", token=ingest)
    assert 403 == answer.status_code
    assert "That is an ingest token" in answer.text


def test_a_revoked_token_ends_its_sessions(client: FlaskClient, tokens: Tokens, secret: str) -> None:
    """With the next request."""
    sign_in(client, secret)
    tokens.revoke("ann", now_ms=NOW_MS)
    assert 303 == client.get("/").status_code
    assert 403 == sign_in(client, secret)


def test_a_forged_cookie_is_none(client: FlaskClient, engine: Engine, secret: str) -> None:
    """Signed with another key it is as if it were not there."""
    other = locked_app(engine, secret_key=b"o" * 32).test_client()
    cookie = send_form(other, "/sign-in", token=secret).headers["Set-Cookie"].split(";")[0].partition("=")[2]
    name = client.application.session_interface.get_cookie_name(client.application)
    client.set_cookie(name, cookie)
    assert 303 == client.get("/").status_code


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("/issues?q=a%20b&range=1h", "/issues?q=a%20b&range=1h"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_where_it_leads(client: FlaskClient, secret: str, wanted: str, found: str) -> None:
    """To a page of ours only."""
    location = send_form(client, "/sign-in", token=secret, next=wanted).headers["Location"]
    assert found == (location if found != "/" else location.partition("?")[0])


def test_attempts_are_throttled(client: FlaskClient, secret: str, now: Now) -> None:
    """After a few failures an address waits, even with the right token; another address need not."""
    for _ in range(MOST):
        assert 403 == sign_in(client, "wrong")
    answer = send_form(client, "/sign-in", token=secret)
    assert (429, "60") == (answer.status_code, answer.headers["Retry-After"])
    other = client.application.test_client()
    other.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    assert 303 == sign_in(other, secret)
    now.ms += WINDOW_MS
    assert 303 == sign_in(client, secret)


def test_addresses_that_are_one() -> None:
    """An IPv6 network of 2**64 is one, an IPv4 address in IPv6's form is itself, and memory is bounded."""
    attempts = Attempts()
    for index in range(MOST):
        attempts.failed(f"2001:db8::{index}", NOW_MS)
        attempts.failed(f"::ffff:203.0.113.{index}", NOW_MS)
        attempts.failed("not an address", NOW_MS)
    assert 60 == attempts.wait_s("2001:db8::ffff", NOW_MS)
    assert 1 == attempts.wait_s("2001:db8::ffff", NOW_MS + WINDOW_MS - 1)
    assert 0 == attempts.wait_s("2001:db8:0:1::", NOW_MS)
    assert 0 == attempts.wait_s("203.0.113.1", NOW_MS)
    assert 60 == attempts.wait_s("not an address", NOW_MS)
    for index in range(MAX_ADDRESSES):
        attempts.failed(f"10.0.{index // 256}.{index % 256}", NOW_MS)
    assert 0 == attempts.wait_s("not an address", NOW_MS)
    assert MAX_ADDRESSES == len(attempts._failed)


def test_any_name_will_do_where_visitors_sign_in(client: FlaskClient, secret: str) -> None:
    """The address that people use is theirs to choose; nonsense is still refused."""
    assert 303 == client.get("/", headers={"Host": "clew.example.com"}).status_code
    assert 200 == client.get("/sign-in", headers={"Host": "192.0.2.7:4318"}).status_code
    assert 400 == client.get("/sign-in", headers={"Host": "a/b"}).status_code


@pytest.mark.parametrize("trusted", [0, 1])
def test_a_proxy_is_believed_where_it_is_told(engine: Engine, trusted: int) -> None:
    """Only then are its scheme, host and client address taken."""
    client = locked_app(engine, trusted_proxies=trusted).test_client()
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "clew.example.com", "X-Forwarded-For": "203.0.113.9"}
    for _ in range(MOST):
        assert 403 == send_form(client, "/sign-in", token="wrong").status_code
    page = client.get("/sign-in", headers=headers).text
    field = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert field is not None
    answer = client.post("/sign-in", data={"form_token": field[1], "token": "wrong"}, headers=headers)
    assert (403 if trusted else 429) == answer.status_code


def test_where_only_this_machine_comes_nobody_signs_in(engine: Engine) -> None:
    """Unless a proxy passed the request on: then the dashboard is as locked as on any other address."""
    client = locked_app(engine, required=lambda environ: "HTTP_X_FORWARDED_FOR" in environ).test_client()
    assert 200 == client.get("/").status_code
    assert "Sign out" not in client.get("/").text
    assert "Make an ingest token" not in client.get("/").text
    assert 400 == client.get("/", headers={"Host": "evil.example"}).status_code
    assert 303 == client.get("/", headers={"X-Forwarded-For": "203.0.113.9", "Host": "clew.example.com"}).status_code


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serve(app) as url:
        yield url


@pytest.mark.parametrize("size", [(1440, 900), PHONE], ids=["desk", "phone"])
def test_in_a_browser(chromium: Browser, url: str, secret: str, size: tuple[int, int]) -> None:
    """From a page to the sign-in, in, to that page, and out."""
    with open_page(chromium, size) as page:
        page.goto(f"{url}/issues?range=1h")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.get_by_label("Token").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile(r"/issues\?range=1h$"))
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/sign-in"))
        page.goto(f"{url}/tokens")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_another_site_signs_nobody_in(client: FlaskClient, secret: str) -> None:
    """A form without the hidden field is not taken, however good its token."""
    assert 403 == client.post("/sign-in", data={"token": secret}).status_code
    assert 303 == client.get("/").status_code
