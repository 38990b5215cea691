"""Every hop from one function to another: the tracer's real spans of both sides, through the collector, into one
transaction.

The producer is a real botocore client that is answered as AWS answers; the consumer is a handler that gets the event
which the service makes of it. Nothing else carries anything from one to the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace as otel
from sqlalchemy import Engine, select

import clew
from clew import engine, guard, item_keys
from collector.domain.intake import read_traces
from collector.store import tables
from collector.store.commit import Seen, write_facts
from collector.store.stitcher import Stitcher
from tests.tracer import events
from tests.tracer.aws_answers import Answers, answered
from tests.tracer.events import EXECUTION, FUNCTION, QUEUE, REGION, STREAM, TABLE, TOPIC
from tests.tracer.sink import Sink

LATER_MS = 4_000_000_000_000
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
DURABLE = f"{FUNCTION}:3/durable-execution/order-7/9f1c"
KEYS = {"id": {"S": "1"}}
ITEM = {"id": {"S": "1"}, "n": {"N": "1.50"}}
SNS_ANSWER = b"<PublishResponse><PublishResult><MessageId>n1</MessageId></PublishResult></PublishResponse>"
SNS_BATCH_ANSWER = b"""<PublishBatchResponse><PublishBatchResult><Successful>
    <member><Id>1</Id><MessageId>n0</MessageId></member><member><Id>2</Id><MessageId>n1</MessageId></member>
    </Successful><Failed/></PublishBatchResult></PublishBatchResponse>"""
SENT = b"<SendEmailResponse><SendEmailResult><MessageId>mail1</MessageId></SendEmailResult></SendEmailResponse>"
S3_ID = {"x-amz-request-id": "S3ID", "x-amzn-requestid": ""}

Event = Any


@dataclass(frozen=True)
class Context:
    aws_request_id: str
    function: str = "producer"
    client_context: Any = None

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function}"


class Functions:
    """Runs handlers as functions of their own, and keeps what their tracers export."""

    def __init__(self, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sink = sink
        self._monkeypatch = monkeypatch
        self._ran = 0

    def run(self, name: str, handler: Callable[[Event, Any], Any], event: Event, **context: Any) -> list[bytes]:
        """The exports of one invocation."""
        self._ran += 1
        environ = {
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._sink.url,
            "CLEW_EXPORT_TIMEOUT": "5000",
            "CLEW_CHECKPOINT_AFTER": "0",
        }
        for variable, value in environ.items():
            self._monkeypatch.setenv(variable, value)
        guard._said.clear()
        self._monkeypatch.setattr(engine, "_engine", None)
        before = len(self._sink.received)
        clew.trace(handler)(event, Context(context.pop("request", f"request-{self._ran}"), name, **context))
        return [one.body for one in self._sink.received[before:] if one.path.endswith("/v1/traces")]


@pytest.fixture(name="functions")
def _functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    item_keys._schemas.clear()
    sink = Sink()
    yield Functions(sink, monkeypatch)
    sink.close()


@dataclass(frozen=True)
class Hop:
    """`calls` are what the producer does, `(client.method, answer, headers, params)`; `event` is what the consumer
    gets, or a function of the sent request and the producer's trace context."""

    name: str
    calls: tuple[tuple[str, Any, dict[str, str], dict[str, Any]], ...]
    event: Any
    producer: str = "producer-request"  # its own request id
    consumer: str = "consumer-request"


def call(name: str, answer: Any, headers: dict[str, str] | None = None, **params: Any) -> Any:
    return ((name, answer, headers or {}, params),)


def sent_attributes(sent: Answers) -> dict[str, Any]:
    """Those that the tracer put beside a message of SQS, as SQS hands them over."""
    given = sent.sent["MessageAttributes"]
    return {name: {"stringValue": one["StringValue"], "dataType": "String"} for name, one in given.items()}


def queued(attributes: dict[str, Any], number: int = 0) -> Event:
    return {"Records": [events.sqs_record("x", number, messageAttributes=attributes)]}


def carried(make: Callable[[dict[str, str]], Event]) -> Callable[[Answers | None, str], Event]:
    return lambda _, traceparent: make({"traceparent": traceparent})


