"""Link keys and refused entries, from the responses of real botocore clients."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from clew import item_keys
from clew.items import item_key
from clew.partiql import table_of, written
from clew.produced_keys import failed_entries, failure, produced_keys
from tests.tracer.aws_answers import answered
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "eu-west-1"


class Context:
    aws_request_id = "request-1"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:transcribe"


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    item_keys._schemas.clear()


def digest(attributes: dict[str, Any], table: str = "orders") -> str:
    return item_key(REGION, table, attributes)


@pytest.fixture(name="call")
def _call(trace: Any, sink: Sink) -> Callable[..., dict[str, Any]]:
    """`call("sqs.send_message", answer, **params)`: the attributes of the span of one call in a handler."""

    def call(name: str, answer: Any, headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        service, _, operation = name.partition(".")
        client, _ = answered(service, (200, answer), headers=headers)
        trace(lambda event, context: getattr(client, operation)(**params) and None)({}, Context())
        return attributes(sink.spans()[-2])

    return call


def test_every_id_of_a_batch_and_what_was_refused(call: Any) -> None:
    """SQS, SNS, EventBridge and Kinesis: the ids of all entries that were taken, the number of those that were not."""
    queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
    refused = {"Id": "3", "Code": "InternalError", "SenderFault": False}
    taken = [{"Id": "1", "MessageId": "a", "MD5OfMessageBody": ""}, {"Id": "2", "MessageId": "b"}]
    entries = [{"Id": str(n), "MessageBody": "x"} for n in (1, 2, 3)]
    answer: Any = {"Successful": taken, "Failed": [refused]}
    found = call("sqs.send_message_batch", answer, QueueUrl=queue, Entries=entries)
    assert found["clew.link.keys"] == ["sqs:a", "sqs:b"]
    assert found["clew.call.failed_entries"] == 1
    assert "error.type" not in found

    answer = b"""<PublishBatchResponse><PublishBatchResult>
        <Successful><member><Id>1</Id><MessageId>a</MessageId></member>
        <member><Id>2</Id><MessageId>b</MessageId></member></Successful>
        <Failed><member><Id>3</Id><Code>InternalError</Code></member></Failed>
        </PublishBatchResult></PublishBatchResponse>"""
    sent = [{"Id": str(n), "Message": "x"} for n in (1, 2, 3)]
    topic = "arn:aws:sns:eu-west-1:123456789012:orders"
    found = call("sns.publish_batch", answer, TopicArn=topic, PublishBatchRequestEntries=sent)
    assert (found["clew.link.keys"], found["clew.call.failed_entries"]) == (["sns:a", "sns:b"], 1)

    answer = {"FailedEntryCount": 1, "Entries": [{"EventId": "a"}, {"ErrorCode": "X"}, {"EventId": "b"}]}
    events = [{"Source": "s", "DetailType": "t", "Detail": "{}"}] * 3
    found = call("events.put_events", answer, Entries=events)
    assert (found["clew.link.keys"], found["clew.call.failed_entries"]) == (["eventbridge:a", "eventbridge:b"], 1)

    answer = {"FailedRecordCount": 1, "Records": [{"SequenceNumber": "1"}, {"ErrorCode": "X"}, {"SequenceNumber": "2"}]}
    records = [{"Data": b"x", "PartitionKey": "p"}] * 3
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
    for stream in ({"StreamName": "clicks"}, {"StreamARN": arn}):
        found = call("kinesis.put_records", answer, Records=records, **stream)
        assert (found["clew.link.keys"], found["clew.call.failed_entries"]) == (
            ["kinesis:clicks/1", "kinesis:clicks/2"],
            1,
        )
    answer = {"ShardId": "s", "SequenceNumber": "7"}
    found = call("kinesis.put_record", answer, StreamName="clicks", Data=b"x", PartitionKey="p")
    assert found["clew.link.keys"] == ["kinesis:clicks/7"]


META = {"ResponseMetadata": {"RequestId": "R"}}


@pytest.mark.parametrize(
    ("service", "operation", "params", "response", "keys"),
    [
        ("s3", "PutObject", {}, META, ["s3:R"]),
        ("s3", "GetObject", {}, META, []),
        ("sqs", "SendMessage", {}, {"MessageId": "a"}, ["sqs:a"]),
        ("sns", "Publish", {}, {"MessageId": "a"}, ["sns:a"]),
        ("lambda", "Invoke", {}, META, ["lambda:R"]),
        ("transcribe", "StartTranscriptionJob", {"TranscriptionJobName": "j"}, {}, []),
    ],
)
def test_a_call_leaves_its_keys(
    service: str, operation: str, params: dict[str, Any], response: dict[str, Any], keys: list[str]
) -> None:
    """Of one message, object or invocation; what only reads leaves none."""
    assert produced_keys(service, operation, params, response) == keys


@pytest.mark.parametrize(
    ("output_key", "expected"),
    [
        (None, "b/job.json"),
        ("x.json", "b/x.json"),
        ("f/x.json", "b/f/x.json"),
        ("f", "b/f/job.json"),
        ("f/", "b/f/job.json"),
        ("f/g", "b/f/g/job.json"),
    ],
)
def test_a_transcription_leaves_the_place_of_its_output(output_key: str | None, expected: str) -> None:
    """Named by the job, by a key, or within a folder, as Transcribe's reference lists them."""
    params = {"TranscriptionJobName": "job", "OutputBucketName": "b"}
    if output_key is not None:
        params["OutputKey"] = output_key

    assert produced_keys("transcribe", "StartTranscriptionJob", params, {}) == [f"s3-object:{expected}"]


