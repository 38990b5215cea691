"""Tokens without a database."""

from __future__ import annotations

from collections.abc import Iterable

from collector.receivers.authentication import Authentication
from collector.receivers.keyring import Keyring
from collector.store.tokens import Limits, Scope, Token, Use, digest_of


class FakeTokens:
    """Keeps tokens as `collector.store.tokens.Tokens` does. `error` is raised instead."""

    def __init__(self) -> None:
        self.tokens: dict[bytes, Token] = {}
        self.uses: list[Use] = []
        self.asked = 0
        self.error: Exception | None = None

    def make(self, secret: str, scope: Scope = Scope.INGEST, limits: Limits = Limits()) -> bytes:  # noqa: B008
        digest = digest_of(secret)
        self.tokens[digest] = Token(digest.hex()[:12], secret, scope, "", 0, None, None, limits, 0, 0, 0)
        return digest

    def active(self) -> dict[bytes, Token]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return dict(self.tokens)

    def add_uses(self, uses: Iterable[Use]) -> None:
        if self.error is not None:
            raise self.error
        self.uses.extend(uses)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def authentication(tokens: FakeTokens, *, always: bool = True, clock: Clock | None = None) -> Authentication:
    return Authentication(Keyring(tokens, clock_s=clock or Clock()), always=always)
