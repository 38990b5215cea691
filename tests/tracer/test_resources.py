"""What calls reach: names and ARNs from the parameters of operations, over all services that botocore knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from clew.resources import Place, arn_in_response, describe_resource

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Place("aws", "eu-west-1", "123456789012")
HERE = "eu-west-1:123456789012"
LOADER = Loader()


def model_of(service: str) -> Any:
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)


def described(service: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    found = describe_resource(service, operation, params, PLACE, model_of(service))
    return found.get("clew.resource.name", ""), found.get("clew.resource.arn", "")


@pytest.mark.parametrize(
    ("service", "operation", "params", "name", "arn"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "k"}, "b", "arn:aws:s3:::b"),
        ("s3", "GetObject", {"Bucket": f"arn:aws:s3:{HERE}:accesspoint/a"}, "a", f"arn:aws:s3:{HERE}:accesspoint/a"),
        ("s3", "PutObject", {"Bucket": "b--x-s3"}, "b--x-s3", f"arn:aws:s3express:{HERE}:bucket/b--x-s3"),
        ("sqs", "SendMessage", {"QueueUrl": "https://h/1234/q"}, "q", "arn:aws:sqs:eu-west-1:1234:q"),
        ("sqs", "StartMessageMoveTask", {"SourceArn": f"arn:aws:sqs:{HERE}:q"}, "q", f"arn:aws:sqs:{HERE}:q"),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{HERE}:t"}, "t", f"arn:aws:sns:{HERE}:t"),
        ("sns", "Publish", {"PhoneNumber": "+15550100", "Message": "x"}, "", ""),
        ("sns", "CreateTopic", {"Name": "t"}, "t", ""),
        ("dynamodb", "Query", {"TableName": "t"}, "t", f"arn:aws:dynamodb:{HERE}:table/t"),
        ("dynamodb", "ExecuteStatement", {"Statement": 'SELECT * FROM "t"'}, "t", f"arn:aws:dynamodb:{HERE}:table/t"),
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": []}}, "t", f"arn:aws:dynamodb:{HERE}:table/t"),
        (
            "dynamodbstreams",
            "DescribeStream",
            {"StreamArn": f"arn:aws:dynamodb:{HERE}:table/t/stream/2026"},
            "t",
            f"arn:aws:dynamodb:{HERE}:table/t/stream/2026",
        ),
        ("lambda", "Invoke", {"FunctionName": "f:live"}, "f", f"arn:aws:lambda:{HERE}:function:f"),
        ("lambda", "Invoke", {"FunctionName": "1234:function:f"}, "f", "arn:aws:lambda:eu-west-1:1234:function:f"),
        (
            "lambda",
            "Invoke",
            {"FunctionName": f"arn:aws:lambda:{HERE}:function:f:3"},
            "f",
            f"arn:aws:lambda:{HERE}:function:f",
        ),
        ("lambda", "GetLayerVersion", {"LayerName": "l", "VersionNumber": 1}, "l", ""),
        ("events", "PutEvents", {"Entries": [{"Source": "s"}]}, "default", f"arn:aws:events:{HERE}:event-bus/default"),
        ("events", "PutRule", {"Name": "r", "EventBusName": "b"}, "r", f"arn:aws:events:{HERE}:rule/b/r"),
        ("events", "PutTargets", {"Rule": "r", "Targets": []}, "r", f"arn:aws:events:{HERE}:rule/r"),
        (
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": f"arn:aws:states:{HERE}:stateMachine:m:prod"},
            "m",
            f"arn:aws:states:{HERE}:stateMachine:m",
        ),
        (
            "stepfunctions",
            "DescribeExecution",
            {"executionArn": f"arn:aws:states:{HERE}:execution:m:1"},
            "m",
            f"arn:aws:states:{HERE}:stateMachine:m",
        ),
        ("kinesis", "PutRecord", {"StreamName": "s"}, "s", f"arn:aws:kinesis:{HERE}:stream/s"),
        ("firehose", "PutRecord", {"DeliveryStreamName": "d"}, "d", f"arn:aws:firehose:{HERE}:deliverystream/d"),
        ("ssm", "GetParameter", {"Name": "/team/p"}, "/team/p", f"arn:aws:ssm:{HERE}:parameter/team/p"),
        ("kms", "Decrypt", {"KeyId": "alias/k"}, "alias/k", f"arn:aws:kms:{HERE}:alias/k"),
        ("secretsmanager", "GetSecretValue", {"SecretId": "db"}, "db", ""),
        ("bedrock-runtime", "Converse", {"modelId": "a.b"}, "a.b", "arn:aws:bedrock:eu-west-1::foundation-model/a.b"),
        ("bedrock-runtime", "Converse", {"modelId": "eu.a"}, "eu.a", f"arn:aws:bedrock:{HERE}:inference-profile/eu.a"),
        ("scheduler", "CreateSchedule", {"Name": "s"}, "s", f"arn:aws:scheduler:{HERE}:schedule/default/s"),
        ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::1:role/r"}, "r", "arn:aws:iam::1:role/r"),
        ("ses", "SendEmail", {"Source": "Me <me@example.com>"}, "example.com", ""),
        (
            "route53",
            "ListResourceRecordSets",
            {"HostedZoneId": "/hostedzone/Z"},
            "/hostedzone/Z",
            "arn:aws:route53:::hostedzone/Z",
        ),
        (
            "cloudfront",
            "CreateInvalidation",
            {"DistributionId": "E"},
            "E",
            "arn:aws:cloudfront::123456789012:distribution/E",
        ),
        ("apigateway", "GetResources", {"restApiId": "a"}, "a", "arn:aws:apigateway:eu-west-1::/restapis/a"),
        ("ec2", "StopInstances", {"InstanceIds": ["i-1", "i-2"]}, "i-1", f"arn:aws:ec2:{HERE}:instance/i-1"),
        ("ecs", "RunTask", {"cluster": "c", "taskDefinition": "t"}, "c", f"arn:aws:ecs:{HERE}:cluster/c"),
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": "d"}, "d", f"arn:aws:rds:{HERE}:db:d"),
        (
            "cognito-idp",
            "AdminGetUser",
            {"UserPoolId": "p", "Username": "a"},
            "p",
            f"arn:aws:cognito-idp:{HERE}:userpool/p",
        ),
        ("iam", "GetRole", {"RoleName": "r"}, "r", ""),
        ("cloudformation", "CreateStack", {"StackName": "s", "RoleARN": "arn:aws:iam::1:role/r"}, "s", ""),
        ("servicediscovery", "DiscoverInstances", {"NamespaceName": "n", "ServiceName": "s"}, "n", ""),
        ("textract", "DetectDocumentText", {"Document": {}}, "", ""),
        (
            "kafka",
            "DescribeCluster",
            {"ClusterArn": f"arn:aws:kafka:{HERE}:cluster/c/1-2"},
            "c/1-2",
            f"arn:aws:kafka:{HERE}:cluster/c/1-2",
        ),
        ("s3vectors", "QueryVectors", {"vectorBucketName": "v", "indexName": "i", "topK": 1}, "v", ""),
        (
            "quicksight",
            "DescribeDashboard",
            {"AwsAccountId": "1", "DashboardId": "d"},
            "d",
            f"arn:aws:quicksight:{HERE}:dashboard/d",
        ),
    ],
)
def test_what_common_operations_reach(service: str, operation: str, params: Any, name: str, arn: str) -> None:
    """Names as people know them, and ARNs as AWS writes them; none where it is not certain."""
    assert described(service, operation, params) == (name, arn)


def test_an_arn_that_only_the_response_has() -> None:
    """On its first or second level, if it is of what the request named."""
    topic = f"arn:aws:sns:{HERE}:t"
    assert arn_in_response("t", {"TopicArn": topic}) == topic
    table = f"arn:aws:keyspaces:{HERE}:/keyspace/k/table/t"
    assert arn_in_response("t", {"Table": {"RoleArn": "arn:aws:iam::1:role/other", "TableArn": table}}) == table
    assert arn_in_response("t", {"RoleArn": "arn:aws:iam::1:role/t2", "Deep": {"er": {"Arn": topic}}}) == ""
    assert arn_in_response("", {"TopicArn": topic}) == ""


def value_of(shape: Any, member: str) -> Any:
    """A value that fits a member of an operation's input."""
    if shape.type_name == "string":
        return f"arn:aws:service:{HERE}:thing/{member}" if member.lower().endswith("arn") else f"the-{member}"
    if shape.type_name == "list":
        return [value_of(shape.member, member.rstrip("s"))]
    return {"structure": {}, "map": {}, "integer": 1, "long": 1, "boolean": True}.get(shape.type_name, b"x")


