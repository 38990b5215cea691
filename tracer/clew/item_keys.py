"""Link keys of the items that a DynamoDB call writes.

A put does not tell which of the item's attributes are its key, and no call is ever made to ask. Other calls of this
process tell: whoever gets, updates or deletes names the key, whoever creates or describes a table its schema.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from clew.events import items, mapping, text
from clew.items import canonical, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_MAX_TABLES = 500
_MAX_ITEMS = 100  # of a transaction; a batch has 25
_MAX_KEYS = 128

# Tried on a put while the schema is not known: one that is wrong matches nothing, for a stream has the real key.
_USUAL = tuple(map(frozenset, (("pk", "sk"), ("PK", "SK"), ("pk",), ("PK",), ("id",), ("Id",), ("ID",))))
_USUAL_NAMES = frozenset().union(*_USUAL)
_MAX_USUAL = 2

_READS = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"})

_schemas: dict[tuple[str, str], tuple[str, ...]] = {}


def written_keys(operation: str, params: dict[str, Any], response: dict[str, Any], region: str) -> list[str]:
    """The `dynamodb-item:` keys of what one successful call wrote, each once; learns the keys of tables on the way."""
    if operation == "PutItem":  # most writes; nothing is learnt from it
        return _keys(region, text(params.get("TableName")), "Item", mapping(params.get("Item")))
    if operation != "GetItem" or (region, text(params.get("TableName"))) not in _schemas:  # what most calls are
        _learn(operation, params, response, region)
    if operation in _READS:
        return []
    found: dict[str, None] = {}
    for table, name, attributes in _writes(operation, params, response):
        for key in _keys(region, table, name, attributes):
            found[key] = None
        if len(found) >= _MAX_KEYS:
            break
    # A batch may come back with what was not written; whoever sends it again has written it.
    for table, name, attributes in _requests(response.get("UnprocessedItems")):
        for key in _keys(region, table, name, attributes):
            found.pop(key, None)
    return list(found)


def _writes(
    operation: str, params: dict[str, Any], response: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """`(table, "Item" or "Key", attributes)` of every item written."""
    if operation in {"UpdateItem", "DeleteItem"}:
        yield from _one(params)
    elif operation == "BatchWriteItem":
        yield from _requests(params.get("RequestItems"))
    elif operation == "TransactWriteItems":
        for action in items(params.get("TransactItems"))[:_MAX_ITEMS]:
            for kind, write in mapping(action).items():
                if kind != "ConditionCheck":
                    yield from _one(mapping(write))
    else:
        answers = items(response.get("Responses"))
        single = [params] if operation == "ExecuteStatement" else []
        statements = single or items(params.get("Statements")) or items(params.get("TransactStatements"))
        for position, statement in enumerate(statements[:_MAX_ITEMS]):
            if "Error" not in mapping(answers[position] if position < len(answers) else None):
                yield from _statement(mapping(statement))


def _one(write: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in ("Item", "Key"):
        if name in write:
            yield text(write.get("TableName")), name, mapping(write[name])


def _requests(tables: object) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for table, requests in list(mapping(tables).items())[:_MAX_ITEMS]:
        for request in items(requests)[:_MAX_ITEMS]:
            for write in mapping(request).values():
                for _, name, attributes in _one(mapping(write)):
                    yield text(table), name, attributes


def _statement(statement: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    from clew.partiql import table_of, written  # noqa: PLC0415  # rarely used

    query = text(statement.get("Statement"))
    kind, attributes = written(query, items(statement.get("Parameters")))
    if kind:
        yield table_of(query), "Item" if kind == "insert" else "Where", attributes


def _keys(region: str, table: str, name: str, attributes: dict[str, Any]) -> list[str]:
    """The key's digest where the key is known, else those of the whole and of what keys are usually called."""
    if not table or not attributes:
        return []
    chosen: list[Collection[str]] = [()]  # the whole
    if name != "Key":
        known = _schemas.get(_place(region, table))
        if known is not None and all(part in attributes for part in known):
            chosen = [known]
        else:
            chosen += _usual(_USUAL_NAMES.intersection(attributes))
    whole = canonical(attributes)
    found = []
    for names in chosen:
        if whole:
            parts = {part: whole[part] for part in names} if names else whole
        else:  # too large, or not DynamoDB's notation; a part of it may do
            few = {part: attributes[part] for part in names} if names else attributes
            parts = canonical(few) or canonical(_typed(few))
        if parts and (key := key_of(region, table, parts)) and key not in found:
            found.append(key)
    return found


@cache
def _usual(given: frozenset[str]) -> list[frozenset[str]]:
    """What the key may be of an item that has these of the usual names."""
    return [names for names in _USUAL if names <= given][:_MAX_USUAL]


def _typed(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """What boto3's Table takes, in DynamoDB's own notation: by the very class that boto3 writes it with.

    boto3 does so within the call, on a copy. Where that class is not loaded nobody uses a Table.
    """
    types = sys.modules.get("boto3.dynamodb.types")
    if types is None:
        return None
    try:
        serialize = types.TypeSerializer().serialize
        return {name: serialize(value) for name, value in attributes.items()}
    except (TypeError, ValueError, ArithmeticError):
        return None  # half in one notation, half in the other; or a number that DynamoDB does not have


def _learn(operation: str, params: dict[str, Any], response: dict[str, Any], region: str) -> None:
    table = text(params.get("TableName"))
    if operation in {"GetItem", "UpdateItem", "DeleteItem"}:
        _remember(region, table, mapping(params.get("Key")))
    elif operation in {"CreateTable", "DescribeTable"}:
        described = mapping(response.get("Table") or response.get("TableDescription"))
        schema = items(described.get("KeySchema")) or items(params.get("KeySchema"))
        _remember(region, table, [text(mapping(part).get("AttributeName")) for part in schema])
    elif operation in {"Scan", "Query"}:
        if "IndexName" not in params:  # an index's position has the index's keys too
            _remember(region, table, mapping(response.get("LastEvaluatedKey")))
    elif operation in {"BatchGetItem", "BatchWriteItem"}:
        for name, asked in list(mapping(params.get("RequestItems")).items())[:_MAX_ITEMS]:
            for key in items(mapping(asked).get("Keys"))[:1]:
                _remember(region, text(name), mapping(key))
            for request in items(asked)[:_MAX_ITEMS]:
                _remember(region, text(name), mapping(mapping(mapping(request).get("DeleteRequest")).get("Key")))
    elif operation in {"TransactWriteItems", "TransactGetItems"}:
        for action in items(params.get("TransactItems"))[:_MAX_ITEMS]:
            for part in mapping(action).values():
                one = mapping(part)
                _remember(region, text(one.get("TableName")), mapping(one.get("Key")))


def _remember(region: str, table: str, names: dict[str, Any] | list[str]) -> None:
    parts = tuple(name for name in names if type(name) is str and name)
    if not table or not 0 < len(parts) <= 4:
        return
    place = _place(region, table)
    if place not in _schemas and len(_schemas) >= _MAX_TABLES:
        _schemas.clear()
    _schemas[place] = parts


def _place(region: str, table: str) -> tuple[str, str]:
    if table.startswith("arn:"):
        parts = table.split(":", 5)
        return (parts[3], parts[-1].removeprefix("table/")) if len(parts) == 6 else (region, table)
    return region, table
