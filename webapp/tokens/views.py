"""The tokens: who sends, who looks; making one and revoking it."""

from __future__ import annotations

from flask import Blueprint, abort, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from collector.store.tokens import MAX_NAME, Limits, Scope, Token, TokenError
from webapp.access import access, needs_sign_in, visitor

blueprint = Blueprint("tokens", __name__, template_folder="templates")

LIMITS = {
    "max_requests_s": "Requests a second",
    "max_bytes_s": "Bytes a second",
    "max_body_bytes": "Bytes in one request",
}


@blueprint.get("/tokens")
def index() -> Response:
    return _page()


@blueprint.post("/tokens")
def create() -> Response:
    form = request.form
    try:
        scope = Scope(form.get("scope", ""))
    except ValueError:
        abort(400, "A token's scope is ingest or dashboard.")
    try:
        limits = Limits(**{name: _number(form.get(name, ""), label) for name, label in LIMITS.items()})
        token, secret = access().tokens.create(form.get("name", ""), scope, now_ms=g.now_ms, limits=limits)
    except TokenError as error:
        return _page(problem=str(error), code=400)
    access().keys.changed()
    # Not redirected: the secret is in this answer and nowhere else. Sent again, the form meets its own name.
    return _page(made=token, secret=secret)


@blueprint.post("/tokens/<token_id>/revoke")
def revoke(token_id: str) -> Response:
    try:
        access().tokens.revoke(token_id, now_ms=g.now_ms)
    except TokenError as error:
        return _page(problem=str(error), code=404)
    access().keys.changed()
    return redirect(url_for("tokens.index"), 303)


def _page(*, problem: str = "", made: Token | None = None, secret: str = "", code: int = 200) -> Response:
    html = render_template(
        "tokens/index.html",
        tokens=access().tokens.list(),
        needed=needs_sign_in(),
        own=visitor(),
        problem=problem,
        made=made,
        secret=secret,
        form=request.form if problem else {},
        limits=LIMITS,
        max_name=MAX_NAME,
    )
    return make_response(html, code)


def _number(text: str, label: str) -> int | None:
    text = text.strip().replace("_", "").replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise TokenError(f"{label}: a whole number is needed, or nothing.")
    return int(text)
