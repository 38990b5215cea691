"""The rows of `transactions`: what all invocations of one come to.

One of few invocations is summed up in the pass that changed it, by the database. One of very many is summed up slice by
slice, and not again for a while that grows with its size: so it takes no larger share of the collector however large it
is, and its figures are late by that while.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, literal, select, tuple_

from collector.domain.facts import FAILED, Result
from collector.store import stitch_jobs, tables
from collector.store.statements import Conflict, delete_by_key, select_each, write
from collector.store.stitch_jobs import START, Job, Kind
from collector.store.stitch_reading import among, fetch

SMALL = 1_000  # invocations of a transaction that is summed up at once
ROWS_PER_PASS = 5_000  # invocations of all those that a pass sums up at once
ROWS_PER_SLICE = 2_000
TRACES_PER_SLICE = 500
# From one sum of a large transaction to the next: of 100,000 invocations every ten seconds.
WAIT_NS_PER_INVOCATION = 100_000
_FEW_LISTS = 4  # of services; longer transactions are not remembered

_memberships, _invocations = tables.memberships.c, tables.invocations.c
_RENEW = Conflict(
    tuple(f"{column.name} = excluded.{column.name}" for column in tables.transactions.columns if not column.primary_key)
)
# As collector.domain.facts.Invocation.ran_ns.
_ran_ns = case(
    (_invocations.finished.is_(True), _invocations.duration_ns),
    else_=func.coalesce(_invocations.reported_ns, _invocations.duration_ns),
)
_FIGURES = (
    func.min(_invocations.started_ns).label("started_ns"),
    func.max(_invocations.started_ns + _ran_ns).label("ended_ns"),
    func.count().label("invocations"),
    func.count().filter(_invocations.result.in_(FAILED)).label("failed"),
    func.sum(_invocations.reported_issues).label("reported_issues"),
    func.count().filter(_invocations.result == Result.RUNNING).label("running"),
    func.count().filter(_invocations.cold_start.is_(True)).label("cold_starts"),
    func.count(_invocations.cost_pd).label("priced"),
    func.sum(_invocations.cost_pd).label("cost_pd"),
    func.sum(_invocations.calls_cost_pd).label("calls_cost_pd"),
    func.sum(_invocations.unpriced_calls).label("unpriced_calls"),
)
# Per distinct list of services: a transaction of many invocations has few distinct ones.
_SUMS_OF = (
    select(_memberships.transaction_id, _invocations.services, *_FIGURES)
    .select_from(tables.memberships.join(tables.invocations, _invocations.trace_id == _memberships.trace_id))
    .where(among(_memberships.transaction_id))
    .group_by(_memberships.transaction_id, _invocations.services)
)
_SUMS_OF_TRACES = (
    select(_invocations.services, *_FIGURES).where(among(_invocations.trace_id)).group_by(_invocations.services)
)
_COUNT_OF = (
    f"SELECT count(*) FROM (SELECT 1 FROM invocations WHERE trace_id = given.id LIMIT {ROWS_PER_SLICE + 1}) AS found"  # noqa: S608
)
_ENTRY = (
    _invocations.started_ns,
    _invocations.span_id,
    _invocations.function_id,
    _invocations.trigger,
    _invocations.trigger_resource_id,
    _invocations.result,
)
_entry_rank = (
    func.row_number()
    .over(
        partition_by=_memberships.transaction_id,
        # The entry trace's earliest invocation; where the entry itself ran no function, the earliest of all.
        order_by=(
            (_memberships.trace_id != _memberships.transaction_id),
            _invocations.started_ns,
            _invocations.span_id,
        ),
    )
    .label("rank")
)
_ranked = (
    select(_memberships.transaction_id, *_ENTRY, _entry_rank)
    .select_from(tables.memberships.join(tables.invocations, _invocations.trace_id == _memberships.trace_id))
    .where(among(_memberships.transaction_id))
    .subquery()
)
_ENTRIES_OF = select(_ranked).where(_ranked.c.rank == 1)
_SIZES_OF = select(tables.transactions.c.id, tables.transactions.c.invocations).where(among(tables.transactions.c.id))


class Sums(NamedTuple):
    """What invocations with one list of services, or with several, come to. In the order of `_FIGURES`."""

    services: str
    started_ns: int
    ended_ns: int
    invocations: int
    failed: int
    reported_issues: int
    running: int
    cold_starts: int
    priced: int  # invocations that have a cost
    cost_pd: int
    calls_cost_pd: int
    unpriced_calls: int


def renew(connection: Connection, transactions: Collection[bytes], now_ns: int) -> list[Job]:
    """Works these transactions' rows out anew, and returns jobs for those that are too large for it now."""
    sizes = dict(fetch(connection, _SIZES_OF, transactions))
    room, small, jobs = ROWS_PER_PASS, set(), []
    for id in sorted(transactions, key=lambda transaction: (sizes.get(transaction, 1), transaction)):
        size = sizes.get(id, 1)
        if size <= SMALL and size <= room:
            room -= size
            small.add(id)
        else:
            due_ns = now_ns + (size * WAIT_NS_PER_INVOCATION if size > SMALL else 0)
            jobs.append(Job(Kind.SUMS, id, due_ns, now_ns, START))
    sums: defaultdict[bytes, list[Sums]] = defaultdict(list)
    for row in fetch(connection, _SUMS_OF, small):
        sums[row[0]].append(_sums(row[1:]))
    rows = [_row(entry[0], entry[1:7], _add(sums[entry[0]])) for entry in fetch(connection, _ENTRIES_OF, small)]
    _write(connection, small, rows)
    return jobs


