"""How much of a service a call took: units counted by hand, from AWS's rules."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import Binary
from botocore.config import Config

from clew.payload import Renderer
from clew.usage import CAPACITY, UNITS, billed_units
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_aws_calls import call_of, client, run

KB = 1_024
SHORT = {"ResponseMetadata": {"HTTPHeaders": {"content-length": "4096"}}}
LONG = {"ResponseMetadata": {"HTTPHeaders": {"content-length": "4097"}}}


def units(service: str, operation: str, params: dict[str, Any], answer: dict[str, Any] | None = None) -> object:
    return billed_units(service, operation, params, answer or {}).get(UNITS)


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("sqs", "SendMessage", {"MessageBody": "x" * 64 * KB}, None),
        ("sqs", "SendMessage", {"MessageBody": "x" * (64 * KB + 1)}, 2),
        ("sqs", "SendMessage", {"MessageBody": "é" * 32 * KB}, None),
        ("sqs", "SendMessage", {"MessageBody": "é" * (32 * KB + 1)}, 2),
        # A batch is one request of all its bodies and attributes.
        ("sqs", "SendMessageBatch", {"Entries": [{"MessageBody": "x" * 32 * KB}] * 2}, None),
        ("sqs", "SendMessageBatch", {"Entries": [{"MessageBody": "x" * 64 * KB}] * 10}, 10),
        (
            "sqs",
            "SendMessage",
            {
                "MessageBody": "x" * 64 * KB,
                "MessageAttributes": {"a": {"DataType": "String", "StringValue": "b"}},
            },
            2,
        ),
        ("sqs", "DeleteMessage", {}, None),
        ("sns", "Publish", {"Message": "x" * 256 * KB}, 4),
        ("sns", "PublishBatch", {"PublishBatchRequestEntries": [{"Message": "x" * 65 * KB}] * 2}, 3),
        # Events are counted one by one: each begun 64 kB is an event.
        ("events", "PutEvents", {"Entries": [{"Detail": "{}"}]}, None),
        ("events", "PutEvents", {"Entries": [{"Detail": "{}"}] * 10}, 10),
        ("events", "PutEvents", {"Entries": [{"Detail": "x" * (64 * KB - 3), "Source": "abc"}]}, None),
        ("events", "PutEvents", {"Entries": [{"Detail": "x" * (64 * KB - 3), "Source": "abcd"}]}, 2),
        ("events", "PutEvents", {"Entries": [{"Detail": "x" * (64 * KB - 13), "Time": 1}]}, 2),
        ("kinesis", "PutRecord", {"Data": b"x" * 25 * KB}, None),
        ("kinesis", "PutRecord", {"Data": b"x" * (25 * KB + 1)}, 2),
        ("kinesis", "PutRecords", {"Records": [{"Data": b"x"}] * 3 + [{"Data": b"x" * 30 * KB}]}, 5),
        ("kinesis", "GetRecords", {}, None),
        ("ses", "SendEmail", {"Destination": {"ToAddresses": ["a"], "CcAddresses": ["b"], "BccAddresses": ["c"]}}, 3),
        ("sesv2", "SendEmail", {"Destination": {"ToAddresses": ["a"]}}, None),
        ("ses", "SendRawEmail", {"Destinations": ["a", "b"]}, 2),
    ],
)
def test_messages(service: str, operation: str, params: dict[str, Any], expected: int | None) -> None:
    assert units(service, operation, params) == expected


def test_what_is_received_counts_too() -> None:
    assert units("sqs", "ReceiveMessage", {}, {"Messages": [{"Body": "x" * 50 * KB}] * 2}) == 2


def test_an_express_workflow_says_what_it_is_billed_for() -> None:
    """64 MB for 1,600 ms are 0.1 GB-s."""
    billed = {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": 1_600}
    assert units("stepfunctions", "StartSyncExecution", {}, {"billingDetails": billed}) == 0.1
    assert units("stepfunctions", "StartExecution", {}, {"executionArn": "arn"}) is None


@pytest.mark.parametrize(
    ("item", "written"),
    [
        # A name's bytes and the value's: 2 + 1,022
        ({"id": {"S": "x" * 1_022}}, None),
        ({"id": {"S": "x" * 1_023}}, 2),
        ({"id": "x" * 1_023}, 2),
        ({"id": {"B": b"x" * 3_000}}, 3),
        ({"id": Binary(b"x" * 3_000)}, 3),
        # Two digits to a byte and one more: 38 digits are 20 bytes. 100 * (3 + 20) = 2,300
        ({f"{n:03}": {"N": "1" * 38} for n in range(100)}, 3),
        ({f"{n:03}": Decimal("1" * 38) for n in range(100)}, 3),
        # 3 for a list, 1 for each value: 1 + 3 + 100 * (1 + 20)
        ({"l": {"L": [{"S": "x" * 20}] * 100}}, 3),
        ({"l": ["x" * 20] * 100}, 3),
        ({"l": {"SS": [f"{n:020}" for n in range(100)]}}, 3),
        # … and its name for each value of a map: 1 + 3 + 100 * (1 + 3 + 20)
        ({"m": {"M": {f"{n:03}": {"S": "x" * 20} for n in range(100)}}}, 3),
        ({"m": {f"{n:03}": "x" * 20 for n in range(100)}}, 3),
        ({"b": {"BOOL": True}, "n": {"NULL": True}, "t": True, "none": None}, None),
        ({"id": object()}, None),
        ("no item", None),
        (None, None),
    ],
)
def test_items_that_are_written(item: object, written: int | None) -> None:
    """A write request unit is a begun kilobyte of the item."""
    assert units("dynamodb", "PutItem", {"Item": item}) == written


@pytest.mark.parametrize("size", [900, 1_023, 1_024, 5_000])
def test_a_small_request_needs_no_measuring(size: int) -> None:
    """What is told by the request's text is what measuring tells."""
    params = {"TableName": "t", "Item": {"id": {"S": "x" * size}}}
    measured = billed_units("dynamodb", "PutItem", params, {})
    assert billed_units("dynamodb", "PutItem", params, {}, Renderer().render(params, "request")) == measured


