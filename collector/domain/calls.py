"""What a client span reaches: an AWS resource, an HTTP host, a database, a queue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from collector.domain.arns import parse_arn, resource_name
from collector.domain.facts import Resource
from collector.domain.ids import hash63
from collector.domain.spans import Value
from collector.domain.values import first_text, text

# Read from every span; docs/attributes.md lists them with the older names.
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
        "aws.bucket.name",
        "aws.table.name",
        "aws.stream.name",
        "aws.queue.name",
        "aws.lambda.function.name",
        "aws.stepfunctions.state_machine.arn",
        "aws.stepfunctions.activity.arn",
        "aws.sqs.queue.url",
        "aws.queue_url",
        "aws.queue.url",
        "messaging.url",
        "aws.sns.topic.arn",
        "aws.kinesis.stream_name",
        "aws.kinesis.stream.name",
        "aws.secretsmanager.secret.arn",
        "aws.step_functions.state_machine.arn",
        "aws.step_functions.activity.arn",
        "faas.invoked_name",
        "faas.invoked_region",
        "messaging.system",
        "messaging.destination.name",
        "messaging.destination",
        "messaging.operation.name",
        "messaging.operation.type",
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
        "http.host",
        "url.full",
        "http.url",
    }
)

# The SDK's name of a service in lower case, without spaces, where it is not the field's word for it.
_SERVICES = {
    "bedrockruntime": "bedrock",
    "cloudwatchevents": "eventbridge",
    "cognitoidentityprovider": "cognito",
    "dynamodbstreams": "dynamodb",
    "dynamodbv2": "dynamodb",
    "events": "eventbridge",
    "sesv2": "ses",
    "sfn": "stepfunctions",
}
GLOBAL_SERVICES = frozenset({"s3", "http", "iam", "route53", "cloudfront", "sts"})
_REGIONAL_MESSAGING = frozenset({"sqs", "sns", "kinesis", "eventbridge"})
# Their "database" is a number from 0 on; the host says which one it is.
_NUMBERED_DATABASES = frozenset({"redis", "valkey", "memcached"})


# As Java's instrumentation has them.
_OLDER_NAMES = ("aws.bucket.name", "aws.table.name", "aws.stream.name", "aws.queue.name", "aws.lambda.function.name")
_OLDER_ARNS = ("aws.stepfunctions.state_machine.arn", "aws.stepfunctions.activity.arn")
# The last two are Go's.
_QUEUE_URLS = (
    "aws.sqs.queue.url",
    "aws.queue_url",
    "aws.queue.url",
    "messaging.url",
    "server.address",
    "net.peer.name",
)
# All that says where an AWS call goes and what it does there.
_AWS_TARGET = (
    "rpc.method",
    "rpc.service",
    "cloud.region",
    "aws.region",
    "faas.invoked_region",
    "clew.resource.arn",
    "aws.sns.topic.arn",
    "aws.step_functions.state_machine.arn",
    "aws.step_functions.activity.arn",
    "aws.secretsmanager.secret.arn",
    "clew.resource.name",
    "aws.s3.bucket",
    "messaging.destination.name",
    "messaging.destination",
    "aws.kinesis.stream_name",
    "aws.kinesis.stream.name",
    "faas.invoked_name",
    "aws.dynamodb.table_names",
    *_OLDER_NAMES,
    *_OLDER_ARNS,
    *_QUEUE_URLS,
)
_MOST_KNOWN = 4_096
_LONGEST_KNOWN = 1_024  # characters: what a sender makes up may not stay in memory by the megabyte


class Target(NamedTuple):
    """What a call reaches. `region`: where AWS bills it; "" where nothing says, and for all that is no AWS call."""

    resource: Resource
    operation: str
    region: str = ""
    aws: bool = False


# A function calls what it called before: 1.2 µs instead of 5.
_known: dict[tuple[Value, ...], Target] = {}


@lru_cache(maxsize=1024)
def service_name(name: str) -> str:
    """`DynamoDB`, `Secrets Manager`, `aws_sqs`, `AmazonSNS` as tables and pages write them: letters, digits, `._`."""
    plain = re.sub(r"[^a-z0-9._]", "", name.lower())
    for prefix in ("aws.", "aws_", "amazon", "aws"):
        plain = plain.removeprefix(prefix)
    return _SERVICES.get(plain, plain) or "unknown"


@lru_cache(maxsize=1024)  # 100 ns instead of 2 µs, and most calls reach what an earlier call reached
def make_resource(service: str, region: str, name: str, arn: str | None = None) -> Resource:
    """A resource whose id is the same whoever names it, by ARN or by name."""
    region = "" if service in GLOBAL_SERVICES else region
    name = name[:256]
    return Resource(hash63("resource", service, region, name), service, region, name, arn)


def resource_from_arn(text: str) -> Resource | None:
    """None for what is no ARN."""
    arn = parse_arn(text)
    if arn is None:
        return None
    return make_resource(service_name(arn.service), arn.region, resource_name(arn), text)


def is_aws_call(attributes: Mapping[str, Value]) -> bool:
    return attributes.get("rpc.system.name") == "aws-api" or attributes.get("rpc.system") == "aws-api"


def describe_call(name: str, attributes: Mapping[str, Value], region: str) -> Target | None:
    """What the call reaches and what it does there; None where the span does not say.

    `region` is the caller's, for spans that name none of their own.
    """
    if is_aws_call(attributes):
        return _known_aws_call(text(name), attributes, region)
    name = text(name)
    region = _region(attributes) or region
    if first_text(attributes, "db.system.name", "db.system"):
        return _database_call(name, attributes)
    if first_text(attributes, "messaging.system"):
        return _messaging_call(name, attributes, region)
    if invoked := first_text(attributes, "faas.invoked_name", limit=2048):
        return Target(_named("lambda", region, invoked), "Invoke")
    if first_text(attributes, "http.request.method", "http.method"):
        return _http_call(attributes)
    if first_text(attributes, "rpc.system.name", "rpc.system"):
        host = _host(attributes) or first_text(attributes, "rpc.service")
        return Target(make_resource("rpc", "", host), first_text(attributes, "rpc.method", limit=128) or name[:128])
    return None


def _region(attributes: Mapping[str, Value]) -> str:
    return first_text(attributes, "cloud.region", "aws.region", "faas.invoked_region", limit=64)


def _known_aws_call(name: str, attributes: Mapping[str, Value], region: str) -> Target:
    said = (name, region, *map(attributes.get, _AWS_TARGET))
    try:
        known = _known.get(said)
    except TypeError:  # a list or a map is among them
        return _aws_call(name, attributes, region)
    if known is None:
        known = _aws_call(name, attributes, region)
        # Text alone: as keys 1, 1.0 and True would be one.
        texts = [value for value in said if isinstance(value, str)]
        if len(texts) + said.count(None) == len(said) and sum(map(len, texts)) <= _LONGEST_KNOWN:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[said] = known
    return known


def _aws_call(name: str, attributes: Mapping[str, Value], region: str) -> Target:
    region = _region(attributes) or region
    service, operation = _aws_operation(
        text(attributes.get("rpc.method")), text(attributes.get("rpc.service")), name[:256]
    )
    arn = first_text(
        attributes,
        "clew.resource.arn",
        "aws.sns.topic.arn",
        "aws.step_functions.state_machine.arn",
        "aws.step_functions.activity.arn",
        "aws.secretsmanager.secret.arn",
        *_OLDER_ARNS,
        limit=2048,
    )
    if arn and (resource := resource_from_arn(arn)) is not None and resource.service == service:
        return Target(resource, operation, region, aws=True)
    named = first_text(
        attributes,
        "clew.resource.name",
        "aws.s3.bucket",
        "messaging.destination.name",
        "messaging.destination",
        "aws.kinesis.stream_name",
        "aws.kinesis.stream.name",
        "faas.invoked_name",
        *_OLDER_NAMES,
        limit=2048,
    )
    if not named:
        tables = attributes.get("aws.dynamodb.table_names")
        if isinstance(tables, list) and tables:
            named = text(tables[0], 2048)
        elif service == "sqs":
            urls = (first_text(attributes, name, limit=2048) for name in _QUEUE_URLS)
            named = next((url for url in urls if "/" in url), "")  # a host alone is no queue's
    return Target(_named(service, region, named), operation, region, aws=True)


@lru_cache(maxsize=1024)
def _aws_operation(method: str, service: str, span_name: str) -> tuple[str, str]:
    """("s3", "GetObject") from `S3/GetObject`, from the older pair of attributes, or from the span's name."""
    prefix, _, operation = method.rpartition("/")
    named = prefix or service or span_name.partition(".")[0]
    return service_name(named.rpartition(".")[2]), (operation or span_name.rpartition(".")[2])[:128]


