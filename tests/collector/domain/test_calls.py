from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.domain.calls import ATTRIBUTES, _known, describe_call, make_resource, resource_from_arn, service_name
from collector.domain.spans import Value
from tests.collector.domain.test_values import VALUES

PLACE = "eu-west-1:123456789012"
TRACER = {"rpc.system.name": "aws-api", "cloud.region": "eu-west-1"}
# What opentelemetry-instrumentation-botocore sends.
BOTOCORE = {"rpc.system": "aws-api", "aws.region": "eu-west-1", "server.address": "x.eu-west-1.amazonaws.com"}


def target(name: str, attributes: dict[str, Value], region: str = "eu-west-1") -> tuple[str, str, str, str]:
    """(service, region, resource's name, operation)."""
    found = describe_call(name, attributes, region)
    assert found is not None
    assert found.resource == make_resource(*found.resource[1:])
    return (found.resource.service, found.resource.region, found.resource.name, found.operation)


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        (
            "S3.GetObject",
            {"rpc.method": "S3/GetObject", "clew.resource.name": "uploads"},
            ("s3", "", "uploads", "GetObject"),
        ),
        (
            "S3.GetObject",
            {"rpc.method": "S3/GetObject", "aws.s3.bucket": "uploads"},
            ("s3", "", "uploads", "GetObject"),
        ),
        (
            "Transcribe.StartTranscriptionJob",
            {"rpc.method": "Transcribe/StartTranscriptionJob"},
            ("transcribe", "eu-west-1", "", "StartTranscriptionJob"),
        ),
        (
            "DynamoDB.PutItem",
            {"rpc.method": "DynamoDB/PutItem", "aws.dynamodb.table_names": ["orders", "other"]},
            ("dynamodb", "eu-west-1", "orders", "PutItem"),
        ),
        (
            "DynamoDB.PutItem",
            {"rpc.method": "DynamoDB/PutItem", "clew.resource.arn": f"arn:aws:dynamodb:{PLACE}:table/orders"},
            ("dynamodb", "eu-west-1", "orders", "PutItem"),
        ),
        (
            "SQS.SendMessage",
            {"rpc.method": "SQS/SendMessage", "aws.sqs.queue.url": "https://sqs.eu-west-1.amazonaws.com/1234/jobs"},
            ("sqs", "eu-west-1", "jobs", "SendMessage"),
        ),
        (
            "SNS.Publish",
            {"rpc.method": "SNS/Publish", "aws.sns.topic.arn": "arn:aws:sns:us-east-1:123456789012:alarms"},
            ("sns", "us-east-1", "alarms", "Publish"),
        ),
        (
            "EventBridge.PutEvents",
            {"rpc.method": "EventBridge/PutEvents", "clew.resource.name": "default"},
            ("eventbridge", "eu-west-1", "default", "PutEvents"),
        ),
        (
            "SFN.StartExecution",
            {
                "rpc.method": "SFN/StartExecution",
                "aws.step_functions.state_machine.arn": f"arn:aws:states:{PLACE}:stateMachine:flow",
            },
            ("stepfunctions", "eu-west-1", "flow", "StartExecution"),
        ),
        (
            "Secrets Manager.GetSecretValue",
            {
                "rpc.method": "Secrets Manager/GetSecretValue",
                "aws.secretsmanager.secret.arn": f"arn:aws:secretsmanager:{PLACE}:secret:db-AbC123",
            },
            ("secretsmanager", "eu-west-1", "db", "GetSecretValue"),
        ),
        ("S3.ListBuckets", {}, ("s3", "", "", "ListBuckets")),
    ],
)
def test_calls_of_the_tracer(name: str, attributes: dict[str, Value], expected: tuple[str, str, str, str]) -> None:
    """Service, resource and operation of what the tracer sends."""
    assert target(name, {**TRACER, **attributes}) == expected


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("S3.PutObject", {"rpc.service": "S3", "rpc.method": "PutObject"}, ("s3", "", "", "PutObject")),
        (
            "SQS.SendMessage",
            {
                "rpc.service": "SQS",
                "rpc.method": "SendMessage",
                "messaging.system": "aws.sqs",
                "aws.queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
                "messaging.url": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
                "messaging.destination": "jobs",
            },
            ("sqs", "eu-west-1", "jobs", "SendMessage"),
        ),
        (
            "SQS.ReceiveMessage",
            {
                "rpc.service": "SQS",
                "rpc.method": "ReceiveMessage",
                "messaging.url": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
            },
            ("sqs", "eu-west-1", "jobs", "ReceiveMessage"),
        ),
        (
            "alarms send",
            {
                "rpc.service": "SNS",
                "rpc.method": "Publish",
                "messaging.destination": f"arn:aws:sns:{PLACE}:alarms",
                "messaging.destination.name": f"arn:aws:sns:{PLACE}:alarms",
            },
            ("sns", "eu-west-1", "alarms", "Publish"),
        ),
        (
            "DynamoDB.Query",
            {
                "rpc.service": "DynamoDB",
                "rpc.method": "Query",
                "db.system": "dynamodb",
                "db.operation": "Query",
                "aws.dynamodb.table_names": ["orders"],
            },
            ("dynamodb", "eu-west-1", "orders", "Query"),
        ),
        (
            "Lambda.Invoke",
            {"rpc.service": "Lambda", "rpc.method": "Invoke", "faas.invoked_name": "thumb"},
            ("lambda", "eu-west-1", "thumb", "Invoke"),
        ),
        (
            "Lambda.Invoke",
            {"rpc.service": "Lambda", "rpc.method": "Invoke", "faas.invoked_name": "123456789012:function:thumb:live"},
            ("lambda", "eu-west-1", "thumb", "Invoke"),
        ),
        (
            "Lambda.Invoke",
            {"rpc.service": "Lambda", "rpc.method": "Invoke", "faas.invoked_name": "thumb:live"},
            ("lambda", "eu-west-1", "thumb", "Invoke"),
        ),
        # the AWS SDK for JavaScript, for Java and for .NET
        (
            "Kinesis.PutRecord",
            {"rpc.service": "Kinesis", "rpc.method": "PutRecord", "aws.kinesis.stream.name": "clicks"},
            ("kinesis", "eu-west-1", "clicks", "PutRecord"),
        ),
        (
            "DynamoDBv2.PutItem",
            {"rpc.service": "AmazonDynamoDBv2", "rpc.method": "PutItem", "aws.dynamodb.table_names": ["orders"]},
            ("dynamodb", "eu-west-1", "orders", "PutItem"),
        ),
    ],
)
def test_calls_of_other_aws_instrumentations(
    name: str, attributes: dict[str, Value], expected: tuple[str, str, str, str]
) -> None:
    """The older names of OpenTelemetry's own instrumentations mean the same."""
    assert target(name, {**BOTOCORE, **attributes}) == expected


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        # requests, httpx, urllib3: new and old
        (
            "GET",
            {"http.request.method": "GET", "server.address": "API.example.com", "url.full": "https://x/"},
            ("http", "", "api.example.com", "GET"),
        ),
        (
            "HTTP POST",
            {"http.method": "post", "http.url": "https://me:secret@api.example.com:8443/v1?x=1#y"},
            ("http", "", "api.example.com", "POST"),
        ),
        ("HTTP GET", {"http.method": "GET", "http.url": "http://[::1]:8080/x"}, ("http", "", "::1", "GET")),
        ("HTTP GET", {"http.method": "GET", "http.url": "https://example.com?q"}, ("http", "", "example.com", "GET")),
        (
            "HTTP GET",
            {"http.method": "GET", "http.host": "example.com:443", "http.target": "/"},
            ("http", "", "example.com", "GET"),
        ),
        ("GET", {"http.request.method": "GET", "url.full": "nonsense"}, ("http", "", "", "GET")),
        # sqlalchemy, psycopg2, pymysql, redis, pymongo: old and new
        (
            "SELECT shop",
            {"db.system": "postgresql", "db.name": "shop", "net.peer.name": "db.internal", "db.statement": "SELECT 1"},
            ("postgresql", "", "db.internal/shop", "SELECT"),
        ),
        (
            "SELECT orders",
            {"db.system.name": "mysql", "db.namespace": "shop", "server.address": "db", "db.operation.name": "SELECT"},
            ("mysql", "", "db/shop", "SELECT"),
        ),
        ("SELECT", {"db.system": "sqlite", "db.name": ":memory:"}, ("sqlite", "", ":memory:", "SELECT")),
        (
            "GET",
            {"db.system": "redis", "net.peer.name": "cache.internal", "db.namespace": "0"},
            ("redis", "", "cache.internal", "GET"),
        ),
        (
            "query",
            {"db.system.name": "microsoft.sql_server", "server.address": "mssql"},
            ("microsoft.sql_server", "", "mssql", "query"),
        ),
        # messaging
        (
            "orders publish",
            {"messaging.system": "kafka", "messaging.destination.name": "orders", "messaging.operation": "publish"},
            ("kafka", "", "orders", "publish"),
        ),
        (
            "send jobs",
            {"messaging.system": "aws_sqs", "messaging.destination.name": "jobs", "messaging.operation.type": "send"},
            ("sqs", "eu-west-1", "jobs", "send"),
        ),
        (
            "send jobs",
            {"messaging.system": "AmazonSQS", "messaging.destination": "https://sqs.eu-west-1.amazonaws.com/1/jobs"},
            ("sqs", "eu-west-1", "jobs", "send jobs"),
        ),
        # gRPC and a function called through the FaaS convention
        (
            "shop.Cart/Add",
            {"rpc.system": "grpc", "rpc.service": "shop.Cart", "rpc.method": "Add", "server.address": "cart"},
            ("rpc", "", "cart", "Add"),
        ),
        (
            "invoke thumb",
            {"faas.invoked_name": "thumb", "faas.invoked_provider": "aws", "faas.invoked_region": "us-west-2"},
            ("lambda", "us-west-2", "thumb", "Invoke"),
        ),
    ],
)
def test_calls_of_other_instrumentations(
    name: str, attributes: dict[str, Value], expected: tuple[str, str, str, str]
) -> None:
    """HTTP, databases, messaging and RPC by OpenTelemetry's conventions, old and new."""
    assert target(name, attributes) == expected


