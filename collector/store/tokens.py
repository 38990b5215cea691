"""Tokens: who may send (`ingest`) and who may look (`dashboard`).

A token is 256 random bits behind a prefix that says what it is. It is shown once, when it is made, and only its SHA-256
is stored. That is enough: slow hashes such as scrypt protect secrets that can be guessed, and there is nothing to guess
in 256 random bits, while a slow hash would cost each export as much as 100 ms of CPU.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from collector.store.token_tables import secret_keys, tokens

if TYPE_CHECKING:
    from sqlalchemy import Engine

MAX_NAME = 80
HINT = 4  # characters of the token that lists show: 232 bits of it stay unknown
_ID = 6  # bytes of the digest that name a token: it cannot be made from them
_RANDOM = 32  # bytes
_LARGEST = 2**53


class Scope(StrEnum):
    INGEST = "ingest"
    DASHBOARD = "dashboard"


class Limits(NamedTuple):
    """What one token may send to one collector process. None: nothing beyond what all may."""

    max_body_bytes: int | None = None  # of one request, sent and decompressed
    max_requests_s: int | None = None  # per second
    max_bytes_s: int | None = None  # per second, decompressed


class Token(NamedTuple):
    id: str  # 12 hexadecimal digits
    name: str
    scope: Scope
    hint: str
    created_ms: int
    last_used_ms: int | None
    revoked_ms: int | None
    limits: Limits
    requests: int
    bytes: int
    refused: int


class Use(NamedTuple):
    """What was done with a token since it was told last."""

    digest: bytes
    last_used_ms: int | None  # None: refusals only
    requests: int
    bytes: int
    refused: int


class TokenError(Exception):
    """What was asked cannot be done. `str()` is one sentence for whoever asked."""


def digest_of(secret: str) -> bytes:
    """What a token is known by, 32 bytes. Takes 0.6 µs. Any text will do."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class Tokens:
    """The tokens in the database. Threads may call it at will; each call is a transaction of its own."""

    def __init__(self, writing: Engine, reading: Engine | None = None) -> None:
        self._writing = writing
        self._reading = reading or writing

    def create(self, name: str, scope: Scope, *, now_ms: int, limits: Limits = Limits()) -> tuple[Token, str]:  # noqa: B008
        """The new token, and the secret, which cannot be had again. Raises TokenError."""
        name = " ".join(name.split())
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise TokenError(f"A token needs a name of 1 to {MAX_NAME} characters.")
        for value in limits:
            if value is not None and not 0 < value <= _LARGEST:
                raise TokenError("A token's limits are numbers from 1 on.")
        if scope == Scope.DASHBOARD and limits != Limits():
            raise TokenError("Limits are for ingest tokens: a dashboard token sends nothing.")
        secret = f"clew_{scope}_{secrets.token_urlsafe(_RANDOM)}"
        digest = digest_of(secret)
        row = {
            "digest": digest,
            "name": name,
            "scope": scope.value,
            "hint": secret[-HINT:],
            "created_ms": now_ms,
            "requests": 0,
            "bytes": 0,
            "refused": 0,
            **limits._asdict(),
        }
        taken = select(tokens.c.digest).where(tokens.c.name == name, tokens.c.revoked_ms.is_(None))
        with self._writing.begin() as connection:
            if connection.execute(taken).first() is not None:
                raise TokenError(f"There is a token named {name} already. Revoke it first, or choose another name.")
            connection.execute(insert(tokens), row)
        return _token({"last_used_ms": None, "revoked_ms": None, **row}), secret

    def list(self) -> list[Token]:
        """All of them, those in use first, then by name."""
        order = (tokens.c.revoked_ms.is_not(None), tokens.c.name, tokens.c.created_ms)
        with self._reading.connect() as connection:
            return [_token(row) for row in connection.execute(select(tokens).order_by(*order)).mappings()]

    def active(self) -> dict[bytes, Token]:
        """By digest, those that are good."""
        statement = select(tokens).where(tokens.c.revoked_ms.is_(None))
        with self._reading.connect() as connection:
            return {row["digest"]: _token(row) for row in connection.execute(statement).mappings()}

    def revoke(self, which: str, *, now_ms: int) -> Token:
        """Ends the token of that id or name. Raises TokenError if no token in use has it."""
        with self._writing.begin() as connection:
            rows = connection.execute(select(tokens).where(tokens.c.revoked_ms.is_(None))).mappings().all()
            named = [row for row in rows if row["name"] == which]
            found = named if len(named) == 1 else [row for row in rows if _id(row["digest"]) == which]
            if len(found) != 1:
                if named:
                    raise TokenError(f"Several tokens are named {which}: give the id.")
                raise TokenError(f"No token in use has the name or id {which}.")
            digest = found[0]["digest"]
            connection.execute(update(tokens).where(tokens.c.digest == digest), {"revoked_ms": now_ms})
        return _token(found[0])._replace(revoked_ms=now_ms)

    def add_uses(self, uses: Iterable[Use]) -> None:
        """Adds to the sums, so that any number of collectors may."""
        rows = [
            {"of": use.digest, "at": use.last_used_ms, "n": use.requests, "size": use.bytes, "no": use.refused}
            for use in uses
        ]
        if not rows:
            return
        last, at = tokens.c.last_used_ms, bindparam("at", type_=BigInteger)
        statement = (
            update(tokens)
            .where(tokens.c.digest == bindparam("of"))
            .values(
                requests=tokens.c.requests + bindparam("n"),
                bytes=tokens.c.bytes + bindparam("size"),
                refused=tokens.c.refused + bindparam("no"),
                last_used_ms=case((func.coalesce(last, -1) < func.coalesce(at, -1), at), else_=last),
            )
        )
        with self._writing.begin() as connection:
            connection.execute(statement, rows)

    def secret_key(self, purpose: str) -> bytes:
        """32 random bytes, the same for every process on the database. Made when they are first asked for."""
        statement = select(secret_keys.c.key).where(secret_keys.c.purpose == purpose)
        for _attempt in range(2):
            try:
                with self._writing.begin() as connection:
                    key: bytes | None = connection.scalar(statement)
                    if key is None:
                        key = secrets.token_bytes(32)
                        connection.execute(insert(secret_keys), {"purpose": purpose, "key": key})
                    return key
            except IntegrityError:  # another process made it at the same moment
                continue
        raise TokenError(f"The key for {purpose} cannot be made.")


def _id(digest: bytes) -> str:
    return digest[:_ID].hex()


def _token(row: Mapping[Any, Any]) -> Token:
    return Token(
        _id(row["digest"]),
        row["name"],
        Scope(row["scope"]),
        row["hint"],
        row["created_ms"],
        row["last_used_ms"],
        row["revoked_ms"],
        Limits(row["max_body_bytes"], row["max_requests_s"], row["max_bytes_s"]),
        row["requests"],
        row["bytes"],
        row["refused"],
    )