SEND = call("sqs.send_message", {"MessageId": "m0", "MD5OfMessageBody": ""}, QueueUrl=QUEUE_URL, MessageBody="x")
PUBLISH = call("sns.publish", SNS_ANSWER, TopicArn=TOPIC, Message="x")
PUT_EVENTS = call(
    "events.put_events",
    {"FailedEntryCount": 0, "Entries": [{"EventId": "e0"}, {"EventId": "e1"}]},
    Entries=[{"Source": "shop", "DetailType": "t", "Detail": "{}"}] * 2,
)
PUT_OBJECT = call("s3.put_object", b"", S3_ID, Bucket="audio", Key="a b/c.txt", Body=b"x")
COPY_OBJECT = call("s3.copy_object", b"<CopyObjectResult/>", S3_ID, Bucket="audio", Key="k", CopySource="a/b")
UPDATE = {"Update": {"TableName": "orders", "Key": KEYS, "UpdateExpression": "SET n = n"}}
STARTED = {"executionArn": EXECUTION, "startDate": 1_780_000_000.0}
START = call(
    "stepfunctions.start_execution", STARTED, stateMachineArn=EXECUTION.replace("execution", "stateMachine"), input="{}"
)
INVOKED = {"x-amzn-requestid": "consumer-request"}
DURABLY = {"x-amz-durable-execution-arn": DURABLE, "x-amzn-requestid": "other"}
ITEM_CHANGE = {"Records": [events.dynamodb_record(KEYS, ITEM)]}
HOPS = [
    Hop("SQS", SEND, events.sqs("x")),
    Hop(
        "SQS batch",
        call(
            "sqs.send_message_batch",
            {"Successful": [{"Id": str(n), "MessageId": f"m{n}", "MD5OfMessageBody": ""} for n in (0, 1)]},
            QueueUrl=QUEUE_URL,
            Entries=[{"Id": str(n), "MessageBody": "x"} for n in (0, 1)],
        ),
        {"Records": [events.sqs_record("x", 7), events.sqs_record("x", 1)]},  # only the second entry, among others
    ),
    Hop(
        "SQS FIFO",
        call(
            "sqs.send_message",
            {"MessageId": "m0", "MD5OfMessageBody": "", "SequenceNumber": "18849496460467696128"},
            QueueUrl=f"{QUEUE_URL}.fifo",
            MessageBody="x",
            MessageGroupId="g",
            MessageDeduplicationId="d",
        ),
        {"Records": [events.sqs_record("x", eventSourceARN=f"{QUEUE}.fifo")]},
    ),
    Hop(  # the message has another id, and still what the tracer put beside it
        "SQS redrive",
        SEND,
        lambda sent, _: queued(sent_attributes(sent), 99),
    ),
    Hop("SNS", PUBLISH, events.sns("x")),
    Hop(
        "SNS batch",
        call(
            "sns.publish_batch",
            SNS_BATCH_ANSWER,
            TopicArn=TOPIC,
            PublishBatchRequestEntries=[{"Id": str(n), "Message": "x"} for n in (1, 2)],
        ),
        events.sns("x"),
    ),
    Hop("SNS to SQS", PUBLISH, events.sqs(events.notification("x"))),
    Hop(  # raw delivery: nothing of SNS is left but the attributes
        "SNS to SQS, raw",
        PUBLISH,
        carried(lambda headers: queued(events.sqs_attributes(**headers))),
    ),
    Hop("EventBridge", PUT_EVENTS, events.eventbridge()),
    Hop("EventBridge to SQS", PUT_EVENTS, events.sqs(events.eventbridge())),
    Hop("EventBridge to SNS", PUT_EVENTS, events.sns(events.eventbridge())),
    Hop("S3", PUT_OBJECT, events.s3()),
    Hop(
        "S3 copy",
        COPY_OBJECT,
        events.s3(),
    ),
    Hop("S3 delete", call("s3.delete_object", b"", S3_ID, Bucket="audio", Key="k"), events.s3()),
    Hop("S3 to EventBridge", PUT_OBJECT, events.S3_EVENTBRIDGE),
    Hop("S3 to EventBridge to SQS", PUT_OBJECT, events.sqs(events.S3_EVENTBRIDGE)),
    Hop("S3 to SQS", PUT_OBJECT, events.sqs(events.s3())),
    Hop("S3 to SNS to SQS", PUT_OBJECT, events.sqs(events.notification(events.s3()))),
    Hop(
        "Transcribe to S3",
        call(
            "transcribe.start_transcription_job",
            {"TranscriptionJob": {"TranscriptionJobName": "talk", "TranscriptionJobStatus": "IN_PROGRESS"}},
            TranscriptionJobName="talk",
            LanguageCode="en-US",
            Media={"MediaFileUri": "s3://a/b"},
            OutputBucketName="audio",
        ),
        events.s3("talk.json", "nobody-was-told"),
    ),
    Hop(
        "Kinesis",
        call(
            "kinesis.put_record",
            {"ShardId": "shardId-0", "SequenceNumber": "490"},
            StreamName="clicks",
            Data=b"x",
            PartitionKey="p",
        ),
        events.kinesis({}),
    ),
    Hop(
        "Kinesis batch",
        call(
            "kinesis.put_records",
            {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "490"}, {"SequenceNumber": "491"}]},
            StreamARN=STREAM,
            Records=[{"Data": b"x", "PartitionKey": "p"}] * 2,
        ),
        events.kinesis({}, {}),
    ),
    Hop(
        "Kinesis to Firehose",
        call("kinesis.put_record", {"SequenceNumber": "491"}, StreamName="clicks", Data=b"x", PartitionKey="p"),
        events.FIREHOSE,
    ),
    Hop("DynamoDB put", call("dynamodb.put_item", {}, TableName="orders", Item=ITEM), ITEM_CHANGE),
    Hop("DynamoDB update", call("dynamodb.update_item", {}, TableName=TABLE, Key=KEYS), ITEM_CHANGE),
    Hop(
        "DynamoDB delete",
        call("dynamodb.delete_item", {}, TableName="orders", Key=KEYS),
        {"Records": [events.dynamodb_record(KEYS, eventName="REMOVE")]},
    ),
    Hop(
        "DynamoDB batch",
        call("dynamodb.batch_write_item", {}, RequestItems={"orders": [{"PutRequest": {"Item": ITEM}}]}),
        ITEM_CHANGE,
    ),
    Hop(
        "DynamoDB transaction",
        call("dynamodb.transact_write_items", {}, TransactItems=[UPDATE]),
        ITEM_CHANGE,
    ),
    Hop("Lambda", call("lambda.invoke", b"{}", INVOKED, FunctionName="consumer", Payload=b"{}"), {"n": 1}),
    Hop(
        "Lambda, asynchronous",
        call("lambda.invoke", b"", INVOKED, FunctionName="consumer", InvocationType="Event", Payload=b"{}"),
        {"n": 1},
    ),
    Hop(
        "API Gateway REST", (), carried(lambda headers: {**events.REST, "headers": headers, "multiValueHeaders": None})
    ),
    Hop("API Gateway HTTP", (), carried(lambda headers: {**events.HTTP, "headers": headers})),
    Hop("function URL", (), carried(lambda headers: {**events.FUNCTION_URL, "headers": headers})),
    Hop("load balancer", (), carried(lambda headers: {**events.BALANCER, "headers": headers})),
    Hop("Step Functions", START, {"execution": EXECUTION, "input": {}}),
    Hop("Step Functions to EventBridge", START, events.eventbridge("aws.states", {"executionArn": EXECUTION})),
    Hop(
        "Step Functions, synchronous",
        call(
            "stepfunctions.start_sync_execution",
            {**STARTED, "status": "SUCCEEDED", "stopDate": 1_780_000_001.0},
            stateMachineArn=EXECUTION.replace("execution", "stateMachine"),
        ),
        {"Execution": {"Id": EXECUTION}},
    ),
    Hop("destination: Lambda", (), events.destination("Success"), producer="i1"),
    Hop("destination: SQS", (), events.sqs(events.destination()), producer="i1"),
    Hop("destination: SNS", (), events.sns(events.destination()), producer="i1"),
    Hop("destination: EventBridge", (), events.eventbridge("lambda", events.destination("Success")), producer="i1"),
    Hop("dead letters: SNS", (), events.sns("x", RequestID="i1", ErrorCode="200"), producer="i1"),
    Hop(
        "dead letters: SQS",
        (),
        queued(events.sqs_attributes(RequestID="i1")),
        producer="i1",
    ),
    Hop("Kafka", (), carried(lambda headers: events.kafka(events.kafka_record(15, **headers)))),
    Hop(
        "Kafka, its own cluster",
        (),
        carried(
            lambda headers: {**events.kafka(events.kafka_record(15, **headers)), "eventSource": "SelfManagedKafka"}
        ),
    ),
    Hop(
        "RabbitMQ",
        (),
        carried(
            lambda headers: events.rabbit({"headers": {k: {"bytes": list(v.encode())} for k, v in headers.items()}})
        ),
    ),
    Hop("ActiveMQ", (), carried(lambda headers: events.active(**headers))),
    Hop(
        "durable function",
        call(
            "lambda.invoke",
            b"{}",
            DURABLY,
            FunctionName="consumer:3",
        ),
        events.durable({}),
    ),
    Hop(
        "durable function that a message started",
        SEND,
        events.durable(events.sqs("x")),
    ),
    Hop(
        "SES",
        call(
            "ses.send_email",
            SENT,
            Source="a@example.com",
            Destination={"ToAddresses": ["b@example.com"]},
            Message={"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}},
        ),
        events.SES,
    ),
    Hop("Pipes", SEND, [events.sqs_record("x")]),
]


