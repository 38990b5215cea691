"""Puts tokens together with the dashboard: its sign-in by the keyring, and the first token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from collector.receivers.refusal import Refusal
from collector.store.errors import StoreUnavailable
from collector.store.tokens import Scope, TokenError, Tokens

if TYPE_CHECKING:
    from collector.receivers.keyring import Key, Keyring
    from collector.store.tokens import Token

FIRST = "first"


class DashboardKeys:
    """The dashboard tokens of the keyring, as `webapp.access.Keys` asks for them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def sign_in(self, secret: str) -> Token | None:
        try:
            return _used(self._keyring.find(secret))
        except Refusal as refusal:
            raise StoreUnavailable(str(refusal), round(refusal.retry_after_s or 5)) from refusal

    def visit(self, id: str) -> Token | None:
        return _used(self._keyring.by_id(id))

    def changed(self) -> None:
        self._keyring.refresh()


def first_token(tokens: Tokens) -> str | None:
    """The secret of a dashboard token made because there is none to sign in with; None if there is one."""
    if any(token.scope == Scope.DASHBOARD for token in tokens.active().values()):
        return None
    try:
        _, secret = tokens.create(FIRST, Scope.DASHBOARD, now_ms=time.time_ns() // 1_000_000)
    except TokenError:  # another collector made it at the same moment, and prints it, or an ingest token is called so
        return None
    return secret


def _used(key: Key | None) -> Token | None:
    if key is None or key.token.scope != Scope.DASHBOARD:
        return None
    key.enter()
    return key.token
