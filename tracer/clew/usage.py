"""How much of a service a call took, in the units that AWS bills: for its price, which the collector knows.

Only what is more than the least of such a call is told; docs/attributes.md says what a unit is of each service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.events import mapping, text

if TYPE_CHECKING:
    from clew.payload import Payload

UNITS = "clew.call.units"
CAPACITY = "aws.dynamodb.consumed_capacity"

_MESSAGE = 65_536
_RECORD = 25 * 1024
_READ = 4_096
_WRITE = 1_024
_SAMPLE = 4  # items of an answer that are measured; the others are taken to be like them
_MOST_VALUES = 2_000
_DEEPEST = 40  # DynamoDB's own limit is 32
_READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem"})
_TAGS = frozenset({"S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"})


class _TooMuch(Exception):  # no error
    """To measure it would take longer than to know it is worth."""


def billed_units(
    service: str, operation: str, params: dict[str, Any], answer: dict[str, Any], request: Payload | None = None
) -> dict[str, Any]:
    """Attributes of the call, after its answer; none where it took the least or nothing tells.

    `request` is `params` as text, where that was made. Takes 0.3 to 1 µs of the calls that are usual.
    """
    units: float | None = None
    if service == "dynamodb":
        return _capacity(operation, params, answer, request)
    if service in {"sqs", "sns"}:
        units = _messages(operation, params, answer)
    elif service == "events":
        if operation == "PutEvents":
            units = sum(_chunks(_event_size(mapping(entry)), _MESSAGE) for entry in _list(params.get("Entries")))
    elif service == "kinesis":
        if operation == "PutRecord":
            units = _chunks(_size(params.get("Data")), _RECORD)
        elif operation == "PutRecords":
            records = _list(params.get("Records"))
            units = sum(_chunks(_size(mapping(record).get("Data")), _RECORD) for record in records)
    elif service == "stepfunctions":
        units = _gigabyte_seconds(mapping(answer.get("billingDetails")))
    else:
        units = _recipients(params)
    return _told(units, 1.0)


def _capacity(
    operation: str, params: dict[str, Any], answer: dict[str, Any], request: Payload | None
) -> dict[str, Any]:
    """Of DynamoDB: what it says itself, where it was asked to, else by the sizes of items."""
    consumed = answer.get("ConsumedCapacity")
    if consumed and (said := _consumed(consumed)):
        return {CAPACITY: said}
    if _small(operation, request):
        return {}
    least = 0.5 if operation in _READS else 2.0 if operation.startswith("Transact") else 1.0
    try:
        return _told(_dynamodb(operation, params, answer), least)
    except _TooMuch:
        return {}


def _told(units: float | None, least: float) -> dict[str, Any]:
    if not units or units == least:
        return {}
    return {UNITS: int(units) if units == int(units) else float(units)}


def _chunks(size: int, of: int) -> int:
    return -(-size // of) or 1


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, (bytes, bytearray, memoryview)) else 0


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _messages(operation: str, params: dict[str, Any], answer: dict[str, Any]) -> int | None:
    """Of SQS and SNS: 64 kB of what a request sends or receives. A batch is one request."""
    if operation in {"SendMessage", "Publish"}:
        messages = [params]
    elif operation == "SendMessageBatch":
        messages = _list(params.get("Entries"))
    elif operation == "PublishBatch":
        messages = _list(params.get("PublishBatchRequestEntries"))
    elif operation == "ReceiveMessage":
        messages = _list(answer.get("Messages"))
    else:
        return None
    total = 0
    for message in messages:
        found = mapping(message)
        total += _size(found.get("MessageBody") or found.get("Body") or found.get("Message"))
        for name, value in mapping(found.get("MessageAttributes")).items():
            said = mapping(value)
            total += _size(name) + sum(map(_size, said.values()))
    return _chunks(total, _MESSAGE)


def _event_size(entry: dict[str, Any]) -> int:
    """As EventBridge counts it: 14 bytes for a time, all else as it is."""
    total = sum(_size(entry.get(name)) for name in ("Source", "DetailType", "Detail"))
    return total + sum(map(_size, _list(entry.get("Resources")))) + (14 if entry.get("Time") else 0)


def _gigabyte_seconds(billed: dict[str, Any]) -> float | None:
    """Of an Express workflow, as Step Functions itself rounds its memory and its time."""
    megabytes, milliseconds = billed.get("billedMemoryUsedInMB"), billed.get("billedDurationInMilliseconds")
    if type(megabytes) is not int or type(milliseconds) is not int:
        return None
    return megabytes / 1024 * milliseconds / 1000


def _recipients(params: dict[str, Any]) -> int:
    destination = mapping(params.get("Destination"))
    listed = sum(len(_list(destination.get(f"{kind}Addresses"))) for kind in ("To", "Cc", "Bcc"))
    return listed or len(_list(params.get("Destinations")))


def _consumed(consumed: object) -> list[str]:
    """One text for each table, as OpenTelemetry has it."""
    from json import dumps  # noqa: PLC0415  # loaded by botocore

    found = []
    for entry in consumed if isinstance(consumed, list) else [consumed]:
        said = mapping(entry)
        units = said.get("CapacityUnits")
        if isinstance(units, (int, float)) and not isinstance(units, bool):
            found.append(dumps({"TableName": text(said.get("TableName"))[:1024], "CapacityUnits": units}))
    return found


def _small(operation: str, request: Payload | None) -> bool:
    """Whether what was written is no more than one unit of it, as the text of it tells: measuring takes ten times as
    long. What is masked or described in it may be longer than it looks."""
    if operation != "PutItem" or request is None or not request.measured or request.size > _WRITE:
        return False
    return b"***" not in request.text and b'"[' not in request.text


def _dynamodb(operation: str, params: dict[str, Any], answer: dict[str, Any]) -> float | None:
    """Request units by the size of items; None where neither request nor answer holds what was read or written."""
    left = [_MOST_VALUES]
    if operation == "PutItem":
        return _writes(params.get("Item"), left)
    if operation in {"UpdateItem", "DeleteItem"}:
        old_or_new = answer.get("Attributes")
        return _writes(old_or_new, left) if old_or_new else None
    if operation == "GetItem":
        return _reads(answer.get("Item"), params, answer, left)
    if operation in {"Query", "Scan"}:
        return _page(params, answer, left)
    if operation == "BatchGetItem":
        return _batch_read(params, answer, left)
    return _transaction_or_batch(operation, params, answer, left)


def _transaction_or_batch(
    operation: str, params: dict[str, Any], answer: dict[str, Any], left: list[int]
) -> float | None:
    if operation == "BatchWriteItem":
        requests = [mapping(one) for some in mapping(params.get("RequestItems")).values() for one in _list(some)]
        return sum(_writes(mapping(request.get("PutRequest")).get("Item"), left) for request in requests)
    if operation == "TransactWriteItems":
        actions = [mapping(action) for action in _list(params.get("TransactItems"))]
        return 2.0 * sum(_writes(mapping(action.get("Put")).get("Item"), left) for action in actions)
    if operation == "TransactGetItems":
        found = [mapping(one).get("Item") for one in _list(answer.get("Responses"))]
        return 2.0 * sum(_chunks(_item(item, left), _READ) for item in found)
    return None


def _writes(item: object, left: list[int]) -> int:
    return _chunks(_item(item, left), _WRITE)


def _reads(item: object, params: dict[str, Any], answer: dict[str, Any], left: list[int]) -> float:
    units = 1 if _short(answer) else _chunks(_item(item, left), _READ)
    return units if params.get("ConsistentRead") else units / 2


def _short(answer: dict[str, Any]) -> bool:
    """An answer is longer than the items in it: mostly that is all that needs to be known."""
    headers = mapping(mapping(answer.get("ResponseMetadata")).get("HTTPHeaders"))
    length = text(headers.get("content-length"))
    return length.isdecimal() and int(length) <= _READ


def _page(params: dict[str, Any], answer: dict[str, Any], left: list[int]) -> float | None:
    """All items of a page are added up, and rounded once; also those that a filter left out."""
    items = _list(answer.get("Items"))
    count, scanned = answer.get("Count"), answer.get("ScannedCount")
    if type(count) is not int or type(scanned) is not int or (scanned and not items):
        return None  # counted only, or all of them left out
    half = 1 if params.get("ConsistentRead") else 2
    if scanned == count and not params.get("ProjectionExpression") and _short(answer):
        return 1 / half
    some = items[:_SAMPLE]
    measured = sum(_item(item, left) for item in some)
    size = measured * max(scanned, len(items)) // len(some) if some else 0
    return _chunks(size, _READ) / half


def _batch_read(params: dict[str, Any], answer: dict[str, Any], left: list[int]) -> float:
    """Each key is read by itself, whether there is an item or not."""
    total = 0.0
    responses = mapping(answer.get("Responses"))
    for table, asked in mapping(params.get("RequestItems")).items():
        wanted = mapping(asked)
        items = _list(responses.get(table))
        units = sum(_chunks(_item(item, left), _READ) for item in items)
        units += max(0, len(_list(wanted.get("Keys"))) - len(items))
        total += units if wanted.get("ConsistentRead") else units / 2
    return total


def _item(item: object, left: list[int]) -> int:
    """Bytes of an item as DynamoDB counts them, in its own notation or as boto3's resources have it."""
    if not isinstance(item, dict):
        return 0
    total = 0
    for name, value in item.items():
        total += _size(name) + _value(value, left, 0)
    return total


