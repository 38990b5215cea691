"""Joining what the platform says of invocations to the invocations, whichever comes first.

A report whose invocation is stored is applied at once. Any other waits in `waiting_reports`; an invocation that
arrives looks there. Between two collectors that store one of them each at the same moment neither sees the other's: the
sweep looks again at what has come lately.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from collector.domain.facts import Invocation, Report
from collector.domain.prices import PriceTable
from collector.domain.reports import Verdict, fits, judge, nearest
from collector.store import statements, tables
from collector.store.issue_rows import SpanKey
from collector.store.outcomes import Change, lock_invocations, open_invocations
from collector.store.statements import select_by_key, write

_STORED = ("error_type", "duration_ns", "billed_ms", "memory_mb", "max_memory_mb", "init_ns", "restore_ns")
_WAITING = ", ".join(Report._fields)


def waiting_id(report: Report) -> str:
    """What a report that waits is found by."""
    if report.request_id or report.trace_id is None or report.span_id is None:
        return report.request_id
    return _span_id(report.trace_id, report.span_id)


def join_reports(
    connection: Connection,
    reports: Iterable[Report],
    arrived: Mapping[SpanKey, Invocation],
    replaced: Collection[SpanKey],
    *,
    received_ms: int,
    prices: PriceTable,
) -> list[Change]:
    """What becomes of invocations by reports that came, and of those that arrived by reports that were there.

    `replaced` are those that another version of their span took the place of: what was reported still holds.
    """
    touched = _claim_waiting(connection, arrived) if arrived else set()
    if incoming := {(waiting_id(report), *report[1:4]): report for report in reports}:
        touched |= settle(connection, list(incoming.values()), received_ms=received_ms)
    return judge_all(connection, touched.union(replaced), prices=prices) if touched or replaced else []


def settle(connection: Connection, reports: Sequence[Report], *, received_ms: int | None) -> set[SpanKey]:
    """Stores the reports with the invocations that they are of, and returns these. The others wait, if `received_ms`
    says since when."""
    found = _find(connection, reports)
    joined = {
        index: (row.started_ns, row.span_id)
        for index, rows in found.items()
        if (row := nearest(reports[index], rows)) is not None
    }
    store_reports(connection, [(key, reports[index]) for index, key in joined.items()])
    if received_ms is None:
        _forget(connection, [reports[index] for index in joined])
    else:
        write(
            connection,
            tables.waiting_reports,
            [_waiting_row(report, received_ms) for index, report in enumerate(reports) if index not in joined],
        )
    return set(joined.values())


def judge_all(connection: Connection, keys: Collection[SpanKey], *, prices: PriceTable) -> list[Change]:
    """These invocations with all their reports. They are locked first: what another collector adds comes before or
    after, and the later one sees all."""
    rows = lock_invocations(connection, keys)
    said = reports_of(connection, keys)
    rows = [row for row in rows if (row.started_ns, row.span_id) in said]
    regions = {id: region for id, (_, region) in _functions(connection, rows).items()}
    kept = open_invocations(connection, [(row.started_ns, row.span_id) for row in rows if not row.finished])
    changes = []
    for row in rows:
        key = (row.started_ns, row.span_id)
        verdict = judge(row, said[key], prices=prices, region=regions.get(row.function_id, ""))
        changes.append(Change(row, _blaming(verdict, kept[key].culprit) if key in kept else verdict))
    return changes


def reports_of(connection: Connection, keys: Collection[SpanKey]) -> dict[SpanKey, list[Report]]:
    """All reports on these invocations; those without any are left out."""
    said: defaultdict[SpanKey, list[Report]] = defaultdict(list)
    columns = f"started_ns, span_id, kind, time_ns, status, {', '.join(_STORED)}"
    for started_ns, span_id, kind, time_ns, status, *figures in select_by_key(
        connection, tables.reports, columns, sorted(keys), key_columns=("started_ns", "span_id")
    ):
        said[started_ns, span_id].append(Report("", kind, time_ns, status, "", "", None, None, None, *figures))
    return dict(said)


def recent(connection: Connection, since_ms: int, most: int) -> list[Report]:
    """Reports that wait and came lately. Another collector's turn to look at them is not waited for."""
    mark, lock = ("?", "") if connection.dialect.name == "sqlite" else ("%s", "FOR UPDATE SKIP LOCKED")
    statement = (
        f"SELECT {_WAITING} FROM waiting_reports WHERE received_ms >= {mark} "  # noqa: S608  # names are ours
        f"ORDER BY received_ms LIMIT {most} {lock}"
    )
    return [Report(*row) for row in connection.exec_driver_sql(statement, (since_ms,))]


