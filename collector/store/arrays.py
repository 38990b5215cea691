"""Columns of values as PostgreSQL reads them: binary arrays, made whole instead of value by value.

psycopg dumps a list in Python, with a regular expression for each value: it took more than half of the CPU of a commit.
Only imported for PostgreSQL.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import BigInteger, Boolean, Float, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.types import TypeEngine

_NULL = struct.pack(">i", -1)
_length = struct.Struct(">i").pack
_HEADER = struct.Struct(
    ">iIIii"
).pack  # dimensions, whether NULLs are there, the values' type, how many, the first's index


class Array(list[Any]):
    """A column's values. The subclass is the type."""

    element_oid: ClassVar[int]
    array_oid: ClassVar[int]

    def parts(self) -> bytes:
        """Each value with its length before it."""
        raise NotImplementedError


class _Numbers(Array):
    letter: ClassVar[str]

    def parts(self) -> bytes:
        one = struct.Struct(f">i{self.letter}")
        width = one.size - 4
        try:
            if None in self:
                return b"".join([_NULL if value is None else one.pack(width, value) for value in self])
            pairs: list[Any] = [width] * (2 * len(self))
            pairs[1::2] = self
            return struct.pack(">" + f"i{self.letter}" * len(self), *pairs)
        except struct.error as error:
            raise OverflowError(f"a number does not fit into its column: {error}") from error


class Bigints(_Numbers):
    element_oid, array_oid, letter = 20, 1016, "q"


class Integers(_Numbers):
    element_oid, array_oid, letter = 23, 1007, "i"


class Smallints(_Numbers):
    element_oid, array_oid, letter = 21, 1005, "h"


class Doubles(_Numbers):
    element_oid, array_oid, letter = 701, 1022, "d"


class Booleans(_Numbers):
    element_oid, array_oid, letter = 16, 1000, "?"


class Bytes(Array):
    element_oid, array_oid = 17, 1001

    def parts(self) -> bytes:
        return b"".join([_NULL if value is None else _length(len(value)) + value for value in self])


class Texts(Array):
    element_oid, array_oid = 25, 1009

    def parts(self) -> bytes:
        encoded = [None if value is None else value.encode() for value in self]
        return b"".join([_NULL if value is None else _length(len(value)) + value for value in encoded])


_KINDS: dict[type[TypeEngine[Any]], type[Array]] = {
    BigInteger: Bigints,
    Integer: Integers,
    SmallInteger: Smallints,
    Boolean: Booleans,
    Float: Doubles,
    LargeBinary: Bytes,
    Text: Texts,
}


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        header = _HEADER(1 if obj else 0, int(None in obj), obj.element_oid, len(obj), 1)
        return header + obj.parts() if obj else header[:12]


for _kind in _KINDS.values():
    _dumper = type(f"{_kind.__name__}Dumper", (_ArrayDumper,), {"oid": _kind.array_oid})
    psycopg.adapters.register_dumper(_kind, _dumper)


def kind_of(type: TypeEngine[Any]) -> type[Array]:
    """The arrays that hold a column's values."""
    return _KINDS[type.__class__]


def array_of(values: Sequence[int] | Sequence[bytes] | Sequence[str]) -> Array:
    """Keys of one type, none of them NULL; numbers as eight bytes."""
    first = values[0] if values else b""
    kind = Bytes if isinstance(first, bytes) else Texts if isinstance(first, str) else Bigints
    return kind(values)
