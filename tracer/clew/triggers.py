"""What set an invocation off, as its event tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.events import at, items, mapping, plain, text
from clew.records import records_of, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

_DATASOURCES = frozenset({"s3", "dynamodb", "documentdb"})


class Trigger:
    """`type` and `resource` as in docs/attributes.md; `faas` is OpenTelemetry's coarser word."""

    __slots__ = ("faas", "resource", "type")  # a NamedTuple takes 0.1 ms of INIT

    def __init__(self, type: str, faas: str, resource: str = "") -> None:
        self.type = type
        self.faas = faas
        self.resource = resource


DIRECT = Trigger("direct", "other")


class Place:
    """The function's own region and account, which its triggers' are where an event does not tell; "" if unknown."""

    __slots__ = ("account", "region")

    def __init__(self, region: str, account: str) -> None:
        self.region = region
        self.account = account

    def arn(self, service: str, resource: str, account: str = "") -> str:
        """`arn:aws:service:region:account:resource`; "" without a region or an account."""
        owner = account or self.account
        if not self.region or not owner:
            return ""
        return f"arn:{partition(self.region)}:{service}:{self.region}:{owner}:{resource}"


def partition(region: str) -> str:
    """AWS's separate worlds, China and the US government's, have ARNs of their own."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def find_trigger(event: object, region: str, account: str) -> Trigger:
    """The trigger of an event; `direct` if its shape is none of a service's that is known."""
    event = plain(event)
    place = Place(region, account)
    if isinstance(event, list):
        return _pipe(event, place) or DIRECT
    if not isinstance(event, dict) or not event:
        return DIRECT
    # One look at the event's own names, 20 ns each, instead of one for each name that a service's event may have.
    if not _MARKS.isdisjoint(event):
        found = _service(event, place)
        if found is not None:
            return found
    from clew.executions import execution_arns, state_machine  # noqa: PLC0415  # 0.1 ms of INIT, for events like these

    arns = execution_arns(event)
    return Trigger("stepfunctions", "other", state_machine(arns[0])) if arns else DIRECT


def _service(event: dict[str, Any], place: Place) -> Trigger | None:
    for mark, find in _FINDERS:
        if mark in event:
            found = find(event, place)
            if found is not None:
                return found
    for mark, others, type, path in _SERVICES:
        if mark in event and all(name in event for name in others):
            return Trigger(type, "other", text(at(event, *path)) if path else "")
    return None


def _pipe(records: list[Any], place: Place) -> Trigger | None:
    """A list: what EventBridge Pipes send, and AppSync where it resolves many fields at once."""
    first = next((record for record in records[:10] if isinstance(record, dict)), None)
    if first is None:
        return None
    return _record(first, place) or _resolver(first, place)


def _records(event: dict[str, Any], place: Place) -> Trigger | None:
    for record in items(event.get("Records"))[:10]:
        found = _record(record, place) if isinstance(record, dict) else None
        if found is not None:
            return found
    return None


def _record(record: dict[str, Any], place: Place) -> Trigger | None:
    """The trigger of one record, or of an event that tells the source of all its records once."""
    type = type_of(record)
    if not type:
        return _edge(record, place) if "cf" in record else None
    faas = "datasource" if type in _DATASOURCES else "pubsub"
    find = _RESOURCES.get(type)
    if find is not None:
        return Trigger(type, faas, find(record, place))
    return Trigger(type, faas, text(record.get("eventSourceARN")) or text(record.get("eventSourceArn")))


def _bucket(record: dict[str, Any], place: Place) -> str:
    name = text(at(record, "s3", "bucket", "name"))
    arn = text(at(record, "s3", "bucket", "arn"))
    return arn or (f"arn:{partition(place.region)}:s3:::{name}" if name else "")


def _table(record: dict[str, Any], _: Place) -> str:
    return text(record.get("eventSourceARN")).partition("/stream/")[0]


def _stream(record: dict[str, Any], _: Place) -> str:
    return text(record.get("eventSourceARN")).partition("/consumer/")[0]


def _topic(event: dict[str, Any], _: Place) -> str:
    """The topic's name, by which its producers know it. Those know the brokers, but not the cluster's ARN."""
    first = _first(event)
    return text(first.get("topic")) or text(event.get("eventSourceArn"))


def _queue(event: dict[str, Any], _: Place) -> str:
    """The name of the broker's queue; RabbitMQ's come as `queue::/virtual-host`."""
    queue = next(iter(mapping(event.get("rmqMessagesByQueue"))), None) or event.get("eventSourceKey")
    if isinstance(queue, str) and queue:
        return queue.partition("::")[0]
    return text(at(_first(event), "destination", "physicalName")) or text(event.get("eventSourceArn"))


