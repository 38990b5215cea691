"""How much of a transaction is read for its page, and what lies beside it in other transactions.

One of 100,000 invocations cannot be shown whole, nor be read in the time that a page has. The earliest are read, and
the page says of how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, func, select

from collector.store.tables import invocations, links, memberships

MOST_INVOCATIONS = 5_000
SHOWN = 20  # transactions beside it that are named
MOST_COUNTED = 10_000  # links that are counted


@dataclass(frozen=True, slots=True)
class Scope:
    """`latest_ns`: only what began by then is read. None: all of it."""

    transaction_id: bytes
    latest_ns: int | None = None

    @property
    def members(self) -> Select[bytes]:
        """Its traces."""
        found = select(memberships.c.trace_id).where(memberships.c.transaction_id == self.transaction_id)
        return found if self.latest_ns is None else found.where(memberships.c.begun_ns <= self.latest_ns)

    @property
    def latest_export(self) -> bytes | None:
        """Ids of exports begin with their earliest time."""
        return None if self.latest_ns is None else (self.latest_ns + 1).to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class Beside:
    """Transactions that are set off by this one or that set this one off without being part of it: a batch of very
    many messages is a transaction of its own."""

    before: tuple[bytes, ...] = ()  # at most SHOWN
    links_in: int = 0  # at most MOST_COUNTED
    after: tuple[bytes, ...] = ()


def scope_of(connection: Connection, transaction_id: bytes, size: int) -> Scope:
    """`size` is how many invocations it has."""
    if size <= MOST_INVOCATIONS:
        return Scope(transaction_id)
    own = memberships.c.transaction_id == transaction_id
    latest_ns = connection.scalar(
        select(memberships.c.begun_ns).where(own).order_by(memberships.c.begun_ns).limit(1).offset(MOST_INVOCATIONS - 1)
    )
    scope = Scope(transaction_id, latest_ns)
    # Of few traces, some have very many invocations.
    ran_ns = connection.scalar(
        select(invocations.c.started_ns)
        .where(invocations.c.trace_id.in_(scope.members))
        .order_by(invocations.c.started_ns)
        .limit(1)
        .offset(MOST_INVOCATIONS - 1)
    )
    return Scope(transaction_id, ran_ns) if ran_ns is not None else scope


def beside(connection: Connection, scope: Scope) -> Beside:
    """What led to the entry, which is one because nothing or too much led to it; and what the transaction led to."""
    to_entry = (
        select(links.c.producer_trace_id)
        .where(links.c.consumer_trace_id == scope.transaction_id)
        .limit(MOST_COUNTED)
        .subquery()
    )
    count = connection.scalar(select(func.count()).select_from(to_entry)) or 0
    before = _transactions(connection, select(to_entry.c.producer_trace_id).limit(SHOWN * 5)) if count else ()
    own = select(memberships.c.trace_id).where(memberships.c.transaction_id == scope.transaction_id)
    onward = (
        select(links.c.consumer_trace_id)
        .where(links.c.producer_trace_id.in_(scope.members), links.c.consumer_trace_id.not_in(own))
        .distinct()
        .limit(SHOWN)
    )
    traces = connection.scalars(onward).all()
    return Beside(before, count, _transactions(connection, traces) if traces else ())


def _transactions(connection: Connection, traces: Select[bytes] | Sequence[bytes]) -> tuple[bytes, ...]:
    statement = (
        select(memberships.c.transaction_id)
        .where(memberships.c.trace_id.in_(traces))
        .distinct()
        .order_by(memberships.c.transaction_id)
        .limit(SHOWN)
    )
    return tuple(connection.scalars(statement))
