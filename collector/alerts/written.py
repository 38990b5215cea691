"""Numbers that remember how they were written: 012345678901 is an account, and 12e4567 may be somebody's tag."""

from __future__ import annotations

from typing import Self


class WrittenInt(int):
    written: str

    def __new__(cls, written: str) -> Self:
        number = super().__new__(cls, written)
        number.written = written
        return number


class WrittenFloat(float):
    """May be infinite, as of 1e999."""

    written: str

    def __new__(cls, written: str) -> Self:
        number = super().__new__(cls, written)
        number.written = written
        return number


def as_written(value: object) -> str:
    """The text that a plain value was read from, where it is known."""
    return value.written if isinstance(value, WrittenInt | WrittenFloat) else str(value)
