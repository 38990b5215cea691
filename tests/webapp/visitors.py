"""A dashboard that asks for a sign-in, over real tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from sqlalchemy import Engine

from collector.store.tokens import Scope, Token, Tokens, digest_of
from tests.webapp.traffic import NOW_MS
from webapp import create_app
from webapp.access import Access


class StoredKeys:
    """Asks the database each time; the server keeps them in memory."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def sign_in(self, secret: str) -> Token | None:
        token = self._tokens.active().get(digest_of(secret))
        return token if token is not None and token.scope == Scope.DASHBOARD else None

    def visit(self, id: str) -> Token | None:
        return next((token for token in self._tokens.active().values() if token.id == id), None)

    def changed(self) -> None:
        pass


class Now:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


def locked_app(engine: Engine, **options: Any) -> Flask:
    """A dashboard on an address that others reach; `required` tells it otherwise."""
    tokens = Tokens(engine)

    def always(_environ: Mapping[str, Any]) -> bool:
        return True

    access = Access(tokens, StoredKeys(tokens), options.pop("required", always))
    return create_app(engine, **{"now": lambda: NOW_MS, "access": access, **options})