def produce(functions: Functions, hop: Hop) -> tuple[list[bytes], Answers | None, str]:
    """What the producer exported, the last request that it sent, and its trace context."""
    found: list[str] = []
    sent: list[Answers] = []

    def handler(_event: Event, _context: Any) -> None:
        context = otel.get_current_span().get_span_context()
        found.append(f"00-{context.trace_id:032x}-{context.span_id:016x}-01")
        for name, answer, headers, params in hop.calls:
            service, _, operation = name.partition(".")
            client, answers = answered(service, (200, answer), headers=headers)
            getattr(client, operation)(**params)
            sent.append(answers)

    bodies = functions.run("producer", handler, {}, request=hop.producer)
    return bodies, sent[-1] if sent else None, found[0]


def store(database: Engine, bodies: list[bytes]) -> None:
    facts = [read_traces(body, received_ms=LATER_MS).facts for body in bodies]
    with database.begin() as connection:
        write_facts(connection, facts, Seen())


def stitch(database: Engine) -> None:
    stitcher = Stitcher(database)
    while stitcher.run_pass() is not None:
        pass


def transactions(database: Engine) -> list[list[str | None]]:
    """The request ids of each transaction's invocations, the entry's first."""
    ran, member = tables.invocations.c, tables.memberships.c
    with database.connect() as connection:
        rows = connection.execute(
            select(member.transaction_id, ran.request_id)
            .join_from(tables.memberships, tables.invocations, ran.trace_id == member.trace_id)
            .order_by(member.transaction_id, ran.started_ns)
        ).all()
    found: dict[bytes, list[str | None]] = {}
    for transaction, request in rows:
        found.setdefault(transaction, []).append(request)
    return list(found.values())