def test_a_span_that_names_nothing_is_no_call() -> None:
    """A client span of unknown nature has no target."""
    assert describe_call("dns.lookup", {"peer": "x"}, "eu-west-1") is None


def test_a_resource_is_the_same_by_name_and_by_arn() -> None:
    """The map shows one table, whether one call names it and another gives its ARN."""
    by_arn = resource_from_arn(f"arn:aws:dynamodb:{PLACE}:table/orders")
    assert by_arn is not None
    assert by_arn.id == make_resource("dynamodb", "eu-west-1", "orders").id
    bucket = resource_from_arn("arn:aws:s3:::uploads")
    assert bucket is not None
    assert bucket.id == make_resource("s3", "us-east-1", "uploads").id


def test_an_arn_of_another_service_is_not_what_the_call_reaches() -> None:
    """A KMS key among the attributes of an S3 call does not turn it into a call to KMS."""
    attributes: dict[str, Value] = {
        **TRACER,
        "rpc.method": "S3/PutObject",
        "clew.resource.arn": f"arn:aws:kms:{PLACE}:key/1",
        "clew.resource.name": "out",
    }
    assert target("S3.PutObject", attributes) == ("s3", "", "out", "PutObject")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S3", "s3"),
        ("DynamoDB", "dynamodb"),
        ("Secrets Manager", "secretsmanager"),
        ("aws_sqs", "sqs"),
        ("aws.sns", "sns"),
        ("AmazonSNS", "sns"),
        ("AWSLambda", "lambda"),
        ("SFN", "stepfunctions"),
        ("Cognito Identity Provider", "cognito"),
        ("my db, 2", "mydb2"),
        ("日本", "unknown"),
        ("", "unknown"),
    ],
)
def test_services_have_one_plain_name(name: str, expected: str) -> None:
    """Without blanks and commas, which separate services in a stored list."""
    assert service_name(name) == expected


