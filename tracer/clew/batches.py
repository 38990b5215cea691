"""Batches: which of the records that came the handler gives back to be tried again."""

from __future__ import annotations

from typing import Any

from clew.events import items, mapping, plain, text
from clew.records import records_of, sequence_number

_MAX_FAILED = 1000
_MAX_ID = 256
# Of these Lambda reads `batchItemFailures`, where the event source mapping says so.
_REPORTING = frozenset({"sqs", "kinesis", "dynamodb", "kafka"})


def failed_records(event: object, result: object, type: str) -> list[str]:
    """The ids of the records that the handler's result gives back; at most 1,000, each once.

    Lambda takes a list with an id that it cannot read (empty, None, under another name) for the failure of the whole
    batch: then all ids. Whether Lambda looks at the result at all is set in the event source mapping, which no
    function can see.
    """
    if type not in _REPORTING or not isinstance(result, dict):
        return []
    failures = result.get("batchItemFailures")
    if not failures:
        return []
    found: dict[str, None] = {}
    for failure in items(failures) or [None]:
        id = _identifier(mapping(failure).get("itemIdentifier"))
        if not id:
            return _all(event, type)
        if len(found) < _MAX_FAILED:
            found[id[:_MAX_ID]] = None
    return list(found)


def _identifier(value: object) -> str:
    """A message's id or a sequence number. Kafka's is an object: topic and partition, and the offset in it."""
    if isinstance(value, dict):
        return _position(value.get("partition"), value.get("offset"))
    return text(value)


def _position(partition: object, offset: object) -> str:
    if not isinstance(partition, str) or type(offset) not in {int, str}:
        return ""
    return f"{partition}/{offset}"[:_MAX_ID]


def _all(event: object, type: str) -> list[str]:
    found: dict[str, None] = {}
    for record in records_of(plain(event)):
        if len(found) == _MAX_FAILED:
            break
        if isinstance(record, dict):
            id = _id_of(record, type)
            if id:
                found[id[:_MAX_ID]] = None
    return list(found)


def _id_of(record: dict[str, Any], type: str) -> str:
    if type == "sqs":
        return text(record.get("messageId"))
    if type == "kinesis":
        return sequence_number(record)
    if type == "dynamodb":
        return text(mapping(record.get("dynamodb")).get("SequenceNumber"))
    return _position(f"{text(record.get('topic'))}-{record.get('partition')}", record.get("offset"))
