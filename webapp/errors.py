"""What a page says when there is none: no such thing, a bad request, a store out of reach, a fault of ours."""

from __future__ import annotations

import logging

from flask import Flask, Response, g, make_response, render_template, request
from sqlalchemy.exc import DBAPIError, OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound, SecurityError

from collector.store.errors import StoreError

log = logging.getLogger(__name__)

TITLES = {
    400: "That request makes no sense",
    403: "That was not taken",
    404: "Nothing here",
    405: "Not that way",
    413: "That is too much",
    500: "Something broke in Clew",
}
RETRY_AFTER_S = "5"


def init_app(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def show_http_error(error: HTTPException) -> Response:
        if isinstance(error, SecurityError):
            # Plain text: a page would load its styles from the very host that we don't trust.
            return Response(f"{error.description}\n", 400, mimetype="text/plain")
        if isinstance(error, InternalServerError) and error.original_exception is not None:
            log.error("no page for %s", request.path, exc_info=error.original_exception)
        code = error.code or 500
        if isinstance(error, NotFound) and error.description == NotFound.description:
            text = "This address leads to no page."
        elif code >= 500:
            text = "The page could not be made. The server's log has the details."
        else:
            text = error.description or ""
        return _page(code, TITLES.get(code, error.name), text)

    @app.errorhandler(StoreError)
    def show_store_error(error: StoreError) -> Response:
        log.warning("no page for %s: %s", request.path, error)
        return _unavailable(str(error))

    @app.errorhandler(OperationalError)
    def show_database_error(error: OperationalError) -> Response:
        # What the store did not put into words: the file vanished, the server went away while a query ran.
        log.warning("no page for %s: %s", request.path, error.orig)
        return _unavailable(f"The database does not answer: {_first_line(error)}.")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0].rstrip(".")


def _unavailable(message: str) -> Response:
    response = _page(503, "The store is out of reach", message)
    response.headers["Retry-After"] = RETRY_AFTER_S
    return response


def _page(code: int, title: str, text: str) -> Response:
    return make_response(render_template("error.html", code=code, title=title, text=text, period=g.get("period")), code)
