"""Static files: addressed by what they hold, so that a browser may keep them until they change."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, Response, g, request, url_for

FOREVER = "public, max-age=31536000, immutable"


def init_app(app: Flask) -> None:
    root = Path(app.static_folder or "")

    @cache
    def fingerprint(filename: str) -> str:
        return hashlib.sha256((root / filename).read_bytes()).hexdigest()[:12]

    @app.template_global("asset")
    def asset(filename: str) -> str:
        # Kept for the request: a page of 10,000 spans names the icons' file 10,000 times, 40 µs each.
        known: dict[str, str] = g.setdefault("assets", {})
        if filename not in known:
            known[filename] = url_for("static", filename=filename, v=fingerprint(filename))
        return known[filename]

    @app.after_request
    def let_keep(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code in (200, 304):
            # Modules import each other by bare path: those are asked for again, and mostly answered with 304.
            response.headers["Cache-Control"] = FOREVER if request.args.get("v") else "no-cache"
        return response