def sum_slice(connection: Connection, job: Job, now_ns: int) -> int:
    """Goes on with one transaction's sums. Returns how many invocations it took."""
    state = _State.read(job)
    before = state.sums.invocations if state.sums is not None else 0
    ended = _take_slice(connection, job.subject, state)
    if not ended:
        stitch_jobs.go_on(connection, job, state.written(), now_ns)
    else:
        _write(connection, {job.subject}, _final_row(connection, job.subject, state))
        if state.token == job.token:
            stitch_jobs.finish(connection, [job])
        else:  # it has changed since the first slice
            size = state.sums.invocations if state.sums is not None else 0
            stitch_jobs.start_again(connection, job, now_ns + size * WAIT_NS_PER_INVOCATION)
    return (state.sums.invocations if state.sums is not None else 0) - before


class _State:
    """How far the sums of a large transaction have come: which of its traces, and where within a large one."""

    __slots__ = ("position", "sums", "token", "trace")

    def __init__(self, token: int, trace: bytes, position: tuple[int, int] | None, sums: Sums | None) -> None:
        self.token = token
        self.trace = trace
        self.position = position
        self.sums = sums

    @classmethod
    def read(cls, job: Job) -> _State:
        if job.state == START:
            return cls(job.token, b"", None, None)
        token, trace, position, sums = json.loads(job.state)
        return cls(token, base64.b64decode(trace), tuple(position) if position else None, Sums(*sums) if sums else None)

    def written(self) -> bytes:
        return json.dumps([self.token, base64.b64encode(self.trace).decode(), self.position, self.sums]).encode()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        parts = [_sums(row) for row in rows]
        if self.sums is not None:
            # Counts of services are sums by now: of one invocation with so many calls.
            parts.append(self.sums)
        if parts:
            self.sums = _add(parts, summed=self.sums is not None)


def _take_slice(connection: Connection, id: bytes, state: _State) -> bool:
    """Adds the next invocations. Returns whether there are no more."""
    if state.position is not None:
        return _take_within(connection, state)
    members = connection.scalars(
        select(_memberships.trace_id)
        .where(_memberships.transaction_id == id, _memberships.trace_id > state.trace)
        .order_by(_memberships.trace_id)
        .limit(TRACES_PER_SLICE)
    ).all()
    room, some = ROWS_PER_SLICE, []
    counts: dict[bytes, int] = dict(select_each(connection, _COUNT_OF, members))
    for trace in members:
        if counts[trace] > room:
            break
        room -= counts[trace]
        some.append(trace)
    if members and not some:
        state.trace, state.position = members[0], (0, -(2**63))
        return False
    state.add(fetch(connection, _SUMS_OF_TRACES, some))
    state.trace = some[-1] if some else state.trace
    return len(some) == len(members) < TRACES_PER_SLICE


