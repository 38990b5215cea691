"""Sends forms as a browser would that has loaded a page of the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import session as own_session
from flask.testing import FlaskClient

from webapp import csrf

if TYPE_CHECKING:
    from werkzeug.test import TestResponse


def send_form(client: FlaskClient, path: str, **fields: str | list[str]) -> TestResponse:
    """POSTs the fields, with the hidden one that the client's pages would hold."""
    with client.session_transaction() as session:
        id = session.get(csrf.SESSION_ID, "")
    with client.application.test_request_context():
        own_session[csrf.SESSION_ID] = id
        token = csrf.token()
    return client.post(path, data={csrf.FIELD: token, **fields})