def _value(value: object, left: list[int], depth: int) -> int:
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        raise _TooMuch
    if type(value) is dict and len(value) == 1:
        (tag,) = value
        if tag in _TAGS:
            return _tagged(tag, value[tag], left, depth)
    if isinstance(value, (str, bytes, bytearray)):
        return _size(value)
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, dict):
        return 3 + sum(_size(name) + 1 + _value(one, left, depth + 1) for name, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return 3 + sum(1 + _value(one, left, depth + 1) for one in value)
    if isinstance(value, (int, float)) or type(value).__name__ == "Decimal":
        return _number(str(value))
    return _size(getattr(value, "value", None))  # boto3's Binary


def _tagged(tag: str, value: Any, left: list[int], depth: int) -> int:
    if tag in {"S", "B"}:
        return _size(value)
    if tag == "N":
        return _number(value)
    if tag in {"BOOL", "NULL"}:
        return 1
    if tag == "NS":
        return 3 + sum(map(_number, _list(value)))
    if tag == "M":
        return 3 + sum(_size(name) + 1 + _value(one, left, depth + 1) for name, one in mapping(value).items())
    return 3 + sum(1 + _value(one, left, depth + 1) for one in _list(value))


def _number(digits: object) -> int:
    """A byte for two digits, and one more."""
    return (min(_size(digits), 40) + 1) // 2 + 1
