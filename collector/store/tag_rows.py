"""What invocations add to the sums of their tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from collector.domain.facts import Invocation, Tag
from collector.domain.rollups import Rollups
from collector.store import tables
from collector.store.issue_rows import SpanKey
from collector.store.statements import Row, adding, select_by_key, write
from collector.store.tag_tables import tag_stats

_ADD = adding(tag_stats, "invocations", "errors", "cost_pd", "unpriced", "calls_cost_pd", "unpriced_calls")
_COLUMNS = ", ".join(Tag._fields)


def tags_of(connection: Connection, keys: Iterable[SpanKey]) -> list[Tag]:
    """The stored tags of these invocations."""
    rows = select_by_key(
        connection, tables.invocation_tags, _COLUMNS, sorted(keys), key_columns=("started_ns", "span_id")
    )
    return [Tag(*row) for row in rows]


def count_tags(tags: Iterable[Tag], rows: Mapping[SpanKey, Invocation], rollups: Rollups, weight: int = 1) -> None:
    """Adds these invocations to the sums of their tags; -1 takes them back."""
    for tag in tags:
        rollups.add_tag(tag, rows[tag.started_ns, tag.span_id], weight)


def write_tag_stats(connection: Connection, rollups: Rollups) -> None:
    rows: list[Row] = [
        (
            key,
            resolution,
            start_s,
            value,
            function_id,
            total.invocations,
            total.errors,
            total.cost_pd,
            total.unpriced,
            total.calls_cost_pd,
            total.unpriced_calls,
        )
        for (key, value, function_id, resolution, start_s), total in rollups.tags.items()
    ]
    write(connection, tag_stats, rows, _ADD)
