"""Ids in URLs: functions, resources and issues as 16 hex digits, transactions as 32."""

from __future__ import annotations

import re

from werkzeug.routing import BaseConverter, ValidationError

ID = re.compile("[0-9a-fA-F]{16}")  # `int()` alone would take signs, underscores, spaces and foreign digits too


def format_id(value: int) -> str:
    """16 hex digits of a 63-bit id."""
    return f"{value:016x}"


def format_span_id(value: int) -> str:
    """16 hex digits of a span id that the store keeps as a signed integer."""
    return f"{value % 2**64:016x}"


def parse_id(text: str | None) -> int | None:
    """None: not an id."""
    if not text or not ID.fullmatch(text):
        return None
    value = int(text, 16)
    return value if value < 2**63 else None  # a larger one would not fit the database's integer


class IdConverter(BaseConverter):
    """`<id:function_id>`: anything that is no id is no page."""

    regex = "[0-9a-f]{16}"

    def to_python(self, value: str) -> int:
        number = parse_id(value)
        if number is None:
            raise ValidationError
        return number

    def to_url(self, value: int) -> str:
        return format_id(value)


class TraceIdConverter(BaseConverter):
    """`<trace_id:transaction_id>`."""

    regex = "[0-9a-f]{32}"

    def to_python(self, value: str) -> bytes:
        return bytes.fromhex(value)

    def to_url(self, value: bytes) -> str:
        return value.hex()
