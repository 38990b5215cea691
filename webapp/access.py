"""Who may look: what the sign-in and the tokens' pages need to know of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from flask import current_app, g, request, session

from collector.store.tokens import Token, Tokens

EXTENSION = "clew-access"
SESSION_TOKEN = "token"  # noqa: S105 - the session's field with the id of the token that was signed in with


class Keys(Protocol):
    """The dashboard tokens in use, as this process knows them."""

    def sign_in(self, secret: str) -> Token | None:
        """The dashboard token with that secret; None if there is none. Raises StoreError."""

    def visit(self, id: str) -> Token | None:
        """The same token again, with its next request; None if it was revoked."""

    def changed(self) -> None:
        """Somebody made or revoked a token here."""


class NoKeys:
    """Where nobody signs in."""

    def sign_in(self, secret: str) -> Token | None:  # noqa: ARG002
        return None

    def visit(self, id: str) -> Token | None:  # noqa: ARG002
        return None

    def changed(self) -> None:
        pass


@dataclass(frozen=True)
class Access:
    tokens: Tokens
    keys: Keys
    required: Callable[[Mapping[str, Any]], bool]  # of a request's WSGI environ: whether it needs a sign-in


def access() -> Access:
    return cast("Access", current_app.extensions[EXTENSION])


def needs_sign_in() -> bool:
    """Of this request."""
    return access().required(request.environ)


def visitor() -> Token | None:
    """The token that this request's visitor signed in with; None if nobody did, or it was revoked since."""
    if "visitor" not in g:
        id = session.get(SESSION_TOKEN)
        g.visitor = access().keys.visit(id) if isinstance(id, str) else None
    return cast("Token | None", g.visitor)


def visitor_name() -> str:
    """The name of the token that somebody signed in with; "" where nobody has to."""
    token = visitor()
    return token.name if token is not None else ""
