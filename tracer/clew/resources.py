"""What an AWS call reaches: name and ARN from its parameters, with the attributes that OpenTelemetry has for them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from clew.events import MAX_NAME, items, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable


# A transaction has up to 100 items, each in a table of its own at worst.
_MAX_TABLES = 100
_MAX_FIELDS = 40


class Place:
    """Where a client calls from: what an ARN is made of."""

    __slots__ = ("account", "partition", "region")  # a NamedTuple takes 0.1 ms of INIT

    def __init__(self, partition: str, region: str, account: str) -> None:
        self.partition = partition
        self.region = region
        self.account = account  # of the function; a resource named without an account is in it

    def arn(self, service: str, resource: str) -> str:
        if not self.account or not self.region:
            return ""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


Attributes = dict[str, Any]


def describe_resource(
    service: str, operation: str, params: dict[str, Any], place: Place, model: Any = None
) -> Attributes:
    """The attributes of what the call reaches; none where the parameters do not tell.

    `service` is botocore's name of it (`stepfunctions`), `model` botocore's model of it, for services without a rule.
    """
    describe = _SERVICES.get(service)
    found = (describe(params, place) if describe is not None else None) or _by_table(
        service, operation, params, place, model
    )
    return {key: value[:MAX_NAME] if type(value) is str else value for key, value in found.items() if value}


def arn_in_response(name: str, response: dict[str, Any]) -> str:
    """The ARN that the response has for the resource of that name, on its first or second level; "" if none.

    Many an operation answers with the ARN of what it was given by name: `{"Table": {"TableArn": "arn:…"}}`.
    """
    if not name or name.startswith("arn:"):
        return ""
    ends = (f"/{name}", f":{name}")
    for value in islice(response.values(), _MAX_FIELDS):
        if type(value) is str:
            if value.startswith("arn:") and value.endswith(ends):
                return value[:MAX_NAME]
        elif type(value) is dict:
            for inner in islice(value.values(), _MAX_FIELDS):
                if type(inner) is str and inner.startswith("arn:") and inner.endswith(ends):
                    return inner[:MAX_NAME]
    return ""


def _by_table(service: str, operation: str, params: dict[str, Any], place: Place, model: Any) -> Attributes:
    """By the parameter that names a resource in the service's ARNs, else by what the operation's input looks like."""
    from clew.arns import templates  # noqa: PLC0415  # 0.3 ms of INIT

    for template in templates(service):
        value = params.get(template.parameter)
        if type(value) is list and value:
            value = value[0]
        if type(value) is str and value:
            if value.startswith("arn:"):
                return _known(value)
            return {"clew.resource.name": value, "clew.resource.arn": template.arn(value, place)}
    if model is None:
        return {}
    from clew.identifiers import identifier  # noqa: PLC0415  # the same

    found = identifier(service, operation, model, params)
    if found.startswith("arn:"):
        return _known(found)
    return {"clew.resource.name": found}


def _known(arn: str) -> Attributes:
    """A resource that is given by its ARN: `…:table/orders/stream/2026` is called `orders`."""
    parts = arn.split(":", 5)
    resource = parts[-1] if len(parts) == 6 else ""
    kind, slash, name = resource.partition("/")
    if not slash or ":" in kind:
        name = resource.partition(":")[2] or resource
    return {"clew.resource.name": name.partition("/stream/")[0], "clew.resource.arn": arn}


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


def _s3(params: dict[str, Any], place: Place) -> Attributes:
    bucket = text(params.get("Bucket"))
    if not bucket:
        return {}
    if bucket.startswith("arn:"):  # an access point
        found = _known(bucket)
    elif bucket.endswith("--x-s3"):
        found = _named(bucket, "s3express", "bucket/", place)
    else:
        found = {"clew.resource.name": bucket, "clew.resource.arn": f"arn:{place.partition}:s3:::{bucket}"}
    return {"aws.s3.bucket": bucket, "aws.s3.key": text(params.get("Key")), **found}


def _dynamodb(params: dict[str, Any], place: Place) -> Attributes:
    table = params.get("TableName")
    names = [table] if type(table) is str else _tables(params)
    if not names:
        return {}
    kept = tuple([name[:MAX_NAME] for name in names[:_MAX_TABLES]])  # no list: its encoding is kept
    return {"aws.dynamodb.table_names": kept, **_named(names[0], "dynamodb", "table/", place)}


def _tables(params: dict[str, Any]) -> list[str]:
    """The tables of a batch, of a transaction, or of a PartiQL statement."""
    names = [text(name) for name in mapping(params.get("RequestItems"))]
    for item in items(params.get("TransactItems")):
        names += [text(mapping(action).get("TableName")) for action in mapping(item).values()]
    statements = [params, *items(params.get("Statements")), *items(params.get("TransactStatements"))]
    if len(statements) > 1 or "Statement" in params:
        from clew.partiql import table_of  # noqa: PLC0415  # rarely used

        names += [table_of(text(mapping(one).get("Statement"))) for one in statements[: _MAX_TABLES + 1]]
    return list(dict.fromkeys(name for name in names if name))


def _sqs(params: dict[str, Any], place: Place) -> Attributes:
    url = text(params.get("QueueUrl"))
    parts = url.split("/")
    name = text(params.get("QueueName")) or parts[-1]
    if not name:
        return {}
    if len(parts) > 2 and parts[-2].isdecimal():
        place = Place(place.partition, place.region, parts[-2])
    return {
        "messaging.system": "aws_sqs",
        "messaging.destination.name": name,
        "aws.sqs.queue.url": url,
        "clew.resource.name": name,
        "clew.resource.arn": place.arn("sqs", name),
    }


def _sns(params: dict[str, Any], _: Place) -> Attributes:
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


def _kinesis(params: dict[str, Any], place: Place) -> Attributes:
    found = _named(params.get("StreamARN") or params.get("StreamName"), "kinesis", "stream/", place)
    return {"aws.kinesis.stream_name": found.get("clew.resource.name", ""), **found}


def _lambda(params: dict[str, Any], place: Place) -> Attributes:
    given = text(params.get("FunctionName"))
    if not given:
        return {}
    # A name, an ARN, or the end of one, `123456789012:function:name`. A version or alias may follow; the function is
    # what is reached.
    before, function, name = given.rpartition("function:")
    name = name.partition(":")[0]
    if before.startswith("arn:"):
        arn = f"{before}{function}{name}"
    else:
        account = before.rstrip(":").rpartition(":")[2]
        arn = Place(place.partition, place.region, account or place.account).arn("lambda", f"function:{name}")
    return {
        "clew.resource.name": name,
        "clew.resource.arn": arn,
        "faas.invoked_name": name,
        "faas.invoked_provider": "aws",
        "faas.invoked_region": place.region,
    }


def _states(params: dict[str, Any], _: Place) -> Attributes:
    """The state machine, also of an execution; without version and alias."""
    arn = text(params.get("stateMachineArn")) or text(params.get("executionArn"))
    parts = arn.split(":")
    if len(parts) < 7:
        return {}
    machine = ":".join((*parts[:5], "stateMachine", parts[6]))
    return {
        "aws.step_functions.state_machine.arn": machine,
        "clew.resource.name": parts[6],
        "clew.resource.arn": machine,
    }


def _secrets(params: dict[str, Any], place: Place) -> Attributes:
    given = text(params.get("SecretId")) or text(params.get("Name"))
    found = _named(given, "secretsmanager", "secret:", place)
    if not given.startswith("arn:"):
        found.pop("clew.resource.arn", None)  # it ends in six letters that only AWS knows
    return {"aws.secretsmanager.secret.arn": given if given.startswith("arn:") else "", **found}


def _events(params: dict[str, Any], place: Place) -> Attributes:
    entries = items(params.get("Entries"))
    bus = text(params.get("EventBusName")) or next((text(mapping(entry).get("EventBusName")) for entry in entries), "")
    rule = text(params.get("Rule")) or text(params.get("Name"))
    if rule and not entries:
        within = f"{bus.rpartition('/')[2]}/" if bus and bus != "default" else ""
        return _named(rule, "events", f"rule/{within}", place)
    if not bus and not entries:
        return {}
    return _named(bus or "default", "events", "event-bus/", place)


def _bedrock(params: dict[str, Any], place: Place) -> Attributes:
    """A model of a provider is in no account; a profile of several regions, `eu.anthropic…`, is in the caller's."""
    model = text(params.get("modelId"))
    if model.startswith("arn:"):
        return _known(model)
    if model.partition(".")[0] in _AREAS:
        return _named(model, "bedrock", "inference-profile/", place)
    arn = f"arn:{place.partition}:bedrock:{place.region}::foundation-model/{model}" if place.region else ""
    return {"clew.resource.name": model, "clew.resource.arn": arn} if model else {}


