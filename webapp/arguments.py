"""Filters as the pages read them from the URL. What makes no sense counts as absent."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from collector.store.queries.common import Tag
from webapp.identifiers import parse_id

LONGEST_SEARCH = 200
LONGEST_TAG = 400  # a key of 128 characters and a value of 256


@dataclass(frozen=True, slots=True)
class Sorting:
    by: str
    descending: bool


def read_sorting(columns: tuple[str, ...], default: str) -> Sorting:
    by = request.args.get("sort", "")
    if by not in columns:
        by = default
    return Sorting(by, request.args.get("dir") != "asc")


def read_id(name: str) -> int | None:
    return parse_id(request.args.get(name))


def read_text(name: str, longest: int = LONGEST_SEARCH) -> str:
    # No NUL: PostgreSQL refuses it in text.
    return request.args.get(name, "").replace("\0", "").strip()[:longest]


def read_tag() -> Tag | None:
    """`key:value`; None for what names no key or no value."""
    key, separator, value = read_text("tag", LONGEST_TAG).partition(":")
    return Tag(key, value) if key and separator and value else None


def read_flag(name: str) -> bool:
    return request.args.get(name) == "1"


def read_cursor() -> str | None:
    return read_text("cursor") or None