def _first(event: dict[str, Any]) -> dict[str, Any]:
    """The first of an event's records; the event itself where it is one, as Pipes have it."""
    records = records_of(event)
    return mapping(records[0]) if records else event


def _receiver(record: dict[str, Any], _: Place) -> str:
    """The domain that SES received for. Addresses are many, and people's."""
    recipients = items(at(record, "ses", "receipt", "recipients")) or items(at(record, "ses", "mail", "destination"))
    return text(recipients[0]).rpartition("@")[2].rstrip(">").lower() if recipients else ""


_RESOURCES: dict[str, Callable[[dict[str, Any], Place], str]] = {
    "s3": _bucket,
    "sns": lambda record, _: text(at(record, "Sns", "TopicArn")),
    "dynamodb": _table,
    "kinesis": _stream,
    "kafka": _topic,
    "mq": _queue,
    "ses": _receiver,
}


def _eventbridge(event: dict[str, Any], _: Place) -> Trigger | None:
    if "source" not in event:
        return None
    source = text(event.get("source"))
    if source == "aws.scheduler" or (source == "aws.events" and event.get("detail-type") == "Scheduled Event"):
        resources = items(event.get("resources"))
        return Trigger("schedule", "timer", text(resources[0]) if resources else "")
    return Trigger("eventbridge", "pubsub", source)


# Of requests what a function without them does not load: 0.1 ms of INIT.


def http_attributes(event: object, trigger: Trigger) -> dict[str, str]:
    """OpenTelemetry's attributes of an HTTP request, for the triggers that are one."""
    if trigger.faas != "http" or not isinstance(event, dict):
        return {}
    from clew.http_triggers import request_attributes  # noqa: PLC0415

    return request_attributes(event, trigger)


def http_status(result: object, trigger: Trigger) -> int | None:
    """The status that the trigger's caller gets; None if it is no request's or the handler leaves it to the service."""
    if trigger.faas != "http" or not isinstance(result, dict):
        return None
    from clew.http_triggers import answered_status  # noqa: PLC0415

    return answered_status(result, trigger)


def _request(event: dict[str, Any], place: Place) -> Trigger | None:
    from clew.http_triggers import request_trigger  # noqa: PLC0415

    return request_trigger(event, place) or _destination(event, place)


def _authorizer(event: dict[str, Any], place: Place) -> Trigger | None:
    from clew.http_triggers import authorizer_trigger  # noqa: PLC0415

    return authorizer_trigger(event, place)


def _lattice(event: dict[str, Any], place: Place) -> Trigger | None:
    from clew.http_triggers import lattice_trigger  # noqa: PLC0415

    return lattice_trigger(event, place)


def _resolver(event: dict[str, Any], place: Place) -> Trigger | None:
    if "info" not in event:
        return None
    from clew.http_triggers import resolver_trigger  # noqa: PLC0415

    return resolver_trigger(event, place)


def _edge(record: dict[str, Any], place: Place) -> Trigger | None:
    from clew.http_triggers import edge_trigger  # noqa: PLC0415

    return edge_trigger(record, place)


def _destination(event: dict[str, Any], _: Place) -> Trigger | None:
    """What Lambda sends on of an invocation that succeeded or failed: the function is its source."""
    context = event.get("requestContext")
    if not isinstance(context, dict) or "functionArn" not in context or "condition" not in context:
        return None
    return Trigger("destination", "other", text(context.get("functionArn")))


def _durable(event: dict[str, Any], _: Place) -> Trigger | None:
    arn = text(event.get("DurableExecutionArn"))
    # What stands before `/durable-execution/` is the function's ARN.
    return Trigger("durable", "other", arn.partition("/durable-execution/")[0]) if arn.startswith("arn:") else None


def _logs(event: dict[str, Any], place: Place) -> Trigger | None:
    data = at(event, "awslogs", "data")
    if not isinstance(data, str):
        return None
    from clew.log_groups import log_group  # noqa: PLC0415  # base64 and zlib for a rare trigger

    group, owner = log_group(data)
    return Trigger("logs", "pubsub", place.arn("logs", f"log-group:{group}", owner) or group if group else "")


