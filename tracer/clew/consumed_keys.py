"""Link keys that an event holds: one for every id in it, however deep a service wrapped it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.events import Envelopes, at, decoded_key, items, mapping, plain, text
from clew.records import records_of, sequence_number, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.triggers import Trigger

    Result = tuple[dict[str, Any], str, object]

# SQS hands over 10,000 records at most, and an envelope may double the keys.
MAX_KEYS = 20_000
# SNS in SQS, S3 in EventBridge in SQS: no service wraps deeper by itself.
_MAX_DEPTH = 4
# Items of DynamoDB that are digested whole: 3 ms for this many of 20 attributes. Keys cost a tenth and are always read.
_MAX_ITEMS = 100


def consumed_keys(event: object, trigger: Trigger, results: list[Result] | None = None) -> list[str]:
    """The keys, each once, in the order of the event's records.

    To `results` is added what Lambda tells in it of results of invocations: a destination's record and "", or a
    message's attributes and the name by which their values go, and when it was sent.
    """
    event = plain(event)
    # An event of nobody's shape was looked through for executions when its trigger was.
    if not event or not isinstance(event, (dict, list)) or trigger.type == "direct":
        return []
    found = _Keys([] if results is None else results)
    found.read(event, 0)
    return list(found.keys)


class _Keys:
    """Collects the keys of one event within one budget."""

    def __init__(self, results: list[Result]) -> None:
        self.keys: dict[str, None] = {}
        self._results = results
        self._envelopes = Envelopes()
        self._items = _MAX_ITEMS

    def read(self, event: Any, depth: int) -> None:
        """The keys of an event, or of what one wraps."""
        if depth > _MAX_DEPTH or not event:
            return
        for record in records_of(event):
            if len(self.keys) >= MAX_KEYS:
                return
            if isinstance(record, dict):
                self._record(record, depth)
        if not isinstance(event, dict):
            return
        for mark, read in _EVENTS:
            if mark in event:
                read(self, event, depth)
                return
        if depth == 0:  # of Step Functions
            self._executions(event)

    def _record(self, record: dict[str, Any], depth: int) -> None:
        """One of many; or by itself, as Pipes send it to a queue."""
        read = _RECORDS.get(type_of(record))
        if read is not None:
            read(self, record, depth)

    def _listed(self, event: dict[str, Any], depth: int) -> None:
        """Its records are read already."""

    def add(self, kind: str, id: object) -> None:
        if isinstance(id, str) and id and len(id) <= 2048:
            self.keys[f"{kind}:{id}"] = None

    def _object(self, bucket: object, key: str) -> None:
        if key and isinstance(bucket, str) and bucket:
            self.add("s3-object", f"{bucket}/{key}")

    def _sqs(self, record: dict[str, Any], depth: int) -> None:
        self.add("sqs", record.get("messageId"))
        attributes = record.get("messageAttributes")
        if attributes:
            self._dead_letter(attributes, "stringValue", at(record, "attributes", "SentTimestamp"))
        inner = self._envelopes.open(record.get("body"))
        if inner:
            self.read(inner, depth + 1)

    def _dead_letter(self, attributes: object, field: str, sent: object) -> None:
        """Lambda's own attributes of a message in a dead-letter queue or topic."""
        id = at(attributes, "RequestID", field)
        if id is not None:
            self.add("lambda-result", id)
            self._results.append((mapping(attributes), field, sent))

    def _sns(self, record: dict[str, Any], depth: int) -> None:
        self._notification(mapping(record.get("Sns")), depth)

    def _notification(self, message: dict[str, Any], depth: int) -> None:
        """What SNS delivers, in its own record or as a body in a queue. SES's own topics have a mail in it."""
        self.add("sns", message.get("MessageId"))
        attributes = message.get("MessageAttributes")
        if attributes:
            self._dead_letter(attributes, "Value", message.get("Timestamp"))
        inner = self._envelopes.open(message.get("Message"))
        if inner:
            self.read(inner, depth + 1)

    def _s3(self, record: dict[str, Any], _: int) -> None:
        self.add("s3", at(record, "responseElements", "x-amz-request-id"))
        self._object(at(record, "s3", "bucket", "name"), decoded_key(at(record, "s3", "object", "key")))

    def _kinesis(self, record: dict[str, Any], depth: int) -> None:
        stream = text(record.get("eventSourceARN")).partition(":stream/")[2].partition("/")[0]
        number = sequence_number(record)
        if stream and number:
            self.add("kinesis", f"{stream}/{number}")
        inner = self._envelopes.open_base64(mapping(record.get("kinesis")).get("data") or record.get("data"))
        if inner:
            self.read(inner, depth + 1)

    def _dynamodb(self, record: dict[str, Any], _: int) -> None:
        """What is not there any longer because its time was up, nobody's call removed."""
        if at(record, "userIdentity", "principalId") == "dynamodb.amazonaws.com":
            return
        from clew.items import item_key  # noqa: PLC0415  # digests, for one trigger

        table = text(record.get("eventSourceARN"))
        if not table.startswith("arn:"):
            return
        change = mapping(record.get("dynamodb"))
        places = [item_key("", table, change.get("Keys"))]
        if change.get("NewImage") and self._items > 0:
            self._items -= 1
            places.append(item_key("", table, change["NewImage"]))
        for key in places:
            if key:
                self.keys[key] = None

    def _ses(self, record: dict[str, Any], _: int) -> None:
        self._mail(at(record, "ses", "mail"))

    def _mail(self, mail: object) -> None:
        self.add("ses", at(mail, "messageId"))

    def _fate(self, event: dict[str, Any], _: int) -> None:
        """What SES tells of a mail that somebody sent: delivered, bounced …"""
        self._mail(event.get("mail"))

    def _eventbridge(self, event: dict[str, Any], _: int) -> None:
        if "source" not in event:
            return
        self.add("eventbridge", event.get("id"))
        detail = event.get("detail")
        if not isinstance(detail, dict):
            return
        source = event.get("source")
        if source == "aws.s3":
            self.add("s3", detail.get("request-id"))
            # EventBridge, unlike S3's own notifications, has the key as it is.
            self._object(at(detail, "bucket", "name"), text(at(detail, "object", "key")))
        elif source == "lambda":
            self._request(detail, 0)
        elif source == "aws.ses":
            self._mail(detail.get("mail"))
        else:
            self._executions(detail)

    def _request(self, event: dict[str, Any], _: int) -> None:
        """A request, or an invocation whose result Lambda sends on. What AppSync tells its authorizers is neither."""
        context = mapping(event.get("requestContext"))
        if "functionArn" in context:
            self.add("lambda-result", context.get("requestId"))
            self._results.append((event, "", None))
        elif "apiId" in context and "queryString" not in context and "elb" not in context:
            self.add("apigateway", context.get("requestId"))

    def _durable(self, event: dict[str, Any], depth: int) -> None:
        """Each run of a durable execution is given the execution's input again."""
        self.add("durable", event.get("DurableExecutionArn"))
        for operation in items(at(event, "InitialExecutionState", "Operations"))[:1]:
            inner = self._envelopes.open_input(at(operation, "ExecutionDetails", "InputPayload"))
            self.read(inner, depth + 1)

    def _delivery(self, event: dict[str, Any], _: int) -> None:
        """Firehose, if it reads a Kinesis stream."""
        stream = text(event.get("sourceKinesisStreamArn")).partition(":stream/")[2]
        for record in items(event.get("records")) if stream else ():
            number = text(at(record, "kinesisRecordMetadata", "sequenceNumber"))
            if number and len(self.keys) < MAX_KEYS:
                self.add("kinesis", f"{stream}/{number}")

    def _executions(self, value: dict[str, Any]) -> None:
        from clew.executions import execution_arns  # noqa: PLC0415  # 0.1 ms of INIT, for events of few sources

        for arn in execution_arns(value):
            self.add("states", arn)


_RECORDS: dict[str, Callable[[_Keys, dict[str, Any], int], None]] = {
    "s3": _Keys._s3,
    "sqs": _Keys._sqs,
    "sns": _Keys._sns,
    "kinesis": _Keys._kinesis,
    "dynamodb": _Keys._dynamodb,
    "ses": _Keys._ses,
}
# By a name that an event has: the first that it has tells what it is.
_EVENTS: tuple[tuple[str, Callable[[_Keys, dict[str, Any], int], None]], ...] = (
    ("Records", _Keys._listed),
    ("detail-type", _Keys._eventbridge),
    ("TopicArn", _Keys._notification),
    ("requestContext", _Keys._request),
    ("DurableExecutionArn", _Keys._durable),
    ("eventSource", _Keys._record),
    ("deliveryStreamArn", _Keys._delivery),
    ("mail", _Keys._fate),
)
