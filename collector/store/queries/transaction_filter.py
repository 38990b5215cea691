"""Which transactions a page asks for: the filters of the Transactions page as conditions on `transactions`.

A filter by function or issue looks for something rare or something frequent, and needs a different plan for each.
Walking transactions from the newest, asking each whether it matches, ends after a page of the frequent; for the rare it
would read everything. Starting from the few rows of the rare is as cheap; for the frequent it would read everything.
The rollups tell which it is. With FEW at 5,000 either way reads some 10,000 rows of a million.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, false, literal, or_, select, union

from collector.domain.facts import Result
from collector.store.queries.common import TimeRange
from collector.store.queries.lookups import contains, searchable, starts_with, storable
from collector.store.queries.windows import HOUR_S, nanoseconds, total
from collector.store.tables import (
    calls,
    edge_stats,
    function_stats,
    functions,
    invocations,
    issue_occurrences,
    issue_stats,
    memberships,
    resources,
    transactions,
)

FEW = 5_000
MOST_IDS = 1_000  # transactions that one searched id may lead to
MOST_NAMES = 1_000  # functions, resources and services that a searched name may mean
ID_LENGTH = 8  # hexadecimal digits from which on a search is for an id alone: shorter ones may be a part of a name

_HEX = re.compile(r"[0-9a-f]{1,32}")
_ID = re.compile(r"[0-9a-f-]*")


class Outcome(StrEnum):
    """The filter by result."""

    ANY = "any"
    OK = "ok"  # entry succeeded and nothing in it failed
    FAILED = "failed"  # the entry invocation failed
    WITH_ISSUES = "issues"  # something in it failed, the entry or not


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    window: TimeRange
    function_id: int | None = None
    resource_id: int | None = None
    issue_id: int | None = None
    outcome: Outcome = Outcome.ANY
    search: str = ""

    def conditions(self, connection: Connection) -> list[ColumnElement[bool]] | None:
        """What `transactions` rows must meet, all of it; None: nothing can."""
        if not (storable(self.function_id) and storable(self.resource_id) and storable(self.issue_id)):
            return None
        start_ns, end_ns = nanoseconds(self.window)
        found = [transactions.c.started_ns >= start_ns, transactions.c.started_ns < end_ns, *self._outcome()]
        if self.function_id is not None:
            found.append(self._with_function(connection, self.function_id))
        if self.issue_id is not None:
            found.append(self._with_issue(connection, self.issue_id))
        if self.resource_id is not None:
            found.append(self._with_resource(connection, self.resource_id))
        if wanted := searchable(self.search):
            found.append(_matches(connection, wanted))
        return found

    def _outcome(self) -> list[ColumnElement[bool]]:
        match self.outcome:
            case Outcome.OK:
                return [transactions.c.result == Result.OK, transactions.c.failed_invocations == 0]
            case Outcome.FAILED:
                return [transactions.c.result != Result.OK]
            case Outcome.WITH_ISSUES:
                return [transactions.c.failed_invocations > 0]
        return []

    def _with_function(self, connection: Connection, function_id: int) -> ColumnElement[bool]:
        if self._few(connection, function_stats, "function_id", function_id, "invocations"):
            start_ns, _ = nanoseconds(self.window)
            found = _of_invocations().where(
                invocations.c.function_id == function_id, invocations.c.started_ns >= start_ns
            )
            return transactions.c.id.in_(found)
        return _some_invocation(_by_trace(invocations.c.function_id) == function_id)

    def _with_issue(self, connection: Connection, issue_id: int) -> ColumnElement[bool]:
        occurred = issue_occurrences.c
        found = select(memberships.c.transaction_id).join(
            issue_occurrences, occurred.trace_id == memberships.c.trace_id
        )
        if self._few(connection, issue_stats, "issue_id", issue_id, "occurrences"):
            start_ns, _ = nanoseconds(self.window)
            return transactions.c.id.in_(found.where(occurred.issue_id == issue_id, occurred.started_ns >= start_ns))
        return found.where(
            memberships.c.transaction_id == transactions.c.id, _by_trace(occurred.issue_id) == issue_id
        ).exists()

    def _with_resource(self, connection: Connection, resource_id: int) -> ColumnElement[bool]:
        """Calls have no index by resource or trace: they are found by time, within an invocation of a function that
        is known to have called the resource."""
        stats = edge_stats.c
        callers = connection.scalars(
            select(stats.function_id)
            .where(
                stats.resource_id == resource_id,
                stats.resolution == HOUR_S,
                stats.start_s >= self._first_hour(),
            )
            .distinct()
            .limit(MOST_NAMES)
        ).all()
        if not callers:
            return false()
        called = exists().where(
            calls.c.started_ns >= invocations.c.started_ns,
            calls.c.started_ns <= invocations.c.started_ns + invocations.c.duration_ns,
            calls.c.trace_id == invocations.c.trace_id,
            calls.c.resource_id == resource_id,
        )
        return _some_invocation(
            and_(
                _by_trace(invocations.c.function_id).in_(callers),
                or_(invocations.c.trigger_resource_id == resource_id, and_(invocations.c.calls > 0, called)),
            )
        )

    def _few(self, connection: Connection, table: Table, key: str, id: int, count: str) -> bool:
        """Counted from the window's start to now: what a transaction set off may follow the window's end."""
        statement = select(total(table.c[count])).where(
            table.c[key] == id, table.c.resolution == HOUR_S, table.c.start_s >= self._first_hour()
        )
        return connection.execute(statement).scalar_one() <= FEW

    def _first_hour(self) -> int:
        return nanoseconds(self.window)[0] // 1_000_000_000 // HOUR_S * HOUR_S


def _of_invocations() -> Select[bytes]:
    return select(memberships.c.transaction_id).join(invocations, invocations.c.trace_id == memberships.c.trace_id)


def _some_invocation(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return _of_invocations().where(memberships.c.transaction_id == transactions.c.id, condition).exists()


def _by_trace(column: ColumnElement[int]) -> ColumnElement[int]:
    """The column's value, but not its index: while walking transactions, the few rows of each one's traces are to be
    looked at. SQLite, which keeps no statistics, would go through all of a function's for each transaction instead."""
    return column + 0


