"""Plain values read strictly, each with its place: the pieces of which rules and mute windows are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from collector.alerts.units import UnitFault
from collector.alerts.written import as_written

Path = tuple[str | int, ...]
E = TypeVar("E", bound=StrEnum)

LONGEST_TEXT = 2_000
MOST_ITEMS = 200
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_ID = 64


class RuleFault(ValueError):
    """What is wrong with a rule, and where: the keys and indexes that lead there."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{'.'.join(str(part) for part in self.path)}: {self.message}" if self.path else self.message


class Fields:
    """A mapping that is read key by key; what is left over at the end is refused."""

    def __init__(self, value: object, path: Path) -> None:
        if not isinstance(value, Mapping):
            raise RuleFault(path, "must be a mapping of names to values")
        self._left = dict(value)
        self._path = path

    def take(self, name: str, read: Callable[[object], Any], default: Any) -> Any:
        """The value of a name, or the default where it is not given."""
        if name not in self._left:
            return default
        value = self._left.pop(name)
        try:
            return read(value)
        except UnitFault as error:
            self.fail(name, f"{error}: {shown(value)}")
        except RuleFault as error:
            raise RuleFault((*self._path, name, *error.path), error.message) from None

    def has(self, name: str) -> bool:
        return name in self._left

    def fail(self, name: str, message: str) -> NoReturn:
        raise RuleFault((*self._path, name), message)

    def end(self, known: str = "") -> None:
        """Refuses whatever nobody took."""
        for name in self._left:
            raise RuleFault((*self._path, name), f"{shown(name)} is not known here{known}")


def read_id(id: object, path: Path, what: str) -> str:
    """An id as files and addresses have it."""
    if not isinstance(id, str) or not _ID.fullmatch(id) or len(id) > _LONGEST_ID:
        raise RuleFault(path, f"{what}'s id is lower-case letters, digits and hyphens, not {shown(id)}")
    return id


def one_of(words: type[E]) -> Callable[[object], E]:
    def read(value: object) -> E:
        try:
            return words(str(value))
        except ValueError:
            raise RuleFault((), f"{shown(value)} is none of {listed(words)}") from None

    return read


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise RuleFault((), "must be true or false")
    return value


def count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        raise RuleFault((), "must be a whole number from 0 on")
    return int(value)


def text_of(value: object) -> str:
    if isinstance(value, Mapping | list) or value is None:
        raise RuleFault((), "must be text")
    text = as_written(value)
    if len(text) > LONGEST_TEXT or "\0" in text or not _is_unicode(text):
        raise RuleFault((), f"must be text of at most {LONGEST_TEXT} characters")
    return text


def line_of(value: object) -> str:
    return " ".join(text_of(value).split())[:200]


def texts_of(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_ITEMS:
        raise RuleFault((), f"at most {MOST_ITEMS} can be named")
    return tuple(dict.fromkeys(line_of(one) for one in values))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def listed(words: Any) -> str:
    return ", ".join(str(word) for word in words)


def shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return f"“{text[:40]}”"
