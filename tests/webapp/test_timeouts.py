"""A timeout says one thing on every page: what was waited for, for at least how long, and that nothing came back."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.webapp.test_pages import read, words
from tests.webapp.traffic import FIRST, trace_hex

TRANSACTION = f"/transactions/{trace_hex(9)}"
INVOCATION, CALL = f"{9 * 16:016x}", f"{9 * 16 + 1:016x}"
LOWER_BOUND = "≥ 2.95 s"


def details(filled: FlaskClient, span: str) -> str:
    return read(filled, f"{TRANSACTION}?span={span}").partition('<div class="panel-content"')[2]


def test_a_call_that_hung_is_said_to_have_never_returned(filled: FlaskClient) -> None:
    """In a sentence, not as an error that nothing reported."""
    html = details(filled, CALL)

    assert "It never returned It was still open shortly before the function's deadline." in words(html)
    assert "Unfinished" not in words(html)


def test_an_invocation_that_timed_out_is_called_that_in_its_panel(filled: FlaskClient) -> None:
    """In the words and the colour of the page around it."""
    html = details(filled, INVOCATION)

    assert "Timed out Task timed out after 3.00 seconds" in words(html)
    assert '<section class="failure timeout">' in html
    assert "Sandbox.Timedout" not in words(html).partition("Attributes")[0]


def test_a_link_promises_no_stack_where_there_is_none(filled: FlaskClient) -> None:
    """A timeout leaves no stack; a failure does."""
    assert "The invocation, with its event" in words(read(filled, TRANSACTION))
    assert "Stack and event" not in words(read(filled, TRANSACTION))
    assert "Stack and event" in words(read(filled, f"/transactions/{trace_hex(4)}"))


@pytest.mark.parametrize("place", ["strip", "graph", "timeline", "panel", "transactions", "function"])
def test_what_was_cut_off_took_at_least_so_long(filled: FlaskClient, place: str) -> None:
    """The same sign wherever its duration stands."""
    page = read(filled, TRANSACTION)
    match place:
        case "strip":
            html = page.partition("<dt>Duration</dt>")[2].partition("</div>")[0]
        case "graph":
            html = page.partition('class="drawing"')[2].partition("<section")[0]
        case "timeline":
            html = page.partition('id="timeline"')[2].partition("<section")[0]
        case "panel":
            html = details(filled, INVOCATION)
        case "transactions":
            html = read(filled, "/transactions?outcome=failed")
        case _:
            link = re.search(rf'href="(/functions/[^"?]+)[^"]*" title="{FIRST}"', read(filled, "/"))
            assert link is not None
            html = read(filled, f"{link[1]}?result=timeout")

    html = html.replace("\N{NO-BREAK SPACE}", " ")

    assert LOWER_BOUND in html
    assert "at least" not in html
    assert not re.search("(?<!≥ )2.95 s", html)
