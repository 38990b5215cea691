"""The Flask application: what is mounted at `/` beside the receivers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection

from flask import Flask, g, request
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix

from collector.alerts.directory import Directory
from collector.store.tokens import Tokens
from webapp import access as accesses
from webapp import (
    alerts,
    assets,
    channels,
    csrf,
    errors,
    filters,
    function,
    functions,
    issues,
    links,
    rules,
    security,
    sign_in,
    system_map,
    tokens,
    transaction,
)
from webapp import transactions as transactions_page
from webapp.access import Access, NoKeys
from webapp.alerts import hints
from webapp.channels.views import EXTENSION as CHANNELS
from webapp.identifiers import IdConverter, TraceIdConverter
from webapp.period import DAY_MS, DEFAULT, LABELS, LONGEST_MS, read_period
from webapp.store import EXTENSION, WRITING


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_app(
    engine: Engine,
    *,
    writing: Engine | None = None,
    now: Callable[[], int] = now_ms,
    allowed_hosts: Collection[str] = (),
    secret_key: bytes | None = None,
    access: Access | None = None,
    trusted_proxies: int = 0,
    directory: Directory | None = None,
) -> Flask:
    """The dashboard over `engine`; forms that change something do so by way of `writing`, which may be another one.

    `now` gives milliseconds since 1970. `allowed_hosts` are names, without port, that the dashboard answers to beside
    those of loopback. `secret_key` signs sessions and forms; unless it is the same after a restart and in every process
    on the database, those of before are refused. `access` says who may look; without it everybody may. Of
    X-Forwarded-For, -Proto and -Host, what the last `trusted_proxies` put in is believed. Without a `directory`
    channels are shown and cannot be changed.
    """
    app = Flask(__name__)
    app.secret_key = secret_key or secrets.token_bytes(32)
    app.extensions[EXTENSION] = engine
    app.extensions[WRITING] = writing or engine
    app.extensions[accesses.EXTENSION] = access or Access(Tokens(engine), NoKeys(), required=lambda _: False)
    if directory is not None:
        app.extensions[CHANNELS] = directory
    if trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=trusted_proxies, x_proto=trusted_proxies, x_host=trusted_proxies
        )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["trace_id"] = TraceIdConverter
    app.url_map.strict_slashes = False

    security.init_app(app, allowed_hosts)
    csrf.init_app(app)
    sign_in.init_app(app)

    @app.before_request
    def read_clock() -> None:
        g.now_ms = now()
        if request.endpoint != "static":
            g.period = read_period(request.args, g.now_ms)

    assets.init_app(app)
    links.init_app(app)
    filters.init_app(app)
    errors.init_app(app)
    hints.init_app(app)
    for page in (
        tokens,
        functions,
        function,
        issues,
        transactions_page,
        transaction,
        system_map,
        alerts,
        rules,
        channels,
    ):
        app.register_blueprint(page.blueprint)
    app.register_blueprint(rules.mutes)

    @app.context_processor
    def period_choices() -> dict[str, object]:
        return {
            "period": g.get("period"),
            "now_ms": g.get("now_ms"),
            "period_labels": LABELS,
            "default_period": DEFAULT,
            "longest_days": LONGEST_MS // DAY_MS,
        }

    return app