def test_functions_executions_and_mail(call: Any) -> None:
    """A durable execution, a state machine's, and SES' messages have ids of their own."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable-execution/a/b"
    found = call("lambda.invoke", b"{}", {"X-Amz-Durable-Execution-Arn": arn}, FunctionName="f", Payload=b"{}")
    assert found["clew.link.keys"] == ["lambda:8cf0fb0a-9a6f-4a16-8a3c-0f0e1ee0bbbb", f"durable:{arn}"]

    machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:orders"
    execution = "arn:aws:states:eu-west-1:123456789012:execution:orders:1"
    answer: Any = {"executionArn": execution, "startDate": 1.0}
    found = call("stepfunctions.start_execution", answer, stateMachineArn=machine)
    assert found["clew.link.keys"] == [f"states:{execution}"]

    answer = {"MessageId": "m-1"}
    mail = {"FromEmailAddress": "Shop <shop@example.com>", "Destination": {}, "Content": {"Raw": {"Data": b"x"}}}
    found = call("sesv2.send_email", answer, **mail)
    assert (found["clew.link.keys"], found["clew.resource.name"]) == (["ses:m-1"], "example.com")


def test_what_failed_in_a_response_of_200_has_failed(call: Any, sink: Sink) -> None:
    """A function that raised, and an execution that was waited for, make their caller's call a failure."""
    found = call("lambda.invoke", b"{}", {"X-Amz-Function-Error": "Unhandled"}, FunctionName="f")
    assert (found["error.type"], found["http.response.status_code"]) == ("Unhandled", 200)
    assert sink.spans()[-2].status.code == 2
    assert sink.spans()[-1].status.code == 0

    machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:orders"
    answer = {
        "executionArn": "arn:aws:states:eu-west-1:123456789012:express:orders:1:2",
        "status": "FAILED",
        "error": "OutOfStock",
        "cause": "password=hunter2",
        "startDate": 1.0,
        "stopDate": 2.0,
    }
    found = call("stepfunctions.start_sync_execution", answer, stateMachineArn=machine)
    assert found["error.type"] == "OutOfStock"
    assert sink.spans()[-2].status.message == "password=****"


def test_entries_that_other_batches_left_over() -> None:
    """Each service has its own word for them."""
    assert failed_entries("DeleteObjects", {"Deleted": [], "Errors": [{"Key": "a"}]}) == 1
    assert failed_entries("ListErrors", {"Errors": [{"Key": "a"}]}) == 0
    left: Any = {"orders": [{"PutRequest": {}}, {"PutRequest": {}}], "other": [{"DeleteRequest": {}}]}
    assert failed_entries("BatchWriteItem", {"UnprocessedItems": left}) == 3
    assert failed_entries("BatchGetItem", {"UnprocessedKeys": {"orders": {"Keys": [{}, {}]}}}) == 2
    assert failed_entries("BatchExecuteStatement", {"Responses": [{"Error": {}}, {"TableName": "t"}]}) == 1
    assert failed_entries("PutRecordBatch", {"FailedPutCount": 3}) == 3
    assert failed_entries("RunTask", {"tasks": [], "failures": [{"reason": "CAPACITY"}]}) == 1
    assert failed_entries("PutEvents", {"FailedEntryCount": "many"}) == 0


