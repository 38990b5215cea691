"""What a PartiQL statement for DynamoDB writes to: enough of the language to find a table and an item's key.

Whatever is written in another way than `INSERT INTO t VALUE {…}`, `UPDATE t … WHERE a = …` and `DELETE FROM t WHERE
a = …` is not understood, and then has no key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_STATEMENT = 8192  # DynamoDB's own limit

_TABLE = re.compile(
    r"""^\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|SELECT\s.*?\sFROM)\s+("[^"]+"|[\w.-]+)""", re.IGNORECASE | re.DOTALL
)
_PART = re.compile(r"""\s*('(?:[^']|'')*'|"[^"]+"|[A-Za-z_][\w.-]*|-?\d+(?:\.\d+)?|[^\s])""")


def table_of(statement: str) -> str:
    """The name of the statement's table; "" if it has none that can be read."""
    found = _TABLE.match(statement[:_MAX_STATEMENT])
    return found[1].strip('"').partition(".")[0] if found else ""


def written(statement: str, parameters: list[Any]) -> tuple[str, dict[str, Any]]:
    """`(kind, attributes)`: of an `insert` the item, of an `update` or `delete` what its WHERE compares for equality.

    Attributes are as DynamoDB writes them where the statement holds the value, and as they were given where it is a
    parameter. `("", {})` if the statement writes nothing or is not understood.
    """
    parts = _PART.findall(statement[:_MAX_STATEMENT])
    words = [part.upper() for part in parts]
    kind = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}.get(words[0] if words else "", "")
    opening, relation, joint = ("VALUE", ":", ",") if kind == "insert" else ("WHERE", "=", "AND")
    if not kind or opening not in words:
        return "", {}
    start = words.index(opening) + 1
    end = words.index("RETURNING", start) if "RETURNING" in words[start:] else len(words)
    if kind == "insert":
        if words[start : start + 1] != ["{"] or words[end - 1] != "}":
            return "", {}
        start, end = start + 1, end - 1
    values = iter(parameters[parts[:start].count("?") :])
    found: dict[str, Any] = {}
    for one in _separated(parts[start:end], joint):
        value = _value(one[2], values) if len(one) == 3 and one[1] == relation else None
        if value is None:
            return "", {}
        found[one[0].strip("\"'")] = value
    return kind, found


def _separated(parts: list[str], joint: str) -> Iterator[list[str]]:
    group: list[str] = []
    for part in parts:
        if part.upper() == joint:
            yield group
            group = []
        else:
            group.append(part)
    yield group


def _value(part: str, parameters: Iterator[Any]) -> Any:
    if part == "?":
        return next(parameters, None)
    if part[0] == "'":
        return {"S": part[1:-1].replace("''", "'")}
    if part[-1].isdigit() and part[0] in "-0123456789":
        return {"N": part}
    return None
