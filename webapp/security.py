"""What every response is held to: known hosts in, nothing foreign out."""

from __future__ import annotations

import re
from collections.abc import Collection

from flask import Flask, Response, request
from werkzeug.exceptions import SecurityError

from webapp.access import needs_sign_in

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")  # in lower case; nothing but name and port

HEADERS = {
    # 'self' alone: no inline script or style, no foreign origin, not even for an image.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def init_app(app: Flask, allowed_hosts: Collection[str]) -> None:
    """Refuse requests for hosts that are not ours, and put the security headers on every response.

    A page of another site can make a browser send requests here under that site's name (DNS rebinding); the Host
    header gives it away. Where visitors sign in any name will do: the cookie of their session is sent to the name that
    they signed in at, and to no other.
    """
    known = LOOPBACK | {host.lower() for host in allowed_hosts}

    @app.before_request
    def check_host() -> None:
        match = HOST.fullmatch(request.environ.get("HTTP_HOST", "").lower())
        if match is None or (match["name"] not in known and not needs_sign_in()):
            raise SecurityError("This dashboard does not answer to that host name.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
