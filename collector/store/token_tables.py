"""Who may send and who may look, and what an installation keeps secret. Times are ms since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from collector.store.rollup_tables import metadata

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the token, which itself is stored nowhere
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),  # collector.store.tokens.Scope
    Column("hint", Text, nullable=False),  # its last characters, to tell it by
    Column("created_ms", BigInteger, nullable=False),
    Column("last_used_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("max_body_bytes", BigInteger),
    Column("max_requests_s", BigInteger),
    Column("max_bytes_s", BigInteger),
    # Sums, which every collector adds to.
    Column("requests", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Index(None, "name"),
    sqlite_with_rowid=False,
)

secret_keys = Table(
    "secret_keys",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("key", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)