def _take_within(connection: Connection, state: _State) -> bool:
    """The same of one trace of very many invocations."""
    key = tuple_(_invocations.started_ns, _invocations.span_id)
    rest = [_invocations.trace_id == state.trace, key > tuple_(*map(literal, state.position or ()))]
    last = connection.execute(
        select(_invocations.started_ns, _invocations.span_id)
        .where(*rest)
        .order_by(_invocations.started_ns, _invocations.span_id)
        .limit(1)
        .offset(ROWS_PER_SLICE - 1)
    ).one_or_none()
    if last is not None:
        rest.append(key <= tuple_(*map(literal, last)))
    state.add(connection.execute(select(_invocations.services, *_FIGURES).where(*rest).group_by(_invocations.services)))
    state.position = (last[0], last[1]) if last is not None else None
    return False


def _final_row(connection: Connection, id: bytes, state: _State) -> list[tuple[Any, ...]]:
    if state.sums is None:
        return []
    earliest = select(*_ENTRY).order_by(_invocations.started_ns, _invocations.span_id).limit(1)
    entry = connection.execute(earliest.where(_invocations.trace_id == id)).one_or_none()
    if entry is None:
        entry = connection.execute(
            earliest.join(tables.memberships, _memberships.trace_id == _invocations.trace_id).where(
                _memberships.transaction_id == id, _invocations.started_ns == state.sums.started_ns
            )
        ).one_or_none()
    return [_row(id, entry, state.sums)] if entry is not None else []


def _row(id: bytes, entry: Sequence[Any], sums: Sums) -> tuple[Any, ...]:
    """A row of `transactions`."""
    return (
        id,
        sums.started_ns,
        sums.ended_ns,
        *entry,
        sums.invocations,
        sums.failed,
        sums.reported_issues,
        sums.running,
        sums.cold_starts,
        sums.cost_pd if sums.priced else None,
        sums.services,
        sums.calls_cost_pd,
        sums.unpriced_calls,
    )


def _write(connection: Connection, transactions: Collection[bytes], rows: Sequence[tuple[Any, ...]]) -> None:
    """A transaction without invocations has no row."""
    delete_by_key(connection, tables.transactions, {(id,) for id in transactions}.difference((row[0],) for row in rows))
    write(connection, tables.transactions, rows, _RENEW)


def _sums(row: Sequence[Any]) -> Sums:
    """PostgreSQL's sums are decimals, and NULL where there is nothing to sum up."""
    return Sums(row[0], row[1], row[2], *(int(figure or 0) for figure in row[3:]))


def _add(parts: Sequence[Sums], *, summed: bool = False) -> Sums:
    """`summed`: the last part's services are those of all its invocations together."""
    services, starts, ends, counts, *others = zip(*parts, strict=True)
    times = (*counts[:-1], 1) if summed else counts
    return Sums(_merge_services(services, times), min(starts), max(ends), sum(counts), *map(sum, others))


def _merge_services(lists: tuple[str, ...], times: tuple[int, ...]) -> str:
    """`s3 2,sqs 1` of three invocations and `s3 1` of one: `s3 7,sqs 3`."""
    return _add_services(lists, times) if len(lists) <= _FEW_LISTS else _add_services.__wrapped__(lists, times)


@lru_cache(maxsize=1024)  # most transactions do what others did before them: 0.2 µs instead of 10
def _add_services(lists: tuple[str, ...], times: tuple[int, ...]) -> str:
    total: Counter[str] = Counter()
    for services, count in zip(lists, times, strict=True):
        for part in services.split(",") if services else ():
            name, _, calls = part.rpartition(" ")
            total[name] += int(calls) * count
    return ",".join(f"{name} {count}" for name, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))