def _kms(params: dict[str, Any], place: Place) -> Attributes:
    key = text(params.get("KeyId"))
    return _named(key, "kms", "" if key.startswith("alias/") else "key/", place)


def _scheduler(params: dict[str, Any], place: Place) -> Attributes:
    group = text(params.get("GroupName")) or "default"
    return _named(params.get("Name"), "scheduler", f"schedule/{group}/", place)


def _sts(params: dict[str, Any], _: Place) -> Attributes:
    role = text(params.get("RoleArn"))
    return _known(role) if role else {}


def _mail(params: dict[str, Any], _: Place) -> Attributes:
    """The sender's domain: an address is somebody's."""
    sender = text(params.get("FromEmailAddress")) or text(params.get("Source"))
    return {"clew.resource.name": sender.rpartition("@")[2].rstrip("> ")} if "@" in sender else {}


_AREAS = frozenset({"us", "eu", "apac", "au", "jp", "ca", "global", "us-gov"})

_SERVICES: dict[str, Callable[[dict[str, Any], Place], Attributes]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "sns": _sns,
    "kinesis": _kinesis,
    "lambda": _lambda,
    "events": _events,
    "stepfunctions": _states,
    "secretsmanager": _secrets,
    "bedrock-runtime": _bedrock,
    "kms": _kms,
    "scheduler": _scheduler,
    "sts": _sts,
    "ses": _mail,
    "sesv2": _mail,
}