def test_an_items_key_is_learnt_from_other_calls(call: Any) -> None:
    """A put tells no key: until another call has named it, the whole item's digest and likely keys' stand for it."""
    item = {"id": {"S": "1"}, "at": {"N": "10"}, "total": {"N": "9.50"}}
    key = {"id": item["id"], "at": item["at"]}
    first = call("dynamodb.put_item", {}, TableName="orders", Item=item)
    assert first["clew.link.keys"] == [digest(item), digest({"id": item["id"]})]

    read = call("dynamodb.get_item", {}, TableName="orders", Key=key)
    assert "clew.link.keys" not in read
    second = call("dynamodb.put_item", {}, TableName="orders", Item=item)
    assert second["clew.link.keys"] == [digest(key)]
    for operation in ("update_item", "delete_item"):
        found = call(f"dynamodb.{operation}", {}, TableName="orders", Key=key)
        assert found["clew.link.keys"] == [digest(key)]


def test_a_tables_description_tells_its_key() -> None:
    """CreateTable and DescribeTable, and where a scan stopped; but not where one of an index did."""
    item = {"a": {"S": "1"}, "b": {"S": "2"}}
    tellers: list[tuple[str, Any, Any]] = [
        ("CreateTable", {"TableName": "one", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]}, {}),
        ("DescribeTable", {"TableName": "two"}, {"Table": {"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]}}),
        ("Scan", {"TableName": "three"}, {"LastEvaluatedKey": {"a": {"S": "0"}}}),
        ("BatchGetItem", {"RequestItems": {"four": {"Keys": [{"a": {"S": "0"}}]}}}, {}),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "five", "Key": {"a": {"S": "0"}}}}]}, {}),
    ]
    for operation, params, response in tellers:
        assert produced_keys("dynamodb", operation, params, response, REGION) == []
    for table in ("one", "two", "three", "four", "five"):
        keys = produced_keys("dynamodb", "PutItem", {"TableName": table, "Item": item}, {}, REGION)
        assert keys == [digest({"a": {"S": "1"}}, table)]
    produced_keys("dynamodb", "Query", {"TableName": "six", "IndexName": "i"}, {"LastEvaluatedKey": {"a": {}}}, REGION)
    assert produced_keys("dynamodb", "PutItem", {"TableName": "six", "Item": item}, {}, REGION) == [digest(item, "six")]
    # Of another region's table of that name nothing is known.
    other = produced_keys("dynamodb", "PutItem", {"TableName": "one", "Item": item}, {}, "us-east-1")
    assert other == [item_key("us-east-1", "one", item)]


def test_batches_and_transactions_write_many_items() -> None:
    """All that was written, and nothing of what came back unprocessed or was only checked."""
    first, second = {"id": {"S": "1"}}, {"id": {"S": "2"}}
    batch = {"RequestItems": {"orders": [{"PutRequest": {"Item": first}}, {"DeleteRequest": {"Key": second}}]}}
    assert produced_keys("dynamodb", "BatchWriteItem", batch, {}, REGION) == [digest(first), digest(second)]
    left = {"UnprocessedItems": {"orders": [{"PutRequest": {"Item": first}}]}}
    assert produced_keys("dynamodb", "BatchWriteItem", batch, left, REGION) == [digest(second)]

    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/far"
    writes = [
        {"Put": {"TableName": "orders", "Item": first}},
        {"Update": {"TableName": arn, "Key": second}},
        {"ConditionCheck": {"TableName": "orders", "Key": {"id": {"S": "3"}}}},
    ]
    assert produced_keys("dynamodb", "TransactWriteItems", {"TransactItems": writes}, {}, REGION) == [
        digest(first),
        item_key("us-east-1", "far", second),
    ]


