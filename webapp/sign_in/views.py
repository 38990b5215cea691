"""Signing in with a dashboard token, and out again.

The session is Flask's own: signed with the installation's key, HttpOnly, SameSite=Lax (a link in a chat leads to the
page, not to the sign-in), Secure under TLS. It holds the token's id, never the token; a revoked token ends it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import cast

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response as AnyResponse

from webapp.access import SESSION_TOKEN, access, needs_sign_in, visitor
from webapp.csrf import SESSION_ID
from webapp.sign_in.attempts import Attempts

LIFETIME = timedelta(days=14)
MAX_SECRET = 200
EXTENSION = "clew-sign-in-attempts"
_OPEN = frozenset({"static", "sign_in.show", "sign_in.enter"})
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")  # a path of ours: two slashes would lead to another host

blueprint = Blueprint("sign_in", __name__, template_folder="templates")


class _Sessions(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        return request.is_secure

    def get_cookie_name(self, app: Flask) -> str:
        # Cookies know hosts, not ports: two installations on one machine must not sign each other out.
        return f"clew-{hashlib.sha256(b'cookie' + cast('bytes', app.secret_key)).hexdigest()[:8]}"


def init_app(app: Flask) -> None:
    app.session_interface = _Sessions()
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )
    app.extensions[EXTENSION] = Attempts()
    app.register_blueprint(blueprint)

    @app.before_request
    def ask() -> AnyResponse | None:
        if request.endpoint in _OPEN or not needs_sign_in() or visitor() is not None:
            return None
        if request.method not in ("GET", "HEAD") or request.headers.get("Sec-Fetch-Dest", "document") != "document":
            return Response("Sign in first.\n", 401, mimetype="text/plain")
        return redirect(url_for("sign_in.show", next=request.full_path.rstrip("?")), 303)

    @app.context_processor
    def who() -> dict[str, object]:
        locked = needs_sign_in()
        return {"signed_in": locked and visitor() is not None, "locked_out": locked and visitor() is None}


@blueprint.get("/sign-in")
def show() -> AnyResponse:
    if not needs_sign_in() or visitor() is not None:
        return redirect(_next(request.args.get("next", "")), 303)
    return _form()


@blueprint.post("/sign-in")
def enter() -> AnyResponse:
    attempts = cast("Attempts", current_app.extensions[EXTENSION])
    address = request.remote_addr or ""
    wait_s = attempts.wait_s(address, g.now_ms)
    if wait_s:
        response = _form(f"Too many failed attempts from your address. Try again in {wait_s} s.", 429)
        response.headers["Retry-After"] = str(wait_s)
        return response
    secret = request.form.get("token", "").strip()
    token = access().keys.sign_in(secret) if 0 < len(secret) <= MAX_SECRET else None
    if token is None:
        attempts.failed(address, g.now_ms)
        if secret.startswith("clew_ingest_"):
            return _form("That is an ingest token, with which functions send. Signing in takes a dashboard token.", 403)
        return _form("That token is not known here, or was revoked.", 403)
    session.clear()
    session[SESSION_TOKEN] = token.id
    session[SESSION_ID] = secrets.token_hex(16)
    session.permanent = True
    return redirect(_next(request.form.get("next", "")), 303)


@blueprint.post("/sign-out")
def leave() -> AnyResponse:
    session.clear()
    return redirect(url_for("sign_in.show"), 303)


def _form(problem: str = "", code: int = 200) -> Response:
    after = request.values.get("next", "")
    return make_response(render_template("sign_in/show.html", problem=problem, next=after, code=code), code)


def _next(wanted: str) -> str:
    return wanted if _LOCAL.fullmatch(wanted) else url_for("functions.index")
