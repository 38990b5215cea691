"""The records of an event, whichever way a service lists them."""

from __future__ import annotations

from typing import Any

from clew.events import mapping, plain, text

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


def sequence_number(record: dict[str, Any]) -> str:
    """Of a Kinesis record, which Pipes flatten."""
    return text(mapping(record.get("kinesis")).get("sequenceNumber")) or text(record.get("sequenceNumber"))
