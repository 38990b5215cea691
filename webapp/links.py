"""URLs between the pages: each carries the period, a list's URL carries its filters."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, request, url_for

from webapp.period import Period

# What the pages read from the URL beside the period. Nothing else is carried on, so that no argument from outside can
# reach `url_for` as one of its own (`_scheme`, `_external`).
FILTERS = (
    "q",
    "sort",
    "dir",
    "function",
    "resource",
    "issue",
    "type",
    "result",
    "cold",
    "tag",
    "by",
    "outcome",
    "span",
    "rows",
    "logs",
    "failing",
    "status",
    "kind",
    "assignee",
    "state",
    "severity",
    "rule",
    "channel",
)


def init_app(app: Flask) -> None:
    @app.url_defaults
    def carry_period(endpoint: str, values: dict[str, Any]) -> None:
        period: Period | None = g.get("period")
        if period is None or endpoint == "static" or "range" in values or "from" in values:
            return
        values.update(period.arguments)

    app.add_template_global(here)
    app.add_template_global(kept)
    app.add_template_global(sorted_by)


def kept(*without: str) -> dict[str, str]:
    """The filters of this URL but those named."""
    return {
        name: value
        for name in FILTERS
        if name not in without and (value := request.args.get(name, "", type=str).strip())
    }


def here(**changes: str | None) -> str:
    """This page again with other filters; None removes one. The list starts at its first page again."""
    values: dict[str, Any] = {**kept(), **changes}
    values = {name: value for name, value in values.items() if value is not None}
    return url_for(request.endpoint or "functions.index", **{**(request.view_args or {}), **values})


def sorted_by(column: str, sort: str, descending: bool, *, ascending_first: bool = False) -> str:
    """The URL that a column's header leads to: sorted by it, the other way round if it is already."""
    first = "asc" if ascending_first else "desc"
    other = "asc" if descending else "desc"
    return here(sort=column, dir=other if column == sort else first)
