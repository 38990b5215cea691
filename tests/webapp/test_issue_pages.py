"""The list of issues and the page of one: what they show, and what their forms change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from collector.domain.issue_states import Action, Decision
from collector.store import issue_states, tables
from collector.store.engine import open_engine
from tests.databases import create_sqlite
from tests.webapp.forms import send_form
from tests.webapp.traffic import NOW_MS, fill
from webapp import create_app
from webapp.identifiers import format_id

HOUR_MS = 3_600_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The example's traffic, which this test's own forms may change."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine) -> FlaskClient:
    return create_app(engine, now=lambda: NOW_MS).test_client()


@pytest.fixture
def issue(engine: Engine) -> tuple[int, str]:
    """The id and the type of the issue that was seen last."""
    with engine.connect() as connection:
        issues = tables.issues.c
        id, type = connection.execute(
            select(issues.id, issues.type).where(issues.kind == 0).order_by(issues.last_seen_ms.desc()).limit(1)
        ).one()
    return id, type


def state(engine: Engine, id: int) -> tuple[int, int | None, str] | None:
    with engine.connect() as connection:
        states = tables.issue_states.c
        row = connection.execute(
            select(states.status, states.until_ms, states.assignee).where(states.issue_id == id)
        ).one_or_none()
    return tuple(row) if row is not None else None


def test_the_page_of_an_issue(client: FlaskClient, issue: tuple[int, str]) -> None:
    """Type, function, message, stack, occurrences, history."""
    id, type = issue
    answer = client.get(f"/issues/{format_id(id)}?range=24h")
    assert answer.status_code == 200
    for words in (type, "Newest occurrences", "What to do", "Resolve", "First seen", 'id="stack"'):
        assert words in answer.text
    assert answer.text.count('class="row-link"') >= 1


def test_an_issue_that_nobody_knows(client: FlaskClient) -> None:
    answer = client.get("/issues/0000000000000abc")
    assert answer.status_code == 404
    assert "No issue with the id" in answer.text


def test_the_list_leads_to_the_page(client: FlaskClient, issue: tuple[int, str]) -> None:
    assert f'href="/issues/{format_id(issue[0])}?range=24h"' in client.get("/issues?range=24h").text


def test_resolve_and_open_again(client: FlaskClient, engine: Engine, issue: tuple[int, str]) -> None:
    """The form leads back to the page, which says so; the list's tabs follow."""
    id = issue[0]
    page = f"/issues/{format_id(id)}?range=24h"
    answer = send_form(client, "/issues", issue=format_id(id), action="resolve", back=page)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert state(engine, id) == (Decision.RESOLVED, None, "")
    assert 'class="status resolved"' in client.get(page).text
    assert format_id(id) not in client.get("/issues?range=24h").text
    assert format_id(id) in client.get("/issues?range=24h&status=resolved").text

    send_form(client, "/issues", issue=format_id(id), action="reopen")
    assert state(engine, id) == (Decision.OPEN, None, "")
    history = client.get(page).text
    assert history.index("Opened again") < history.index("Resolved</b>")


@pytest.mark.parametrize(("length", "until_ms"), [("8h", NOW_MS + 8 * HOUR_MS), ("ever", None)])
def test_mute(client: FlaskClient, engine: Engine, issue: tuple[int, str], length: str, until_ms: int | None) -> None:
    """For a time, or for ever."""
    id = issue[0]
    send_form(client, "/issues", **{"issue": format_id(id), "action": "mute", "for": length})
    assert state(engine, id) == (Decision.MUTED, until_ms, "")
    assert ("for ever" if until_ms is None else "until") in client.get(f"/issues/{format_id(id)}").text
    assert format_id(id) in client.get("/issues?range=24h&status=muted").text


def test_assign(client: FlaskClient, engine: Engine, issue: tuple[int, str]) -> None:
    """To any name; the list filters by it, and offers it."""
    id = issue[0]
    send_form(client, "/issues", issue=format_id(id), action="assign", assignee=" <b>Ada</b> ")
    assert state(engine, id) == (Decision.OPEN, None, "<b>Ada</b>")
    page = client.get("/issues?range=24h&assignee=%3Cb%3EAda%3C/b%3E").text
    assert format_id(id) in page
    assert "<b>Ada" not in page
    assert format_id(id) not in client.get("/issues?range=24h&assignee=-").text
    with engine.connect() as connection:
        assert connection.scalars(select(tables.issue_history.c.action)).all() == [Action.ASSIGNED]


def test_many_at_once(client: FlaskClient, engine: Engine) -> None:
    """All that are ticked in the list."""
    with engine.connect() as connection:
        ids = list(connection.scalars(select(tables.issues.c.id)))
    assert len(ids) > 1
    ticked: dict[str, Any] = {"issue": [format_id(id) for id in ids]}
    send_form(client, "/issues", action="resolve", **ticked)
    assert "No open issue" in client.get("/issues?range=24h").text


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "resolve", "issue": "x"},
        {"action": "explode", "issue": "1"},
        {"issue": "1"},
        {"action": "mute", "for": "42y", "issue": "1"},
    ],
)
def test_forms_that_make_no_sense(client: FlaskClient, fields: dict[str, str]) -> None:
    assert send_form(client, "/issues", **fields).status_code == 400


def test_a_form_leads_nowhere_else(client: FlaskClient, issue: tuple[int, str]) -> None:
    """Whatever it was made to say."""
    for back in ("https://evil.example/", "//evil.example/issues", "/\\evil.example", ""):
        answer = send_form(client, "/issues", issue=format_id(issue[0]), action="resolve", back=back)
        assert answer.headers["Location"].startswith("/issues")


def test_nothing_changes_without_the_forms_token(client: FlaskClient, engine: Engine, issue: tuple[int, str]) -> None:
    answer = client.post("/issues", data={"issue": format_id(issue[0]), "action": "resolve"})
    assert answer.status_code == 403
    assert state(engine, issue[0]) is None


def test_what_came_back_says_so(client: FlaskClient, engine: Engine, issue: tuple[int, str]) -> None:
    """Resolved before it was seen last: regressed, in the list, on its page and in its history."""
    id = issue[0]
    with engine.begin() as connection:
        last_ms = connection.scalar(select(tables.issues.c.last_seen_ms).where(tables.issues.c.id == id)) or 0
        issue_states.resolve(connection, [id], "ada", now=lambda: last_ms * 1_000_000)
        connection.execute(
            tables.issue_states.update().where(tables.issue_states.c.issue_id == id).values(since_ms=last_ms - 1)
        )
        connection.execute(tables.issue_changes.insert().values(issue_id=id, since_ms=last_ms - 1))
    page = client.get(f"/issues/{format_id(id)}?range=24h").text
    assert 'class="status regressed"' in page
    assert "Came back" in page
    assert 'by <span class="name">ada</span>' in page
    assert 'class="status regressed"' in client.get("/issues?range=24h&status=regressed").text