def test_what_is_masked_is_longer_than_its_text() -> None:
    params = {"TableName": "t", "Item": {"password": {"S": "x" * 3_000}, "data": {"B": b"x" * 3_000}}}
    assert billed_units("dynamodb", "PutItem", params, {}, Renderer().render(params, "request")) == {UNITS: 6}


BIG = {"id": {"S": "x" * (10 * KB - 2)}}  # 10 kB: three reads of 4 kB


@pytest.mark.parametrize(
    ("operation", "params", "answer", "expected"),
    [
        # Half a unit is the least of what is read without ConsistentRead.
        ("GetItem", {}, {"Item": BIG, **SHORT}, None),
        ("GetItem", {"ConsistentRead": True}, {"Item": BIG, **SHORT}, 1),
        ("GetItem", {}, {"Item": BIG, **LONG}, 1.5),
        ("GetItem", {"ConsistentRead": True}, {"Item": BIG, **LONG}, 3),
        ("GetItem", {}, {}, None),
        # A page is added up before it is rounded: 5 * 10 kB are 12.5 times 4 kB
        ("Query", {"ConsistentRead": True}, {"Items": [BIG] * 5, "Count": 5, "ScannedCount": 5, **LONG}, 13),
        ("Query", {}, {"Items": [BIG] * 5, "Count": 5, "ScannedCount": 5, **LONG}, 6.5),
        ("Query", {}, {"Items": [{}], "Count": 1, "ScannedCount": 1, **SHORT}, None),
        # What a filter left out was read all the same, and is taken to be like the others.
        ("Scan", {"ConsistentRead": True}, {"Items": [BIG], "Count": 1, "ScannedCount": 4, **LONG}, 10),
        ("Scan", {}, {"Items": [], "Count": 0, "ScannedCount": 4, **SHORT}, None),
        ("Scan", {"Select": "COUNT"}, {"Count": 9, "ScannedCount": 9, **SHORT}, None),
        ("Scan", {}, {"Items": [BIG]}, None),
        (
            "BatchGetItem",
            {"RequestItems": {"a": {"Keys": [1, 2, 3]}, "b": {"Keys": [1], "ConsistentRead": True}}},
            {"Responses": {"a": [BIG], "b": [BIG]}},
            5.5,  # 1.5 and two keys without an item; 3
        ),
        ("TransactGetItems", {}, {"Responses": [{"Item": BIG}, {}]}, 8),
        ("TransactGetItems", {}, {"Responses": [{}]}, None),
        ("UpdateItem", {}, {}, None),
        ("UpdateItem", {"ReturnValues": "ALL_NEW"}, {"Attributes": BIG}, 10),
        ("DeleteItem", {"ReturnValues": "ALL_OLD"}, {"Attributes": BIG}, 10),
        (
            "BatchWriteItem",
            {"RequestItems": {"a": [{"PutRequest": {"Item": BIG}}, {"DeleteRequest": {}}], "b": [{}]}},
            {},
            12,
        ),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": BIG}}, {"Update": {}}]}, {}, 22),
        ("TransactWriteItems", {"TransactItems": [{"Update": {}}]}, {}, None),
        ("DescribeTable", {}, {}, None),
    ],
)
def test_items(operation: str, params: dict[str, Any], answer: dict[str, Any], expected: float | None) -> None:
    assert units("dynamodb", operation, params, answer) == expected