def _matches(connection: Connection, wanted: str) -> ColumnElement[bool]:
    lowered = wanted.lower()
    digits = lowered.replace("-", "")
    is_id = bool(_ID.fullmatch(lowered)) and len(digits) >= ID_LENGTH
    if is_id and (ids := _transactions_of_id(connection, lowered, digits)):
        return transactions.c.id.in_(ids)
    conditions = _calling_service(connection, wanted)
    in_invocation = [starts_with(connection, invocations.c.request_id, wanted)]
    in_invocation.extend(_running_or_triggered_by(connection, wanted))
    conditions.append(_some_invocation(or_(*in_invocation)))
    if not is_id and _HEX.fullmatch(digits):
        conditions.extend((_begins(transactions.c.id, digits), _trace_begins(digits)))
    return or_(*conditions)


def _transactions_of_id(connection: Connection, text: str, digits: str) -> list[bytes]:
    """By trace, transaction or request id: one seek in each one's index."""
    parts = [_of_invocations().where(starts_with(connection, invocations.c.request_id, text))]
    if _HEX.fullmatch(digits):
        parts.append(select(memberships.c.transaction_id).where(_begins(memberships.c.trace_id, digits)))
        parts.append(select(transactions.c.id).where(_begins(transactions.c.id, digits)))
    return list(connection.scalars(union(*parts).limit(MOST_IDS)))


def _begins(column: ColumnElement[bytes], digits: str) -> ColumnElement[bool]:
    return column.between(bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f")))


def _trace_begins(digits: str) -> ColumnElement[bool]:
    return exists().where(memberships.c.transaction_id == transactions.c.id, _begins(memberships.c.trace_id, digits))


def _calling_service(connection: Connection, wanted: str) -> list[ColumnElement[bool]]:
    """By the service of a call. `services` is `s3 2,sqs 1`: a search for "2" must not find the counts."""
    statement = select(resources.c.service).where(contains(resources.c.service, wanted)).distinct().limit(MOST_NAMES)
    listed = literal(",") + transactions.c.services
    return [listed.contains(f",{service} ", autoescape=True) for service in connection.scalars(statement)]


def _running_or_triggered_by(connection: Connection, wanted: str) -> list[ColumnElement[bool]]:
    """By the name of a function or of what triggered it, and by the kind of trigger."""
    function_ids = connection.scalars(
        select(functions.c.id).where(contains(functions.c.name, wanted)).limit(MOST_NAMES)
    ).all()
    resource_ids = connection.scalars(
        select(resources.c.id).where(contains(resources.c.name, wanted)).limit(MOST_NAMES)
    ).all()
    found = [contains(invocations.c.trigger, wanted)]
    if function_ids:
        found.append(_by_trace(invocations.c.function_id).in_(function_ids))
    if resource_ids:
        found.append(invocations.c.trigger_resource_id.in_(resource_ids))
    return found
