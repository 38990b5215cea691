"""Tokens in the database: made once, known by their hash, revoked for good."""

from __future__ import annotations

import hashlib
import threading

import pytest
from sqlalchemy import Engine, select

from collector.store import tables
from collector.store.engine import open_engine
from collector.store.tokens import Limits, Scope, Token, TokenError, Tokens, Use, digest_of

NOW = 1_800_000_000_000


@pytest.fixture
def tokens(database: Engine) -> Tokens:
    return Tokens(database)


def test_the_secret_is_stored_nowhere(tokens: Tokens, database: Engine) -> None:
    """What is stored of 256 random bits is their SHA-256 and four characters to tell them by."""
    token, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW)

    assert secret.startswith("clew_ingest_")
    assert 43 == len(secret.removeprefix("clew_ingest_"))
    with database.connect() as connection:
        (row,) = connection.execute(select(tables.tokens)).all()
    assert hashlib.sha256(secret.encode()).digest() == row.digest
    assert secret[-4:] == row.hint == token.hint
    assert secret not in repr(row)
    assert {row.digest: token} == tokens.active()


def test_every_token_is_another(tokens: Tokens) -> None:
    """Random, not derived from the name."""
    first, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW)
    tokens.revoke(first.id, now_ms=NOW)
    second, other = tokens.create("prod", Scope.INGEST, now_ms=NOW)

    assert secret != other
    assert first.id != second.id


def test_what_is_listed(tokens: Tokens) -> None:
    """Those in use first, with all that is known of them."""
    old, _ = tokens.create("old", Scope.INGEST, now_ms=NOW)
    tokens.revoke("old", now_ms=NOW + 5)
    limits = Limits(max_body_bytes=1000, max_requests_s=10, max_bytes_s=2**40)
    tokens.create("new", Scope.INGEST, now_ms=NOW + 1, limits=limits)
    tokens.create("me", Scope.DASHBOARD, now_ms=NOW + 2)

    found = tokens.list()
    assert ["me", "new", "old"] == [token.name for token in found]
    assert limits == found[1].limits
    assert old._replace(revoked_ms=NOW + 5) == found[2]
    assert (NOW + 2, None, None, Scope.DASHBOARD) == (
        found[0].created_ms,
        found[0].last_used_ms,
        found[0].revoked_ms,
        found[0].scope,
    )


def test_a_name_is_taken_until_its_token_is_revoked(tokens: Tokens) -> None:
    """So that `revoke NAME` means one."""
    tokens.create("prod  eu", Scope.INGEST, now_ms=NOW)
    with pytest.raises(TokenError, match="a token named prod eu already"):
        tokens.create(" prod eu ", Scope.DASHBOARD, now_ms=NOW)
    tokens.revoke("prod eu", now_ms=NOW)
    tokens.create("prod eu", Scope.INGEST, now_ms=NOW)

    assert 1 == len(tokens.active())


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\0b", "a\x1bb", "a\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(tokens: Tokens, name: str) -> None:
    """Names end up on terminals and in both databases."""
    with pytest.raises(TokenError, match="needs a name"):
        tokens.create(name, Scope.INGEST, now_ms=NOW)


@pytest.mark.parametrize("limits", [Limits(0), Limits(None, -1), Limits(None, None, 2**63)])
def test_limits_that_make_no_sense(tokens: Tokens, limits: Limits) -> None:
    """Nothing would pass, or no column holds them."""
    with pytest.raises(TokenError, match="from 1 on"):
        tokens.create("a", Scope.INGEST, now_ms=NOW, limits=limits)
    with pytest.raises(TokenError, match="for ingest tokens"):
        tokens.create("a", Scope.DASHBOARD, now_ms=NOW, limits=Limits(1))


def test_revoking(tokens: Tokens) -> None:
    """By id or name; what is not there, or is revoked already, is told."""
    first, _ = tokens.create("a", Scope.INGEST, now_ms=NOW)
    tokens.create("b", Scope.INGEST, now_ms=NOW)
    assert "b" == tokens.revoke("b", now_ms=NOW + 1).name
    assert NOW + 2 == tokens.revoke(first.id, now_ms=NOW + 2).revoked_ms
    assert {} == tokens.active()
    for which in ("a", "b", first.id, "", "c"):
        with pytest.raises(TokenError, match="No token in use"):
            tokens.revoke(which, now_ms=NOW)


def test_of_two_with_one_name_the_id_tells(tokens: Tokens, database: Engine) -> None:
    """Two collectors may make them at the same moment."""
    first, _ = tokens.create("a", Scope.INGEST, now_ms=NOW)
    second, _ = tokens.create("b", Scope.INGEST, now_ms=NOW)
    with database.begin() as connection:
        connection.execute(tables.tokens.update().values(name="a"))
    with pytest.raises(TokenError, match="give the id"):
        tokens.revoke("a", now_ms=NOW)
    tokens.revoke(second.id, now_ms=NOW)

    assert [first] == list(tokens.active().values())


def test_uses_add_up(tokens: Tokens) -> None:
    """From several collectors, in any order; a refusal is no use."""
    token, secret = tokens.create("a", Scope.INGEST, now_ms=NOW)
    other, _ = tokens.create("b", Scope.INGEST, now_ms=NOW)
    digest = digest_of(secret)
    tokens.add_uses([Use(digest, NOW + 9, 2, 300, 0)])
    tokens.add_uses([Use(digest, NOW + 4, 1, 50, 1), Use(digest, None, 0, 0, 7), Use(b"gone", NOW, 1, 1, 1)])
    tokens.add_uses([])

    assert token._replace(last_used_ms=NOW + 9, requests=3, bytes=350, refused=8) == tokens.active()[digest]
    assert other in tokens.active().values()


def test_readers_list_what_is_committed(database: Engine, reader: Engine) -> None:
    """With an engine of their own, which never waits for the writer's."""
    tokens = Tokens(database, reader)
    token, secret = tokens.create("a", Scope.INGEST, now_ms=NOW)
    with database.begin():
        assert {digest_of(secret): token} == tokens.active()
        assert [token] == tokens.list()


def test_a_secret_key_is_made_once(database_url: str) -> None:
    """Processes that ask at the same moment get the same; another purpose has another."""
    engines = [open_engine(database_url) for _ in range(4)]
    barrier, keys = threading.Barrier(4), list[bytes]()

    def ask(engine: Engine) -> None:
        barrier.wait()
        keys.append(Tokens(engine).secret_key("sessions"))

    threads = [threading.Thread(target=ask, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 4 == len(keys)
    assert 1 == len(set(keys))
    assert 32 == len(keys[0])
    assert keys[0] != Tokens(engines[0]).secret_key("other")
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("secret", ["", "ü", "\udcff", "\0"])
def test_anything_has_a_digest(secret: str) -> None:
    """Whatever a client sends."""
    assert 32 == len(digest_of(secret))


def test_a_token_shows_no_secret() -> None:
    """Its fields may be printed and logged."""
    assert {"id", "name", "scope", "hint"} < set(Token._fields)
    assert not {"secret", "digest", "token"} & set(Token._fields)
