"""What an AWS call reaches: name and ARN from its parameters, with the attributes that OpenTelemetry has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from clew.events import MAX_NAME, items, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable


# A transaction has up to 100 items, each in a table of its own at worst.
_MAX_TABLES = 100


class Place(NamedTuple):
    """Where a client calls from: what an ARN is made of."""

    partition: str
    region: str
    account: str  # of the function; a resource named without an account is in it

    def arn(self, service: str, resource: str) -> str:
        if not self.account or not self.region:
            return ""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


Attributes = dict[str, Any]


def describe_resource(service: str, operation: str, params: dict[str, Any], place: Place) -> Attributes:
    """The attributes of what the call reaches; none where the parameters do not tell."""
    describe = _SERVICES.get(service)
    if describe is None:
        return {}
    found = describe(operation, params, place)
    return {key: value[:MAX_NAME] if type(value) is str else value for key, value in found.items() if value}


def _named(value: object, service: str, prefix: str, place: Place) -> Attributes:
    """A resource that is given by name or by ARN, whose ARN ends in prefix and name."""
    given = text(value)
    if not given:
        return {}
    if given.startswith("arn:"):
        rest = given.split(":", 5)[-1]
        name = rest.removeprefix(prefix)
        return {"clew.resource.name": name, "clew.resource.arn": given}
    return {"clew.resource.name": given, "clew.resource.arn": place.arn(service, prefix + given)}


def _s3(_: str, params: dict[str, Any], place: Place) -> Attributes:
    bucket = text(params.get("Bucket"))
    if not bucket:
        return {}
    arn = bucket if bucket.startswith("arn:") else f"arn:{place.partition}:s3:::{bucket}"
    return {
        "aws.s3.bucket": bucket,
        "aws.s3.key": text(params.get("Key")),
        "clew.resource.name": bucket.rpartition(":")[2],
        "clew.resource.arn": arn,
    }


def _dynamodb(_: str, params: dict[str, Any], place: Place) -> Attributes:
    names = [text(params.get("TableName"))]
    names += [name for name in mapping(params.get("RequestItems")) if isinstance(name, str)]
    for item in items(params.get("TransactItems")):
        names += [text(mapping(action).get("TableName")) for action in mapping(item).values()]
    names = list(dict.fromkeys(name for name in names if name))
    if not names:
        return {}
    kept = [name[:MAX_NAME] for name in names[:_MAX_TABLES]]
    return {"aws.dynamodb.table_names": kept, **_named(names[0], "dynamodb", "table/", place)}


def _sqs(_: str, params: dict[str, Any], place: Place) -> Attributes:
    url = text(params.get("QueueUrl"))
    name = text(params.get("QueueName")) or url.rpartition("/")[2]
    if not name:
        return {}
    parts = urlsplit(url).path.strip("/").split("/")
    if len(parts) >= 2 and parts[-2].isdecimal():
        place = place._replace(account=parts[-2])
    return {
        "messaging.system": "aws_sqs",
        "messaging.destination.name": name,
        "aws.sqs.queue.url": url,
        "clew.resource.name": name,
        "clew.resource.arn": place.arn("sqs", name),
    }


def _sns(_: str, params: dict[str, Any], __: Place) -> Attributes:
    arn = text(params.get("TopicArn")) or text(params.get("TargetArn"))
    if not arn:
        return {}  # a telephone number is nobody's business
    name = arn.rpartition(":")[2]
    return {
        "messaging.system": "aws.sns",
        "messaging.destination.name": name,
        "aws.sns.topic.arn": arn,
        "clew.resource.name": name,
        "clew.resource.arn": arn,
    }


def _kinesis(_: str, params: dict[str, Any], place: Place) -> Attributes:
    found = _named(params.get("StreamARN") or params.get("StreamName"), "kinesis", "stream/", place)
    return {"aws.kinesis.stream_name": found.get("clew.resource.name", ""), **found}


def _lambda(_: str, params: dict[str, Any], place: Place) -> Attributes:
    found = _named(params.get("FunctionName"), "lambda", "function:", place)
    # A version or alias may follow the name; the function is what is reached.
    name = text(found.get("clew.resource.name")).partition(":")[0]
    arn = ":".join(text(found.get("clew.resource.arn")).split(":")[:7])
    return {
        "clew.resource.name": name,
        "clew.resource.arn": arn,
        "faas.invoked_name": name,
        "faas.invoked_provider": "aws" if name else "",
        "faas.invoked_region": place.region if name else "",
    }


def _events(_: str, params: dict[str, Any], place: Place) -> Attributes:
    entries = [mapping(entry) for entry in items(params.get("Entries"))]
    bus = text(params.get("EventBusName")) or next((text(entry.get("EventBusName")) for entry in entries), "")
    if not bus and not entries:
        return {}
    return _named(bus or "default", "events", "event-bus/", place)


def _states(_: str, params: dict[str, Any], place: Place) -> Attributes:
    machine = text(params.get("stateMachineArn"))
    found = _named(machine, "states", "stateMachine:", place)
    return {"aws.step_functions.state_machine.arn": machine, **found}


def _secrets(_: str, params: dict[str, Any], place: Place) -> Attributes:
    given = text(params.get("SecretId")) or text(params.get("Name"))
    found = _named(given, "secretsmanager", "secret:", place)
    if not given.startswith("arn:"):
        found.pop("clew.resource.arn", None)  # it ends in six letters that only AWS knows
    return {"aws.secretsmanager.secret.arn": given if given.startswith("arn:") else "", **found}


def _by(parameter: str, service: str, prefix: str) -> Callable[[str, dict[str, Any], Place], Attributes]:
    return lambda _, params, place: _named(params.get(parameter), service, prefix, place)


_SERVICES: dict[str, Callable[[str, dict[str, Any], Place], Attributes]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "sns": _sns,
    "kinesis": _kinesis,
    "lambda": _lambda,
    "events": _events,
    "stepfunctions": _states,
    "secretsmanager": _secrets,
    "firehose": _by("DeliveryStreamName", "firehose", "deliverystream/"),
    "ssm": _by("Name", "ssm", "parameter/"),
    "logs": _by("logGroupName", "logs", "log-group:"),
    "bedrock-runtime": _by("modelId", "bedrock", "foundation-model/"),
    "sagemaker-runtime": _by("EndpointName", "sagemaker", "endpoint/"),
    "cognito-idp": _by("UserPoolId", "cognito-idp", "userpool/"),
    "glue": _by("JobName", "glue", "job/"),
    "athena": _by("WorkGroup", "athena", "workgroup/"),
    "batch": _by("jobQueue", "batch", "job-queue/"),
    "codebuild": _by("projectName", "codebuild", "project/"),
    "ecs": _by("cluster", "ecs", "cluster/"),
}