def _claim_waiting(connection: Connection, arrived: Mapping[SpanKey, Invocation]) -> set[SpanKey]:
    """Takes from those that wait what is of these invocations."""
    # Mostly none waits: to ask so costs a tenth of asking for each.
    if connection.exec_driver_sql("SELECT 1 FROM waiting_reports LIMIT 1").first() is None:
        return set()
    candidates: defaultdict[str, list[Invocation]] = defaultdict(list)
    for row in arrived.values():
        candidates[row.request_id or _span_id(row.trace_id, row.span_id)].append(row)
    lock = "" if connection.dialect.name == "sqlite" else "ORDER BY request_id, kind, time_ns, status FOR UPDATE"
    waiting = [
        Report(*row)
        for row in select_by_key(
            connection,
            tables.waiting_reports,
            _WAITING,
            [(id,) for id in sorted(candidates)],
            key_columns=("request_id",),
            suffix=lock,
        )
    ]
    if not waiting:
        return set()
    functions = _functions(connection, arrived.values())
    joined = []
    for report in waiting:
        found = nearest(report, [row for row in candidates[report.request_id] if _fits(report, row, functions)])
        if found is not None:
            joined.append(((found.started_ns, found.span_id), report))
    store_reports(connection, joined)
    _forget(connection, [report for _, report in joined])
    return {key for key, _ in joined}


def _find(connection: Connection, reports: Sequence[Report]) -> dict[int, list[Invocation]]:
    """The invocations that each report may be of."""
    columns = ", ".join(Invocation._fields)
    keys = {(report.started_ns, report.span_id) for report in reports if report.started_ns is not None}
    rows = select_by_key(connection, tables.invocations, columns, sorted(keys)) if keys else []
    known = {row[1] for row in rows}
    traces = {report.trace_id for report in reports if report.trace_id is not None and report.span_id not in known}
    ids = {report.request_id for report in reports if report.trace_id is None}
    for column, values in (("trace_id", traces), ("request_id", ids)):
        if values:
            rows += select_by_key(
                connection, tables.invocations, columns, sorted((value,) for value in values), key_columns=(column,)
            )
    candidates: defaultdict[int | str | None, dict[SpanKey, Invocation]] = defaultdict(dict)
    for row in map(Invocation._make, rows):
        candidates[row.span_id][row.started_ns, row.span_id] = row
        candidates[row.request_id][row.started_ns, row.span_id] = row
    functions = _functions(connection, [row for found in candidates.values() for row in found.values()])
    return {
        index: [
            row
            for row in candidates[report.request_id if report.trace_id is None else report.span_id].values()
            if _fits(report, row, functions)
        ]
        for index, report in enumerate(reports)
    }


def _fits(report: Report, row: Invocation, functions: Mapping[int, tuple[str, str]]) -> bool:
    name, region = functions.get(row.function_id, ("", ""))
    return fits(report, row) and report.function in ("", name) and (report.region in ("", region) or not region)


def store_reports(connection: Connection, joined: Iterable[tuple[SpanKey, Report]]) -> None:
    """Stores reports with the invocations that they are of; `judge_all` then says what becomes of these."""
    rows = {(*key, *report[1:4]): report for key, report in joined}
    write(
        connection,
        tables.reports,
        [(*key, *(getattr(report, name) for name in _STORED)) for key, report in rows.items()],
    )


def _forget(connection: Connection, reports: Iterable[Report]) -> None:
    statements.delete_by_key(
        connection,
        tables.waiting_reports,
        [(waiting_id(report), *report[1:4]) for report in reports],
    )


def _waiting_row(report: Report, received_ms: int) -> statements.Row:
    return (waiting_id(report), *report[1:4], received_ms, *report[4:])


def _functions(connection: Connection, rows: Iterable[Invocation]) -> dict[int, tuple[str, str]]:
    """Name and region by id."""
    ids = sorted({(row.function_id,) for row in rows})
    return {
        id: (name, region) for id, name, region in select_by_key(connection, tables.functions, "id, name, region", ids)
    }


def _blaming(verdict: Verdict, culprit: str | None) -> Verdict:
    """With the call that the invocation waited for."""
    return (
        verdict._replace(failure=verdict.failure._replace(culprit=culprit)) if verdict.failure is not None else verdict
    )


def _span_id(trace_id: bytes, span_id: int) -> str:
    return f"span:{trace_id.hex()}-{span_id}"
