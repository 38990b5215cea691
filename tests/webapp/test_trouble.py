"""Bad addresses, unknown hosts and a store out of reach: always a page that says what is wrong, never a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from collector.store.engine import open_engine
from collector.store.errors import DatabaseLocked
from tests.databases import create_sqlite
from tests.webapp.traffic import NOW_MS, trace_hex
from webapp import create_app
from webapp.security import HEADERS

PAGES = ("/", "/issues", "/transactions", "/map", f"/transactions/{trace_hex(4)}")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/functions/xyz",
        "/functions/ffffffffffffffff",
        "/functions/0000000000000001",
        "/transactions/" + "0" * 31,
        "/transactions/" + "e" * 32,
        f"/transactions/{trace_hex(4)}/spans/nonsense",
        "/static/none.css",
        "/transactions/%00",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(filled: FlaskClient, path: str) -> None:
    """Malformed ids, ids too large for the database and unknown ones alike."""
    response = filled.get(path)

    assert 404 == response.status_code
    assert "<h1>Nothing here</h1>" in response.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "query",
    [
        "sort=drop+table&dir=sideways",
        "range=forever",
        "from=x&to=y",
        "from=9999-12-31T23:59&to=0001-01-01T00:00",
        "cursor=%F0%9F%92%A9",
        "cursor=AAAA&q=%00%00",
        "function=zz&issue=ffffffffffffffff&resource=-1&result=maybe&outcome=no&cold=yes",
        "span=..%2F..%2Fetc&rows=all&logs=%5C",
        "q=" + "x" * 5000,
        "q=%25%27%22%3B--",
        "_external=1&_scheme=javascript&_anchor=x&_method=POST&endpoint=y",
        "function_id=1&transaction_id=2&filename=3",
        "type=%ED%A0%80",
    ],
)
def test_arguments_without_sense_are_ignored(filled: FlaskClient, path: str, query: str) -> None:
    """A mangled link shows the page with its defaults, and never a server error or a foreign address."""
    response = filled.get(f"{path}?{query}")

    assert 200 == response.status_code
    assert "javascript:" not in response.text


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_can_be_changed(filled: FlaskClient, path: str, method: str) -> None:
    """Pages only read; a list whose rows can be changed takes forms of the dashboard's own, and these only."""
    assert (403 if (path, method) == ("/issues", "post") else 405) == getattr(filled, method)(path).status_code


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost.evil.example:4318",
        "[::2]",
        "localhost:1@evil.example",
        "localhost:",
        "localhost:x",
        "localhost:80:80",
        "[::1]:x",
        "[::1]x",
        "[::1",
    ],
)
@pytest.mark.parametrize("path", ["/", "/static/css/base.css", "/nothing"])
def test_unknown_hosts_get_nothing(filled: FlaskClient, host: str, path: str) -> None:
    """A page of another site cannot read this one by pointing its name here."""
    response = filled.get(path, headers={"Host": host})

    assert 400 == response.status_code
    assert "<" not in response.text


@pytest.mark.parametrize("host", ["127.0.0.1:4318", "localhost", "LOCALHOST:80", "[::1]:4318", "[::1]"])
def test_loopback_is_answered_under_all_its_names(filled: FlaskClient, host: str) -> None:
    """Whatever a person types."""
    assert 200 == filled.get("/", headers={"Host": host}).status_code


def test_configured_hosts_are_answered(engine: Engine) -> None:
    """A name behind a proxy can be allowed."""
    client = create_app(engine, allowed_hosts=["Clew.internal"]).test_client()

    assert 200 == client.get("/", headers={"Host": "clew.internal:443"}).status_code


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/static/css/base.css"])
def test_every_answer_has_the_security_headers(filled: FlaskClient, path: str) -> None:
    """Pages, errors and static files alike; nothing may frame them or load from elsewhere."""
    with filled.get(path) as response:
        headers = response.headers

    assert HEADERS == {name: headers.get(name) for name in HEADERS}
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_pages_are_not_kept_and_named_versions_of_files_are(filled: FlaskClient) -> None:
    """A shared machine's cache holds no payloads; files are asked for once."""
    page = filled.get("/")
    stylesheet = page.text.partition('href="/static/css/base.css?v=')[2].partition('"')[0]

    assert "no-store" == page.headers["Cache-Control"]
    with filled.get(f"/static/css/base.css?v={stylesheet}") as named, filled.get("/static/js/times.js") as bare:
        assert "immutable" in named.headers["Cache-Control"]
        assert "no-cache" == bare.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/transactions", f"/transactions/{trace_hex(1)}"])
def test_a_store_that_is_gone_is_said_in_a_sentence(tmp_path: Path, path: str) -> None:
    """503 and Retry-After instead of a stack trace when the database file vanishes."""
    file = tmp_path / "clew.db"
    engine = open_engine(create_sqlite(file), read_only=True)
    client = create_app(engine, now=lambda: NOW_MS).test_client()
    assert client.get("/").status_code == 200

    engine.dispose()
    file.unlink()
    response = client.get(path)
    engine.dispose()

    assert 503 == response.status_code
    assert "The store is out of reach" in response.text
    assert "Retry-After" in response.headers
    assert "Traceback" not in response.text


def test_a_locked_store_is_said_in_its_own_words(filled_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's one sentence is what the page says."""

    def locked(*_: object, **__: object) -> None:
        raise DatabaseLocked("Another process holds the lock on clew.db.")

    monkeypatch.setattr("webapp.functions.views.list_functions", locked)
    response = filled_app.test_client().get("/")

    assert 503 == response.status_code
    assert "Another process holds the lock on clew.db." in response.text


def test_a_database_without_tables_is_a_store_out_of_reach() -> None:
    """What the store has no words for still is a page."""
    engine = create_engine("sqlite://")
    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.execute(text("SELECT * FROM functions"))

    assert 503 == create_app(engine).test_client().get("/").status_code
    engine.dispose()


def test_a_fault_of_ours_is_logged_and_not_shown(
    filled_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader gets a page, the operator the stack."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("webapp.functions.views.list_functions", broken)
    response = filled_app.test_client().get("/")

    assert 500 == response.status_code
    assert "Something broke in Clew" in response.text
    assert "secret detail" not in response.text
    assert "ZeroDivisionError" in caplog.text
