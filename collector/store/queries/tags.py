"""Execution tags: those of invocations, and what has a tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, select

from collector.domain.annotations import TAG_PREFIX
from collector.store.queries.common import Tag
from collector.store.queries.lookups import chunks, searchable
from collector.store.tables import invocation_tags

__all__ = ["TAG_PREFIX", "tagged", "tags_of"]


def tagged(tag: Tag) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """What rows of `invocation_tags` must meet."""
    return invocation_tags.c.key == searchable(tag.key), invocation_tags.c.value == searchable(tag.value)


def tags_of(connection: Connection, spans: Collection[tuple[int, int]]) -> dict[tuple[int, int], tuple[Tag, ...]]:
    """By (started_ns, span_id), in the order of their keys; spans without any are left out."""
    found: defaultdict[tuple[int, int], list[Tag]] = defaultdict(list)
    wanted = set(spans)
    tags = invocation_tags.c
    # By start, as the key of the table begins with it: asking for pairs makes PostgreSQL plan for longer.
    for some in chunks({started_ns for started_ns, _ in wanted}):
        statement = select(tags.started_ns, tags.span_id, tags.key, tags.value).where(tags.started_ns.in_(some))
        for started_ns, span_id, key, value in connection.execute(statement.order_by(tags.key)):
            if (started_ns, span_id) in wanted:
                found[started_ns, span_id].append(Tag(key, value))
    return {span: tuple(tags) for span, tags in found.items()}
