"""Which transactions a page asks for: the filters of the Transactions page as conditions on `transactions`.

A filter by function, issue, resource or name looks for something rare or something frequent, and a page of the newest
needs a different plan for each. Walking transactions from the newest, asking each whether it matches, ends after a page
of the frequent; for the rare it would read everything. Starting from the few rows of the rare is as cheap; for the
frequent it would read them all. The rollups tell which it is: with FEW at 5,000 either way reads some 10,000 rows of a
million. A sum over all that match has no early end, so it always starts from what is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from collector.domain.facts import FAILED, Direction, Result
from collector.store.queries.common import Tag, TimeRange
from collector.store.queries.lookups import contains, searchable, starts_with, storable
from collector.store.queries.tags import tagged
from collector.store.queries.windows import HOUR_S, NS, nanoseconds, total
from collector.store.sharding import is_sharded
from collector.store.tables import (
    calls,
    edge_stats,
    function_stats,
    functions,
    invocation_tags,
    invocations,
    issue_occurrences,
    issue_stats,
    memberships,
    resources,
    transactions,
)

FEW = 5_000
MOST_IDS = 1_000  # transactions that the beginning of an id may lead to
MOST_NAMES = 1_000  # functions, resources and services that a searched name may mean
SHORTEST_ID = 4  # characters: the beginnings of ids that are shorter would match everything
SURE_ID = 8  # characters from which on what begins an id is taken for nothing else

# Kinds of triggers that may come without a resource, by whose service the others are found.
_BARE_TRIGGERS = (
    *("alb", "alexa", "apigateway", "cloudfront", "codedeploy", "codepipeline", "datasource", "direct", "durable"),
    *("function_url", "http", "iot", "logs", "messaging", "schedule", "ses", "vpclattice"),
)

_HEX = re.compile(r"[0-9a-f]{1,32}")


class Outcome(StrEnum):
    """The filter by result."""

    ANY = "any"
    OK = "ok"  # entry succeeded and nothing in it failed
    FAILED = "failed"  # the entry invocation failed
    HANDLED = "handled"  # the entry dealt with an error
    WITH_ISSUES = "issues"  # something in it failed, the entry or not, or reported an issue
    RUNNING = "running"  # something in it has not ended


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    window: TimeRange
    function_id: int | None = None
    resource_id: int | None = None
    issue_id: int | None = None
    outcome: Outcome = Outcome.ANY
    search: str = ""
    tag: Tag | None = None

    def conditions(self, connection: Connection, *, every: bool = False) -> list[ColumnElement[bool]] | None:
        """What `transactions` rows must meet, all of it; None: nothing can. `every`: all that match will be read."""
        if not (storable(self.function_id) and storable(self.resource_id) and storable(self.issue_id)):
            return None
        start_ns, end_ns = nanoseconds(self.window)
        found = [transactions.c.started_ns >= start_ns, transactions.c.started_ns < end_ns, *self._outcome()]
        search = _Search(connection, start_ns, every)
        if self.function_id is not None:
            found.append(search.running([self.function_id]))
        if self.issue_id is not None:
            found.append(search.failing(self.issue_id))
        if self.resource_id is not None:
            found.append(search.reaching(self.resource_id))
        if self.tag is not None:
            found.append(search.tagged(self.tag))
        if wanted := searchable(self.search):
            found.append(search.matching(wanted))
        return found

    def _outcome(self) -> list[ColumnElement[bool]]:
        match self.outcome:
            case Outcome.OK:
                return [transactions.c.result == Result.OK, not_(with_issues())]
            case Outcome.FAILED:
                return [transactions.c.result.in_(FAILED)]
            case Outcome.HANDLED:
                return [transactions.c.result == Result.HANDLED]
            case Outcome.WITH_ISSUES:
                return [with_issues()]
            case Outcome.RUNNING:
                return [transactions.c.running_invocations > 0]
        return []


def with_issues() -> ColumnElement[bool]:
    """Whether something in the transaction failed or reported an issue."""
    return or_(transactions.c.failed_invocations > 0, transactions.c.reported_issues > 0)


class _Search:
    """Looks for transactions with something in them."""

    def __init__(self, connection: Connection, start_ns: int, every: bool) -> None:
        self._connection = connection
        # No upper end: what a transaction set off may follow the window's end.
        self._start_ns = start_ns
        self._first_hour = start_ns // NS // HOUR_S * HOUR_S
        self._every = every

    def running(self, function_ids: Sequence[int], condition: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
        """With an invocation of one of these functions, which meets the condition."""
        ran, conditions = invocations.c, [] if condition is None else [condition]
        found = select(memberships.c.transaction_id).join(invocations, ran.trace_id == memberships.c.trace_id)
        if self._starts_here(function_stats, "function_id", function_ids, "invocations"):
            rare = found.where(ran.function_id.in_(function_ids), ran.started_ns >= self._start_ns, *conditions)
            return transactions.c.id.in_(rare)
        return found.where(
            memberships.c.transaction_id == transactions.c.id,
            _by_trace(ran.function_id).in_(function_ids),
            *conditions,
        ).exists()

    def failing(self, issue_id: int) -> ColumnElement[bool]:
        """With an occurrence of the issue."""
        occurred = issue_occurrences.c
        found = select(memberships.c.transaction_id).join(
            issue_occurrences, occurred.trace_id == memberships.c.trace_id
        )
        if self._starts_here(issue_stats, "issue_id", [issue_id], "occurrences"):
            return transactions.c.id.in_(
                found.where(occurred.issue_id == issue_id, occurred.started_ns >= self._start_ns)
            )
        return found.where(
            memberships.c.transaction_id == transactions.c.id, _by_trace(occurred.issue_id) == issue_id
        ).exists()

    def tagged(self, tag: Tag) -> ColumnElement[bool]:
        """With an invocation that has the tag.

        No rollup tells how frequent a tag is, so its own rows are counted, up to as many as make it frequent.
        """
        marked = invocation_tags.c
        rows = select(marked.started_ns).where(*tagged(tag), marked.started_ns >= self._start_ns)
        some = rows.limit(FEW + 1).subquery()
        found = (
            select(memberships.c.transaction_id)
            .join(invocations, invocations.c.trace_id == memberships.c.trace_id)
            .join(
                invocation_tags,
                and_(marked.started_ns == invocations.c.started_ns, marked.span_id == invocations.c.span_id),
            )
        )
        if self._every or (self._connection.scalar(select(func.count()).select_from(some)) or 0) <= FEW:
            return transactions.c.id.in_(found.where(*tagged(tag), marked.started_ns >= self._start_ns))
        return found.where(
            memberships.c.transaction_id == transactions.c.id,
            marked.key == searchable(tag.key),
            marked.value.concat("") == searchable(tag.value),  # as `_by_trace`: not by the tag's own index
        ).exists()

    def reaching(self, resource_id: int) -> ColumnElement[bool]:
        """With a call to the resource, or triggered by it.

        Calls have no index by resource or trace: they are found by time, within an invocation of a function that is
        known to have called the resource.
        """
        ran = invocations.c
        called: ColumnElement[bool] = exists().where(
            calls.c.started_ns >= ran.started_ns,
            calls.c.started_ns <= ran.started_ns + ran.duration_ns,
            calls.c.trace_id == ran.trace_id,
            calls.c.resource_id == resource_id,
        )
        if is_sharded(self._connection):
            # A subquery cannot look at a row of another shard: this one is answered once, for the whole window.
            reached = select(calls.c.trace_id).where(
                calls.c.started_ns >= self._start_ns, calls.c.resource_id == resource_id
            )
            called = ran.trace_id.in_(reached)
        return self._around(
            [resource_id],
            {Direction.CALLS, Direction.TRIGGERS},
            or_(ran.trigger_resource_id == resource_id, and_(ran.calls > 0, called)),
        )

    def matching(self, wanted: str) -> ColumnElement[bool]:
        """With an id that begins with the text, or the text in the name of a function, service or trigger."""
        ids = self._of_id(wanted)
        if ids and len(wanted) >= SURE_ID:
            return transactions.c.id.in_(ids)
        function_ids = self._ids(functions.c.id, contains(functions.c.name, wanted))
        trigger_ids = self._ids(
            resources.c.id, or_(contains(resources.c.name, wanted), contains(resources.c.service, wanted))
        )
        services = self._connection.scalars(
            select(resources.c.service).where(contains(resources.c.service, wanted)).distinct().limit(MOST_NAMES)
        )
        kinds = [kind for kind in _BARE_TRIGGERS if wanted.lower() in kind]
        # `services` is `s3 2,sqs 1`: a search for "2" must not find the counts.
        listed = literal(",") + transactions.c.services
        return or_(
            transactions.c.id.in_(ids),
            transactions.c.trigger.in_(kinds) if kinds else false(),
            *(listed.contains(f",{service} ", autoescape=True) for service in services),
            self.running(function_ids) if function_ids else false(),
            self._around(trigger_ids, {Direction.TRIGGERS}, invocations.c.trigger_resource_id.in_(trigger_ids)),
        )

    def _around(
        self, resource_ids: Sequence[int], directions: Collection[Direction], condition: ColumnElement[bool]
    ) -> ColumnElement[bool]:
        """With an invocation that meets the condition, of a function that has to do with these resources."""
        stats = edge_stats.c
        if not resource_ids:
            return false()
        neighbours = self._connection.scalars(
            select(stats.function_id)
            .where(
                stats.resource_id.in_(resource_ids),
                stats.direction.in_(directions),
                stats.resolution == HOUR_S,
                stats.start_s >= self._first_hour,
            )
            .distinct()
            .limit(MOST_NAMES)
        ).all()
        return self.running(neighbours, condition) if neighbours else false()

    def _of_id(self, wanted: str) -> Sequence[bytes]:
        """Transactions by the beginning of their own, a trace's or a request's id: one seek in each one's index."""
        if len(wanted) < SHORTEST_ID:
            return ()
        lowered = wanted.lower()
        ran = invocations.c
        requested = select(memberships.c.transaction_id).join(invocations, ran.trace_id == memberships.c.trace_id)
        parts: list[Select[bytes]] = [requested.where(starts_with(ran.request_id, text)) for text in {wanted, lowered}]
        if _HEX.fullmatch(lowered):
            parts.append(select(memberships.c.transaction_id).where(_begins(memberships.c.trace_id, lowered)))
            parts.append(select(transactions.c.id).where(_begins(transactions.c.id, lowered)))
        # UNION ALL, so that a LIMIT ends it: the beginning of an id that is no id at all may match everything.
        found = union_all(*parts).limit(MOST_IDS)
        return list(dict.fromkeys(self._connection.scalars(found)))

    def _ids(self, column: ColumnElement[int], condition: ColumnElement[bool]) -> Sequence[int]:
        return self._connection.scalars(select(column).where(condition).limit(MOST_NAMES)).all()

    def _starts_here(self, table: Table, key: str, ids: Sequence[int], count: str) -> bool:
        """Whether what is looked for is so rare that its own rows are the place to start from."""
        if self._every:
            return True
        statement = select(total(table.c[count])).where(
            table.c[key].in_(ids), table.c.resolution == HOUR_S, table.c.start_s >= self._first_hour
        )
        return self._connection.execute(statement).scalar_one() <= FEW


def _by_trace(column: ColumnElement[int]) -> ColumnElement[int]:
    """The column's value, but not its index: while walking transactions, the few rows of each one's traces are to be
    looked at. SQLite, which keeps no statistics, would go through all of a function's for each transaction instead."""
    return column + 0


def _begins(column: ColumnElement[bytes], digits: str) -> ColumnElement[bool]:
    return column.between(bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f")))