def test_dynamodbs_own_word_comes_first() -> None:
    """As OpenTelemetry has it: one text for each table."""
    consumed = {"TableName": "t", "CapacityUnits": 7.5, "Table": {"CapacityUnits": 7.5}}
    said = billed_units("dynamodb", "PutItem", {"Item": BIG}, {"ConsumedCapacity": consumed})
    assert said == {CAPACITY: ['{"TableName": "t", "CapacityUnits": 7.5}']}
    said = billed_units("dynamodb", "BatchGetItem", {}, {"ConsumedCapacity": [consumed, {"CapacityUnits": "x"}]})
    assert said == {CAPACITY: ['{"TableName": "t", "CapacityUnits": 7.5}']}
    said = billed_units("dynamodb", "PutItem", {"Item": BIG}, {"ConsumedCapacity": "odd"})
    assert said == {UNITS: 10}


def test_an_item_of_very_many_values_is_not_measured() -> None:
    """To know would take milliseconds."""
    assert billed_units("dynamodb", "PutItem", {"Item": {str(n): {"N": "1"} for n in range(5_000)}}, {}) == {}
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert billed_units("dynamodb", "PutItem", {"Item": {"deep": deep}}, {}) == {}


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "sns", "events", "kinesis", "stepfunctions", "ses"])
@pytest.mark.parametrize("odd", [None, 7, "x", [], [None, 7], {"a": 1}, {"Entries": 3}])
@pytest.mark.parametrize(
    "operation",
    ["PutItem", "Query", "BatchGetItem", "BatchWriteItem", "TransactWriteItems", "TransactGetItems", "SendMessage",
     "SendMessageBatch", "ReceiveMessage", "Publish", "PublishBatch", "PutEvents", "PutRecord", "PutRecords",
     "StartSyncExecution", "SendEmail"],
)  # fmt: skip
def test_odd_calls(service: str, odd: Any, operation: str) -> None:
    """Whatever a stub is given and answers, nothing is raised."""
    names = ("Item", "Items", "Entries", "Records", "RequestItems", "TransactItems", "Messages", "MessageBody",
             "MessageAttributes", "Responses", "billingDetails", "Destination", "Data", "Count")  # fmt: skip
    params = dict.fromkeys(names, odd)
    found = billed_units(service, operation, params, params)
    assert all(isinstance(value, (int, float)) for value in found.values())


def test_calls_of_real_clients(sink: Sink, trace: Any, aws: str) -> None:
    """What is written through a resource and read through a client, and messages."""
    table = boto3.resource(
        "dynamodb",
        endpoint_url=aws,
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(),
    )
    plain, queue = client("dynamodb", aws), client("sqs", aws)

    def handler() -> None:
        plain.create_table(
            TableName="units",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        table.Table("units").put_item(Item={"id": "1", "text": "x" * 2_500}, ReturnConsumedCapacity="NONE")
        plain.get_item(TableName="units", Key={"id": {"S": "1"}}, ConsistentRead=True)
        url = queue.create_queue(QueueName="units")["QueueUrl"]
        queue.send_message(QueueUrl=url, MessageBody="x" * 100_000)

    run(trace, handler)
    assert call_of(sink, "DynamoDB.PutItem")[UNITS] == 3
    read = call_of(sink, "DynamoDB.GetItem")
    assert read[UNITS] == 1
    assert json.loads(read["clew.request"])["ConsistentRead"] is True
    assert call_of(sink, "SQS.SendMessage")[UNITS] == 2
    assert UNITS not in call_of(sink, "SQS.CreateQueue")
    assert {name for span in sink.spans() for name in attributes(span)} & {CAPACITY} == set()