def test_statements_of_partiql() -> None:
    """Items and keys in the statement or among its parameters; nothing of what is written in another way."""
    one = {"S": "1"}
    for statement, parameters, expected in [
        ("""INSERT INTO "orders" VALUE {'id': ?, 'n': 10}""", [one], [{"id": one, "n": {"N": "10"}}, {"id": one}]),
        ("""UPDATE "orders" SET total = ? WHERE id = ? RETURNING ALL OLD *""", [{"N": "1"}, one], [{"id": one}]),
        ("delete from orders where id='1' and at = -2", [], [{"id": one, "at": {"N": "-2"}}, {"id": one}]),
        ("UPDATE orders SET total = 1 WHERE id = ? AND begins_with(at, '2')", [one], []),
        ("SELECT * FROM orders WHERE id = ?", [one], []),
        ("UPDATE orders SET total = 1 WHERE id = ?", [], []),
        ("nonsense '", [], []),
    ]:
        params = {"Statement": statement, "Parameters": parameters}
        assert produced_keys("dynamodb", "ExecuteStatement", params, {}, REGION) == [digest(key) for key in expected]
    assert table_of('SELECT a, b FROM "orders"."by-date" WHERE x = 1') == "orders"
    assert table_of("EXISTS(SELECT 1)") == ""
    assert written("", []) == ("", {})
    batch = {"Statements": [{"Statement": "DELETE FROM orders WHERE id = '1'"}] * 2}
    answers = {"Responses": [{"Error": {"Code": "X"}}, {"TableName": "orders"}]}
    assert produced_keys("dynamodb", "BatchExecuteStatement", batch, answers, REGION) == [digest({"id": one})]
    answers = {"Responses": [{"Error": {"Code": "X"}}, {"Error": {"Code": "X"}}]}
    assert produced_keys("dynamodb", "BatchExecuteStatement", batch, answers, REGION) == []


def test_a_table_of_boto3s_resources_has_the_same_keys(trace: Any, sink: Sink, aws: str) -> None:
    """boto3's Table takes Python's own values and types them within the call: the keys are those on the wire."""
    database = boto3.resource(
        "dynamodb",
        endpoint_url=aws,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    table = database.create_table(
        TableName="typed",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"id": "1", "total": Decimal("9.50"), "tags": {"a"}, "raw": b"x", "none": None}

    def handler(event: Any, context: Any) -> None:
        table.put_item(Item=item)
        table.update_item(Key={"id": "1"}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": 1})
        with table.batch_writer() as batch:
            batch.put_item(Item=item)

    trace(handler)({}, Context())
    keys = [attributes(span).get("clew.link.keys") for span in sink.spans()[:-1]]
    typed = {
        "id": {"S": "1"},
        "total": {"N": "9.50"},
        "tags": {"SS": ["a"]},
        "raw": {"B": b"x"},
        "none": {"NULL": True},
    }
    key = digest({"id": {"S": "1"}}, "typed")
    assert keys == [[digest(typed, "typed"), key], [key], [key]]
    assert item == {"id": "1", "total": Decimal("9.50"), "tags": {"a"}, "raw": b"x", "none": None}


@pytest.mark.parametrize("odd", [None, 1, "x", [], [None], {"a": 1}, [{"Put": 1}], {"orders": [1, {"PutRequest": []}]}])
def test_odd_shapes_have_no_keys(odd: Any) -> None:
    """A stub may take and answer anything."""
    for operation in ("PutItem", "BatchWriteItem", "TransactWriteItems", "ExecuteStatement", "Scan", "CreateTable"):
        params = dict.fromkeys(("TableName", "Item", "Key", "RequestItems", "TransactItems", "Statement"), odd)
        response = dict.fromkeys(("UnprocessedItems", "Responses", "LastEvaluatedKey", "Table"), odd)
        assert produced_keys("dynamodb", operation, params, response, REGION) == []
        failed_entries(operation, response)
    assert failure("stepfunctions", "StartSyncExecution", {"status": odd, "error": odd}) in {None, ("x", "")}
    assert failure("lambda", "Invoke", {"FunctionError": odd}) is None or odd == "x"
    for service, operation in [("sqs", "SendMessageBatch"), ("events", "PutEvents"), ("kinesis", "PutRecords")]:
        response = dict.fromkeys(("Successful", "Entries", "Records", "Failed"), odd)
        assert produced_keys(service, operation, {"StreamName": "s"}, response, REGION) == []
