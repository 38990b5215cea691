"""What calls cost, worked out by hand from AWS's published prices."""

from __future__ import annotations

import pytest

from collector.domain.call_prices import is_measured
from collector.domain.calls import Target, describe_call
from collector.domain.prices import default_prices
from collector.domain.spans import Value
from tests.collector.domain.otlp import START_NS

NOVEMBER_2024_NS = 1_730_419_200_000_000_000  # 2024-11-01T00:00:00Z


def target(call: str, name: str = "it", region: str = "us-east-1") -> Target:
    attributes: dict[str, Value] = {
        "rpc.system.name": "aws-api",
        "rpc.method": call.replace(".", "/"),
        "clew.resource.name": name,
        "cloud.region": region,
    }
    found = describe_call(call, attributes, "")
    assert found is not None
    return found


def cost(
    call: str,
    name: str = "it",
    *,
    region: str = "us-east-1",
    units: object = None,
    consumed: object = None,
    error: str | None = None,
    finished: bool = True,
    started_ns: int = START_NS,
) -> int | None:
    said = {"clew.call.units": units, "aws.dynamodb.consumed_capacity": consumed}
    attributes = {key: value for key, value in said.items() if value is not None}
    return default_prices().calls.cost(
        target(call, name, region),
        attributes,  # type: ignore[arg-type]  # a sender may say anything
        started_ns,
        error=error,
        finished=finished,
    )


@pytest.mark.parametrize(
    ("call", "region", "cost_pd"),
    [
        # $0.625 for a million write request units, $0.125 for a million read request units
        ("DynamoDB.PutItem", "us-east-1", 625_000),
        ("DynamoDB.PutItem", "eu-west-1", 705_000),
        ("DynamoDB.PutItem", "eu-central-1", 762_500),
        ("DynamoDB.TransactWriteItems", "us-east-1", 1_250_000),
        # An eventually consistent read takes half a unit.
        ("DynamoDB.GetItem", "us-east-1", 62_500),
        ("DynamoDB.Query", "eu-west-1", 70_750),
        ("DynamoDB.TransactGetItems", "us-east-1", 250_000),
        # $0.005 for 1,000 PUT, COPY, POST, LIST; $0.0004 for 1,000 of the others; deleting is free
        ("S3.PutObject", "us-east-1", 5_000_000),
        ("S3.ListObjectsV2", "eu-central-1", 5_400_000),
        ("S3.UploadPart", "us-west-2", 5_000_000),
        ("S3.GetObject", "us-east-1", 400_000),
        ("S3.HeadObject", "eu-central-1", 430_000),
        ("S3.DeleteObject", "eu-north-1", 0),
        # $0.40 for a million
        ("SQS.SendMessage", "us-east-1", 400_000),
        ("SQS.ReceiveMessage", "eu-west-1", 400_000),
        ("SNS.Publish", "eu-central-1", 500_000),
        ("EventBridge.PutEvents", "us-east-1", 1_000_000),
        ("Kinesis.PutRecord", "us-east-1", 14_000),
        # $0.05 for 10,000, $0.03 for 10,000, everywhere
        ("Secrets Manager.GetSecretValue", "af-south-1", 5_000_000),
        ("KMS.Decrypt", "sa-east-1", 3_000_000),
        ("SESv2.SendEmail", "eu-west-1", 100_000_000),
        ("SSM.GetParameter", "eu-west-1", 0),
        ("STS.AssumeRole", "eu-west-1", 0),
        # Counted with the function that is invoked.
        ("Lambda.Invoke", "eu-west-1", 0),
        # What nothing tells.
        ("Transcribe.StartTranscriptionJob", "us-east-1", None),
        ("SFN.StartExecution", "us-east-1", None),
        ("SFN.StartSyncExecution", "us-east-1", None),
        ("DynamoDB.ExecuteStatement", "us-east-1", None),
        ("DynamoDB.PutItem", "eu-south-2", None),
        ("Secrets Manager.GetSecretValue", "cn-north-1", None),
        ("KMS.Decrypt", "us-gov-west-1", None),
        ("S3.DeleteObject", "", None),
    ],
)
def test_published_prices(call: str, region: str, cost_pd: int | None) -> None:
    """One call of which nothing more is known."""
    assert cost(call, region=region) == cost_pd