@pytest.mark.parametrize("hop", HOPS, ids=lambda hop: hop.name)
@pytest.mark.parametrize("first", ["producer", "consumer"])
def test_both_sides_are_one_transaction(hop: Hop, first: str, database: Engine, functions: Functions) -> None:
    """Whichever arrives first."""
    produced, sent, traceparent = produce(functions, hop)
    event = hop.event(sent, traceparent) if callable(hop.event) else hop.event
    consumed = functions.run("consumer", lambda *_: None, event, request=hop.consumer)

    for bodies in (produced, consumed) if first == "producer" else (consumed, produced):
        store(database, bodies)
        stitch(database)

    assert transactions(database) == [[hop.producer, hop.consumer]]


# What AWS runs several times, or in several functions, with nobody known who set it off.
TOGETHER = {
    "attempts of an asynchronous request": ([{"n": 1}] * 3, "same-request"),
    "runs of a durable execution": ([events.durable({})] * 2, None),
    "steps of an execution": ([{"Execution": {"Id": EXECUTION}, "step": step} for step in range(3)], None),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_has_one_cause_is_one_transaction(name: str, database: Engine, functions: Functions) -> None:
    """Although the cause was not traced; the last one arrives first."""
    given, request = TOGETHER[name]
    requests = [request or f"request-{number}" for number in range(len(given))]
    exports = [
        functions.run("consumer", lambda *_: None, event, request=id) for event, id in zip(given, requests, strict=True)
    ]

    for bodies in reversed(exports):
        store(database, bodies)
        stitch(database)

    assert transactions(database) == [requests]


def test_attempts_of_a_traced_request_belong_to_its_caller(database: Engine, functions: Functions) -> None:
    """Asynchronous: Lambda tries three times under one request id, and tells a destination of the end."""
    caller, *_ = produce(functions, next(hop for hop in HOPS if hop.name == "Lambda, asynchronous"))
    attempts = [functions.run("consumer", lambda *_: None, {"n": 1}, request="consumer-request") for _ in range(3)]
    failed = events.destination()
    failed["requestContext"]["requestId"] = "consumer-request"
    told = functions.run("told", lambda *_: None, events.sqs(failed), request="told-request")

    for bodies in (told, *reversed(attempts), caller):
        store(database, bodies)
        stitch(database)

    assert transactions(database) == [["producer-request", *["consumer-request"] * 3, "told-request"]]


def test_a_batch_belongs_to_all_that_sent_its_messages(database: Engine, functions: Functions) -> None:
    """Every record of a batch is looked at, and every entry of a batch that was sent."""
    exports = []
    for number in range(3):
        answer = {"MessageId": f"m{number}", "MD5OfMessageBody": ""}
        hop = Hop("", call("sqs.send_message", answer, QueueUrl=QUEUE_URL, MessageBody="x"), None, f"sender-{number}")
        exports += produce(functions, hop)[0]
    exports += functions.run("consumer", lambda *_: None, events.sqs("x", "y", "z"), request="batch")

    store(database, exports)
    stitch(database)

    assert sorted(map(str, transactions(database))) == [str([f"sender-{number}", "batch"]) for number in range(3)]


def test_the_table_has_every_hop_of_the_documentation() -> None:
    """docs/transactions.md names the hops of this table, in its order, and no others as working."""
    text = (Path(__file__).parents[2] / "docs" / "transactions.md").read_text()
    listed = json.loads("[" + text.partition("<!-- hops: ")[2].partition(" -->")[0] + "]")
    assert listed == [hop.name for hop in HOPS]
