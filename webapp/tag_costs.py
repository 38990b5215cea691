"""What the invocations with each value of a tag cost, where tags can be filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import g

from collector.store.queries.common import Tag
from collector.store.queries.cost_marks import CostMarks, marks_of_tag_values
from collector.store.queries.costs import TagCost, cost_by_tag, tag_keys
from webapp.arguments import read_text
from webapp.store import connect


@dataclass(frozen=True, slots=True)
class TagCosts:
    """`key`: the tag whose values are told; "" while none is chosen."""

    keys: Sequence[str]
    key: str
    values: Sequence[TagCost]
    marks: Mapping[str, CostMarks]


def read_tag_costs(tag: Tag | None, *, function_id: int | None = None) -> TagCosts:
    """Of the tag that the address names, by `by` or by the filter."""
    with connect() as connection:
        keys = tag_keys(connection)
        key = read_text("by") or (tag.key if tag is not None else "")
        if key not in keys:
            key = ""
        values = cost_by_tag(connection, key, g.period.window, function_id=function_id) if key else ()
        names = [row.value for row in values]
        marks = marks_of_tag_values(connection, key, names, g.period.window, function_id=function_id)
    return TagCosts(keys, key, values, marks)