@pytest.mark.parametrize(
    ("call", "units", "cost_pd"),
    [
        ("DynamoDB.PutItem", 3, 1_875_000),
        ("DynamoDB.GetItem", 2.5, 312_500),
        ("SQS.SendMessage", 16, 6_400_000),  # 1 MiB
        ("EventBridge.PutEvents", 10, 10_000_000),
        ("Kinesis.PutRecords", 500, 7_000_000),
        ("SES.SendEmail", 3, 300_000_000),
        # $1.00 for a million requests and $0.00001667 for a GB-second: 64 MB for 100 ms are 0.00625
        ("SFN.StartSyncExecution", 0.00625, 1_000_000 + 104_188),
        ("SQS.SendMessage", 0, 0),
    ],
)
def test_units_are_multiplied(call: str, units: float, cost_pd: int) -> None:
    assert cost(call, units=units) == cost_pd


@pytest.mark.parametrize("units", [-1, 1e10, float("nan"), float("inf"), True, "3", [3], {"a": 1}])
def test_units_that_cannot_be(units: object) -> None:
    """Nothing more is known of the call."""
    assert cost("DynamoDB.PutItem", units=units) == 625_000


@pytest.mark.parametrize(
    ("consumed", "cost_pd"),
    [
        (['{"TableName": "t", "CapacityUnits": 4.0}'], 2_500_000),
        (['{"CapacityUnits": 1}', '{"CapacityUnits": 2.5}'], 2_187_500),
        ('{"CapacityUnits": 2}', 1_250_000),
        (['{"CapacityUnits": 0}'], 0),
        # No such thing: the size that the tracer measured.
        ([], 3_125_000),
        (["{"], 3_125_000),
        (["[]"], 3_125_000),
        (['{"TableName": "t"}'], 3_125_000),
        (['{"CapacityUnits": true}'], 3_125_000),
        (['{"CapacityUnits": -1}'], 3_125_000),
        (['{"CapacityUnits": NaN}'], 3_125_000),
        ([7], 3_125_000),
        (["[" * 100_000], 3_125_000),
    ],
)
def test_consumed_capacity_is_the_services_own_word(consumed: object, cost_pd: int) -> None:
    assert cost("DynamoDB.PutItem", units=5, consumed=consumed) == cost_pd
    assert is_measured({"aws.dynamodb.consumed_capacity": consumed}) is (cost_pd != 3_125_000)  # type: ignore[dict-item]


def test_fifo_queues_and_topics_have_prices_of_their_own() -> None:
    """$0.50 for a million requests of a FIFO queue; a FIFO topic is billed by the gigabyte as well."""
    assert cost("SQS.SendMessage", "orders.fifo") == 500_000
    assert cost("SNS.Publish", "orders.fifo") is None
    assert cost("S3.PutObject", "fast--use1-az4--x-s3") is None


def test_what_is_refused_is_charged_only_where_aws_says_so() -> None:
    assert cost("DynamoDB.PutItem", error="ConditionalCheckFailedException") == 625_000
    assert cost("DynamoDB.PutItem", error="ProvisionedThroughputExceededException") is None
    assert cost("S3.GetObject", error="NoSuchKey") == 400_000
    assert cost("S3.GetObject", error="SlowDown") is None
    assert cost("SQS.SendMessage", error="Unfinished", finished=False) is None
    assert cost("SQS.SendMessage", finished=False) is None


def test_prices_hold_from_their_day_on() -> None:
    assert cost("DynamoDB.PutItem", started_ns=NOVEMBER_2024_NS) == 625_000
    assert cost("DynamoDB.PutItem", started_ns=NOVEMBER_2024_NS - 1) is None


def test_what_is_no_call_of_aws_costs_nothing_there() -> None:
    """Whatever the other side charges."""
    found = describe_call("GET", {"http.request.method": "GET", "server.address": "api.example.com"}, "us-east-1")
    assert found is not None
    assert default_prices().calls.cost(found, {}, START_NS, error=None, finished=True) == 0
    found = describe_call("send", {"messaging.system": "aws_sqs", "messaging.destination.name": "q"}, "us-east-1")
    assert found is not None
    assert default_prices().calls.cost(found, {}, START_NS, error=None, finished=True) == 0


def test_many_resources_take_no_more_memory() -> None:
    """What is remembered is bounded."""
    prices = default_prices().calls
    for number in range(10_000):
        prices.rate(target("S3.GetObject", f"bucket-{number}"), START_NS)
    assert len(prices._known) <= 8_192


@pytest.mark.parametrize("said", [{"units": 10**9}, {"consumed": ['{"CapacityUnits": 1000000}'] * 2}])
def test_more_than_any_service_takes_is_not_believed(said: dict[str, object]) -> None:
    """Then it is the least that such a call costs."""
    assert cost("DynamoDB.PutItem", **said) == cost("DynamoDB.PutItem")  # type: ignore[arg-type]


def test_no_call_costs_more_than_a_dollar() -> None:
    """However dear the table makes it: sums of millions of them stay within 64 bits."""
    assert cost("SES.SendEmail", units=10**6) == 10**12
