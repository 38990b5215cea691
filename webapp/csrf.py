"""Forms that change something are taken from this dashboard's own pages only, never from another site's (CSRF).

To add one:

1. In the template: `<form method="post" action="{{ url_for(…) }}">{{ form_token() }} …</form>`. `form_token` is a
   global of all templates and gives the hidden field; a macro imported from another template has it too.
2. The view: `@blueprint.post("/…")`, which reads `request.form` and ends with `return redirect(url_for(…), 303)`, so
   that loading the page again does not send the form again. Nothing changes anything by GET.
3. In tests: `send_form(client, path, name="value")` of `tests.webapp.forms`.

No view checks anything itself: each request but GET, HEAD and OPTIONS is checked before its view runs, and a bad one
ends with 403. A script sends the form whole: `fetch(form.action, {method: "post", body: new FormData(form)})`.

The field's value is an HMAC of the session (of a constant where nobody signs in), under the installation's key. Another
site can make a browser send a request here, but reads no page of ours and so does not know the value. It stays good for
as long as the session, so that a page left open over night still works. What the browser itself says of where a request
comes from is checked too, which also covers the sign-in form, where there is no session yet.
"""

from __future__ import annotations

import hmac
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, request, session
from markupsafe import Markup

FIELD = "form_token"
SESSION_ID = "id"  # the session's own random name, which the token is bound to
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_FORM_BYTES = 1024 * 1024


def init_app(app: Flask) -> None:
    """Checks every request that may change something. The application has a secret key already."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.before_request(_check)
    app.add_template_global(form_token, "form_token")


def form_token() -> Markup:
    """The hidden field that each form with method="post" holds."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token())


def token() -> str:
    key = cast("bytes", current_app.secret_key)
    return hmac.digest(key, f"form:{session.get(SESSION_ID, '')}".encode(), "sha256").hex()


def _check() -> None:
    if request.method in SAFE or request.routing_exception is not None:  # no view runs: 404 and 405 say more
        return
    if not _from_here():
        abort(403, "The form came from another site. Nothing was changed.")
    given = request.form.get(FIELD, "")
    if not hmac.compare_digest(given.encode(), token().encode()):
        abort(403, "The form is out of date. Nothing was changed: go back, load the page again and send it once more.")


def _from_here() -> bool:
    """What the browser says. Clients that say nothing are no browsers of today; the token is left for those."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or _authority(origin) == _authority(f"{request.scheme}://{request.host}")


def _authority(url: str) -> tuple[str | None, int | None]:
    """Host and port. Not the scheme: behind a proxy with TLS that is not told to be trusted we do not know ours."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    return parts.hostname, None if port in (80, 443) else port
