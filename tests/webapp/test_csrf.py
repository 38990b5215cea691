"""Forms that change something come from the dashboard's own pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Blueprint, Flask, redirect, render_template_string, request, session
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine
from werkzeug.wrappers import Response

from tests.browser import open_page, serve
from tests.webapp.forms import send_form
from webapp import create_app, csrf

PAGE = """
{% extends "base.html" %}
{% block content %}<form method="post" action="/note">{{ form_token() }}<input name="text"><button>Save</button></form>
<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endblock %}
"""


@pytest.fixture
def notes() -> list[str]:
    """What the form has changed."""
    return []


@pytest.fixture
def app(engine: Engine, notes: list[str]) -> Flask:
    """The dashboard, and a page of it with a form."""
    blueprint = Blueprint("notes", __name__)

    @blueprint.get("/note")
    def show() -> str:
        return render_template_string(PAGE, notes=notes)

    @blueprint.route("/note", methods=["POST", "PUT", "DELETE"])
    def add() -> Response:
        notes.append(request.form.get("text", "nothing"))
        return redirect("/note", 303)

    @blueprint.get("/begin")
    def begin() -> str:
        session[csrf.SESSION_ID] = request.args["id"]
        return ""

    app = create_app(engine)
    app.register_blueprint(blueprint)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def field(client: FlaskClient) -> str:
    """The value of the page's hidden field."""
    return hidden(client)


def hidden(client: FlaskClient) -> str:
    found = re.search(rf'name="{csrf.FIELD}" value="([0-9a-f]+)"', client.get("/note").text)
    assert found is not None
    return found[1]


def test_the_pages_own_form_is_taken(client: FlaskClient, field: str, notes: list[str]) -> None:
    """With the hidden field, and with what a browser of today says of where it comes from."""
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert 303 == client.post("/note", data={csrf.FIELD: field, "text": "one"}, headers=headers).status_code
    assert 303 == send_form(client, "/note", text="two").status_code
    assert ["one", "two"] == notes


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("given", [{}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "ü\0"}])
def test_without_the_field_nothing_changes(
    client: FlaskClient, notes: list[str], method: str, given: dict[str, str]
) -> None:
    """Whatever the method and whatever stands in its place, the answer is a page that says what to do."""
    answer = client.open("/note", method=method, data=given)

    assert 403 == answer.status_code
    assert "Nothing was changed" in answer.text
    assert [] == notes


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "null"},
        {"Origin": "http://[::"},
    ],
)
def test_another_site_is_refused_even_with_the_field(
    client: FlaskClient, field: str, notes: list[str], headers: dict[str, str]
) -> None:
    """What the browser says counts by itself."""
    answer = client.post("/note", data={csrf.FIELD: field, "text": "bad"}, headers=headers)

    assert 403 == answer.status_code
    assert "another site" in answer.text
    assert [] == notes


@pytest.mark.parametrize("origin", ["https://localhost", "http://LOCALHOST:80", "https://localhost:443"])
def test_the_scheme_may_be_a_proxys(client: FlaskClient, field: str, origin: str) -> None:
    """A proxy that ends TLS changes the scheme, not the host."""
    assert 303 == client.post("/note", data={csrf.FIELD: field}, headers={"Origin": origin}).status_code


def test_the_field_belongs_to_the_session(client: FlaskClient, field: str, notes: list[str]) -> None:
    """Of a visit before signing in, or of somebody else's session, it is not good."""
    client.get("/begin?id=a")
    mine = hidden(client)
    assert mine != field
    assert 403 == client.post("/note", data={csrf.FIELD: field}).status_code
    client.get("/begin?id=b")
    assert 403 == client.post("/note", data={csrf.FIELD: mine}).status_code
    assert [] == notes


def test_the_field_is_the_same_in_every_process_with_the_key(engine: Engine) -> None:
    """And with another key it is another."""

    def token(key: bytes | None) -> str:
        with create_app(engine, secret_key=key).test_request_context():
            return csrf.token()

    assert token(b"k" * 32) == token(b"k" * 32)
    assert 3 == len({token(b"k" * 32), token(None), token(None)})


def test_a_large_form_is_refused(client: FlaskClient, notes: list[str]) -> None:
    """Before it is read."""
    assert 413 == client.post("/note", data={"text": "x" * csrf.MAX_FORM_BYTES}).status_code
    assert [] == notes


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serve(app) as url:
        yield url


def test_in_a_browser(chromium: Browser, url: str, notes: list[str]) -> None:
    """The strict content security policy lets the form through, and an empty field is sent, too."""
    with open_page(chromium) as page:
        page.goto(f"{url}/note")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("li")).to_have_count(1)
        page.locator("input[name=text]").fill("<b>two")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("li")).to_have_count(2)
    assert ["", "<b>two"] == notes