@given(
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), VALUES | st.just("aws-api"), max_size=12),
    st.text(max_size=10),
)
@example("\x00", {"db.system": "aws-api"}, "")
def test_whatever_the_attributes_nothing_raises(name: str, attributes: dict[str, Value], region: str) -> None:
    """Any values under any of the names give a target with short, plain texts, or none."""
    found = describe_call(name, attributes, region)
    if found is not None:
        assert len(found.resource.name) <= 256
        assert len(found.operation) <= 128
        assert not {" ", ","} & set(found.resource.service)
        assert "\x00" not in found.resource.name + found.operation + found.resource.service + (found.resource.arn or "")


def test_what_is_remembered_answers_for_the_same_words_alone() -> None:
    """A value of another type that is equal as a key (1 and True) is another value, whichever came first."""
    given: list[tuple[Value, str]] = [(1, "1"), (True, ""), ("1", "1"), (1.0, ""), (1, "1"), (["1"], "")]
    for named, expected in given:
        attributes: dict[str, Value] = {**TRACER, "rpc.method": "S3/GetObject", "clew.resource.name": named}
        assert ("s3", "", expected, "GetObject") == target("S3.GetObject", attributes)
        assert ("s3", "", expected, "GetObject") == target("S3.GetObject", attributes)


def test_long_names_are_not_remembered() -> None:
    """What a sender makes up may not stay in memory."""
    _known.clear()

    target("S3.GetObject", {**TRACER, "rpc.method": "S3/GetObject", "clew.resource.name": "x" * 2_000})

    assert {} == _known
