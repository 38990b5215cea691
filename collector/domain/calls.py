"""What a client span reaches: an AWS resource, an HTTP host, a database, a queue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from collector.domain.arns import parse_arn, resource_name
from collector.domain.facts import Resource
from collector.domain.ids import hash63
from collector.domain.spans import Value
from collector.domain.values import first_text, text

# Read from every client span; docs/attributes.md lists them with the older names.
ATTRIBUTES = frozenset(
    {
        "rpc.system.name",
        "rpc.system",
        "rpc.service",
        "rpc.method",
        "cloud.region",
        "aws.region",
        "clew.resource.name",
        "clew.resource.arn",
        "aws.s3.bucket",
        "aws.dynamodb.table_names",
        "aws.sqs.queue.url",
        "aws.sns.topic.arn",
        "aws.kinesis.stream_name",
        "aws.secretsmanager.secret.arn",
        "aws.step_functions.state_machine.arn",
        "faas.invoked_name",
        "messaging.system",
        "messaging.destination.name",
        "messaging.destination",
        "messaging.operation.name",
        "messaging.operation",
        "db.system.name",
        "db.system",
        "db.namespace",
        "db.name",
        "db.operation.name",
        "db.operation",
        "server.address",
        "net.peer.name",
        "http.request.method",
        "http.method",
        "url.full",
        "http.url",
    }
)

# The SDK's name of a service in lower case, without spaces, where it is not the field's word for it.
_SERVICES = {
    "cloudwatchevents": "eventbridge",
    "sfn": "stepfunctions",
    "cognitoidentityprovider": "cognito",
    "simpledb": "sdb",
}
GLOBAL_SERVICES = frozenset({"s3", "http", "iam", "route53", "cloudfront", "sts"})


class Target(NamedTuple):
    resource: Resource
    operation: str


def service_name(name: str) -> str:
    """`DynamoDB`, `Secrets Manager`, `aws_sqs`, `AmazonSNS` as tables and pages write them."""
    plain = re.sub(r"[^a-z0-9._]", "", name.lower())
    for prefix in ("aws.", "aws_", "amazon"):
        plain = plain.removeprefix(prefix)
    return _SERVICES.get(plain, plain)


def make_resource(service: str, region: str, name: str, arn: str | None = None) -> Resource:
    """A resource whose id is the same whoever names it, by ARN or by name."""
    region = "" if service in GLOBAL_SERVICES else region
    return Resource(hash63("resource", service, region, name), service, region, name, arn)


def resource_from_arn(text: str) -> Resource | None:
    arn = parse_arn(text)
    if arn is None:
        return None
    return make_resource(arn.service, arn.region, resource_name(arn), text)


def describe_call(name: str, attributes: Mapping[str, Value], region: str) -> Target | None:
    """What the call reaches and what it does there; None where the span does not say.

    `region` is the caller's, for spans that name none of their own.
    """
    region = first_text(attributes, "cloud.region", "aws.region", limit=64) or region
    system = first_text(attributes, "rpc.system.name", "rpc.system")
    if system == "aws-api":
        return _aws_call(name, attributes, region)
    if first_text(attributes, "db.system.name", "db.system"):
        return _database_call(name, attributes)
    if first_text(attributes, "messaging.system"):
        return _messaging_call(name, attributes, region)
    if first_text(attributes, "http.request.method", "http.method"):
        return _http_call(attributes)
    if system:
        host = first_text(attributes, "server.address", "net.peer.name")
        method = text(attributes.get("rpc.method"), 128) or name[:128]
        return Target(make_resource("rpc", "", host or first_text(attributes, "rpc.service")), method)
    return None


def _aws_call(name: str, attributes: Mapping[str, Value], region: str) -> Target:
    service, _, operation = text(attributes.get("rpc.method")).rpartition("/")
    service = service or text(attributes.get("rpc.service")) or name.partition(".")[0]
    service = service_name(service.rpartition(".")[2])
    arn = first_text(
        attributes,
        "clew.resource.arn",
        "aws.sns.topic.arn",
        "aws.step_functions.state_machine.arn",
        "aws.secretsmanager.secret.arn",
        limit=2048,
    )
    if arn and (resource := resource_from_arn(arn)) is not None and resource.service == service:
        return Target(resource, operation[:128])
    resource_text = first_text(
        attributes,
        "clew.resource.name",
        "aws.s3.bucket",
        "messaging.destination.name",
        "messaging.destination",
        "aws.kinesis.stream_name",
        "faas.invoked_name",
    )
    if not resource_text:
        tables = attributes.get("aws.dynamodb.table_names")
        if isinstance(tables, list) and tables:
            resource_text = text(tables[0])
        else:
            resource_text = text(attributes.get("aws.sqs.queue.url")).rpartition("/")[2]
    return Target(make_resource(service, region, resource_text), operation[:128])


def _database_call(name: str, attributes: Mapping[str, Value]) -> Target:
    system = first_text(attributes, "db.system.name", "db.system", limit=64).lower()
    host = first_text(attributes, "server.address", "net.peer.name")
    database = first_text(attributes, "db.namespace", "db.name")
    operation = first_text(attributes, "db.operation.name", "db.operation", limit=128)
    return Target(make_resource(system, "", database or host), operation or name.partition(" ")[0][:128])


def _messaging_call(name: str, attributes: Mapping[str, Value], region: str) -> Target:
    service = service_name(first_text(attributes, "messaging.system", limit=64))
    destination = first_text(attributes, "messaging.destination.name", "messaging.destination")
    operation = first_text(attributes, "messaging.operation.name", "messaging.operation", limit=128)
    return Target(
        make_resource(service, region if service in {"sqs", "sns"} else "", destination), operation or name[:128]
    )


def _http_call(attributes: Mapping[str, Value]) -> Target:
    host = first_text(attributes, "server.address", "net.peer.name")
    if not host:
        url = first_text(attributes, "url.full", "http.url", limit=2048)
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0][:256]
    return Target(
        make_resource("http", "", host), first_text(attributes, "http.request.method", "http.method", limit=16)
    )