def _user_pool(event: dict[str, Any], place: Place) -> Trigger | None:
    pool = text(event.get("userPoolId"))
    region = text(event.get("region")) or place.region
    return Trigger("cognito", "other", Place(region, place.account).arn("cognito-idp", f"userpool/{pool}") or pool)


def _delivery(event: dict[str, Any], _: Place) -> Trigger | None:
    return Trigger("firehose", "pubsub", text(event.get("deliveryStreamArn")))


def _alarm(event: dict[str, Any], _: Place) -> Trigger | None:
    return Trigger("cloudwatch", "other", text(event.get("alarmArn"))) if "alarmData" in event else None


def _thing(event: dict[str, Any], _: Place) -> Trigger | None:
    """What IoT itself publishes. A rule sends whatever its SELECT says: nothing tells that from a direct call."""
    return Trigger("iot", "pubsub") if "clientId" in event and "eventType" in event else None


def _button(event: dict[str, Any], _: Place) -> Trigger | None:
    return Trigger("iot", "pubsub") if "placementInfo" in event or "batteryVoltage" in event else None


def _skill(event: dict[str, Any], _: Place) -> Trigger | None:
    request = event.get("request")
    if not isinstance(request, dict) or "requestId" not in request:
        return None
    application = at(event, "context", "System", "application", "applicationId") or at(
        event, "session", "application", "applicationId"
    )
    return Trigger("alexa", "http", application) if isinstance(application, str) else None


def _home(event: dict[str, Any], _: Place) -> Trigger | None:
    return Trigger("alexa", "http") if text(at(event, "directive", "header", "namespace")).startswith("Alexa") else None


def _bot(event: dict[str, Any], _: Place) -> Trigger | None:
    name = text(at(event, "bot", "name"))
    return Trigger("lex", "http", name) if name and "invocationSource" in event else None


def _contact(event: dict[str, Any], _: Place) -> Trigger | None:
    """A contact flow of Connect."""
    instance = at(event, "Details", "ContactData", "InstanceARN")
    return Trigger("connect", "other", instance) if isinstance(instance, str) else None


def _batch_job(event: dict[str, Any], place: Place) -> Trigger | None:
    """S3's batch operations."""
    tasks = items(event.get("tasks"))
    if "invocationSchemaVersion" not in event or not tasks:
        return None
    bucket = text(at(tasks[0], "s3Bucket"))
    arn = text(at(tasks[0], "s3BucketArn"))
    return Trigger("s3batch", "datasource", arn or (f"arn:{partition(place.region)}:s3:::{bucket}" if bucket else ""))


# By a name at the top of the event. The first that finds something counts, so what services send often stands first.
_FINDERS: tuple[tuple[str, Callable[[dict[str, Any], Place], Trigger | None]], ...] = (
    ("Records", _records),
    ("requestContext", _request),
    ("detail-type", _eventbridge),
    ("DurableExecutionArn", _durable),
    ("eventSource", _record),
    ("awslogs", _logs),
    ("methodArn", _authorizer),
    ("raw_path", _lattice),
    ("info", _resolver),
    ("userPoolId", _user_pool),
    ("deliveryStreamArn", _delivery),
    ("alarmArn", _alarm),
    ("sessionIdentifier", _thing),
    ("principalIdentifier", _thing),
    ("deviceEvent", _button),
    ("clickType", _button),
    ("session", _skill),
    ("context", _skill),
    ("directive", _home),
    ("bot", _bot),
    ("Details", _contact),
    ("tasks", _batch_job),
)
# Services that call a function directly: a name that their events have, others that tell them from a user's own event,
# the type, and where the resource is.
_SERVICES: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("StackId", ("RequestType", "LogicalResourceId"), "cloudformation", ("StackId",)),
    ("CodePipeline.job", (), "codepipeline", ()),
    ("LifecycleEventHookExecutionId", ("DeploymentId",), "codedeploy", ()),
    ("configRuleArn", ("invokingEvent",), "config", ("configRuleArn",)),
    ("ClientRequestToken", ("SecretId", "Step"), "secretsmanager", ("SecretId",)),
    ("getObjectContext", ("xAmzRequestId",), "s3objectlambda", ("configuration", "accessPointArn")),
    ("agent", ("actionGroup", "messageVersion"), "bedrock", ("agent", "name")),
    ("identityPoolId", ("datasetName",), "cognito", ("identityPoolId",)),
    ("templateArn", ("certificateId",), "iot", ("templateArn",)),
    ("signatureVerified", ("protocolData",), "iot", ()),
)
_MARKS = frozenset(mark for mark, *_ in (*_FINDERS, *_SERVICES))
