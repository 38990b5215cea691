"""The records of an event, whichever way a service lists them."""

from __future__ import annotations

from typing import Any

from clew.events import at, mapping, plain, text

TYPES = {
    "aws:s3": "s3",
    "aws:sqs": "sqs",
    "aws:sns": "sns",
    "aws:kinesis": "kinesis",
    "aws:dynamodb": "dynamodb",
    "aws:kafka": "kafka",
    "SelfManagedKafka": "kafka",
    "aws:SelfManagedKafka": "kafka",
    "aws:amq": "mq",
    "aws:rmq": "mq",
    "aws:docdb": "documentdb",
    "aws:ses": "ses",
    "aws:codecommit": "codecommit",
}
"""The trigger's type by the name that the service gives itself in `eventSource`."""


def type_of(event: dict[str, Any]) -> str:
    """The type of a record, or of an event that tells its source once; "" if it is none that is known."""
    source = event.get("eventSource") or event.get("EventSource")
    return TYPES.get(source, "") if isinstance(source, str) else ""


def records_of(event: object) -> list[Any]:
    """Every record, of any kind; [] for an event that holds none.

    A list is what EventBridge Pipes send. Kafka groups records by topic and partition, RabbitMQ by queue; ActiveMQ and
    DocumentDB have lists under names of their own.
    """
    if isinstance(event, list):
        return event
    if not isinstance(event, dict):
        return []
    records = event.get("Records")
    if isinstance(records, list):
        return records
    if "eventSource" not in event:
        return []
    groups = event.get("records") or event.get("rmqMessagesByQueue")
    if isinstance(groups, dict):
        return [record for group in groups.values() if isinstance(group, list) for record in group]
    for name in ("messages", "events"):
        records = event.get(name)
        if isinstance(records, list):
            return records
    return []


# Triggers that deliver batches.
_SIZED = frozenset({"sqs", "kinesis", "dynamodb", "kafka", "mq", "documentdb"})


def batch_size(event: object, type: str) -> int | None:
    """How many records the event has; None for triggers that deliver no batches. `type` is the trigger's."""
    return len(records_of(plain(event))) if type in _SIZED else None


_MOST_LOOKED_AT = 1000  # records: 0.2 ms
_LATEST_MS = 4_102_444_800_000  # 2100: what is later is no such time
# Where a record says when it was sent or arrived, and how many milliseconds its unit has. Pipes flatten Kinesis ones.
_TIMES: dict[str, tuple[tuple[tuple[str, ...], int], ...]] = {
    "sqs": ((("attributes", "SentTimestamp"), 1),),
    "kinesis": (
        (("kinesis", "approximateArrivalTimestamp"), 1_000),
        (("approximateArrivalTimestamp",), 1_000),
    ),
    "dynamodb": ((("dynamodb", "ApproximateCreationDateTime"), 1_000),),
    "kafka": ((("timestamp",), 1),),
}


def oldest_record(event: object, type: str) -> int | None:
    """When the oldest of the event's records was sent, or arrived in the stream, in nanoseconds since 1970; None where
    records do not say. `type` is the trigger's."""
    places = _TIMES.get(type)
    if places is None:
        return None
    found: list[int] = []
    for record in records_of(plain(event))[:_MOST_LOOKED_AT]:
        for path, unit in places:
            time = _number(at(record, *path))
            if 0 < time < _LATEST_MS / unit:
                found.append(round(time * unit))
                break
    return min(found) * 1_000_000 if found else None


def _number(value: object) -> float:
    """A number, or the text of one; 0 for anything else."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def sequence_number(record: dict[str, Any]) -> str:
    """Of a Kinesis record, which Pipes flatten."""
    return text(mapping(record.get("kinesis")).get("sequenceNumber")) or text(record.get("sequenceNumber"))