def operations() -> Iterator[tuple[str, Any, Any, dict[str, Any]]]:
    """The first operations of every service that say what they need, with just that."""
    for service in LOADER.list_available_services("service-2"):
        model = model_of(service)
        told = 0
        for name in model.operation_names:
            shape = model.operation_model(name).input_shape
            if shape is not None and shape.required_members:
                yield (
                    service,
                    model,
                    name,
                    {member: value_of(shape.members[member], member) for member in shape.required_members},
                )
                told += 1
            if told == 12:
                break


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        (
            "transcribe",
            "StartTranscriptionJob",
            {"TranscriptionJobName": "call-17", "Media": {}, "OutputBucketName": "b"},
        ),
        ("batch", "DescribeJobs", {"jobs": ["6f2c"]}),
        ("athena", "GetQueryExecution", {"QueryExecutionId": "6f2c"}),
        ("textract", "GetDocumentAnalysis", {"JobId": "6f2c"}),
    ],
)
def test_a_single_run_is_no_resource(service: str, operation: str, params: dict[str, Any]) -> None:
    """What each call names anew would be a resource of its own every time: the call reaches the service."""
    assert described(service, operation, params) == ("", "")


def test_every_service_of_botocore() -> None:
    """Nothing fails; what is told is one of the parameters, never a secret or a person; and most are told."""
    services: dict[str, list[bool]] = {}
    for service, model, operation, params in operations():
        found = describe_resource(service, operation, params, PLACE, model)
        name, arn = found.get("clew.resource.name", ""), found.get("clew.resource.arn", "")
        services.setdefault(service, []).append(bool(name))
        assert name or not arn or service == "sqs"
        given = " ".join(str(value) for value in params.values())
        assert name in given
        for word in ("password", "token", "secretaccess", "email", "phone", "username"):
            assert not name.lower().removeprefix("the-").startswith(word) or service == "secretsmanager", (
                service,
                operation,
            )
        if arn:
            assert len(arn.split(":")) >= 6, (service, operation, arn)
    assert len(services) > 300
    told = [any(names) for names in services.values()]
    assert sum(told) > 0.9 * len(services)
    every = [name for names in services.values() for name in names]
    assert sum(every) > 0.8 * len(every)
    # Any parameters at all, odd ones too.
    for service, model, operation, params in list(operations())[:400]:
        for odd in (None, 7, [], [None], {"a": 1}, b"x", ""):
            describe_resource(service, operation, dict.fromkeys(params, odd), PLACE, model)