def _named(service: str, region: str, named: str) -> Resource:
    """By whatever the caller gave: a name, an ARN, a queue's URL, `123456789012:function:thumb`."""
    if named.startswith("arn:") and (resource := resource_from_arn(named)) is not None and resource.service == service:
        return resource
    if service == "sqs":
        named = named.rpartition("/")[2]
    elif service == "lambda" and ":" in named:
        named = named.partition("function:")[2].partition(":")[0] or named.partition(":")[0]
    return make_resource(service, region, named)


def _database_call(name: str, attributes: Mapping[str, Value]) -> Target:
    system = service_name(first_text(attributes, "db.system.name", "db.system", limit=64))
    host = _host(attributes)
    database = first_text(attributes, "db.namespace", "db.name")
    if host and (system in _NUMBERED_DATABASES or not database):
        database = host
    elif host:
        database = f"{host}/{database}"  # two servers may each have an `app`
    operation = first_text(attributes, "db.operation.name", "db.operation", limit=128)
    return Target(make_resource(system, "", database), operation or name.partition(" ")[0][:128])


def _messaging_call(name: str, attributes: Mapping[str, Value], region: str) -> Target:
    service = service_name(first_text(attributes, "messaging.system", limit=64))
    destination = first_text(attributes, "messaging.destination.name", "messaging.destination", limit=2048)
    operation = first_text(
        attributes, "messaging.operation.name", "messaging.operation.type", "messaging.operation", limit=128
    )
    resource = _named(service, region if service in _REGIONAL_MESSAGING else "", destination)
    return Target(resource, operation or name[:128])


def _http_call(attributes: Mapping[str, Value]) -> Target:
    return Target(
        make_resource("http", "", _host(attributes)),
        first_text(attributes, "http.request.method", "http.method", limit=16).upper(),
    )


def _host(attributes: Mapping[str, Value]) -> str:
    """The host that a span names, without its port, in lower case; "" if it names none."""
    host = first_text(attributes, "server.address", "net.peer.name")
    if not host:
        host = first_text(attributes, "http.host")
        if not host:
            url = first_text(attributes, "url.full", "http.url", limit=2048)
            host = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
        # An IPv6 address holds colons of its own, in brackets.
        host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return host[:256].lower()
