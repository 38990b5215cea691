"""Amazon Resource Names, as far as they name what a function calls or is triggered by."""

from __future__ import annotations

from typing import NamedTuple


class Arn(NamedTuple):
    service: str
    region: str
    account: str
    resource: str


# Some services' ARNs name them otherwise than their API does.
SERVICES = {"events": "eventbridge", "states": "stepfunctions", "execute-api": "apigateway", "aoss": "opensearch"}


def parse_arn(text: str) -> Arn | None:
    """None for what is no ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[2]:
        return None
    return Arn(SERVICES.get(parts[2], parts[2]), parts[3], parts[4], parts[5])


def resource_name(arn: Arn) -> str:
    """The name that a person gave it: `table/orders/stream/2026-…` is `orders`, `function:thumb:live` is `thumb`."""
    resource = arn.resource
    if arn.service == "s3":
        return resource.split("/", 1)[0]
    if arn.service in {"dynamodb", "kinesis", "kafka", "firehose"}:
        return resource.split("/")[1] if "/" in resource else resource
    if arn.service == "eventbridge":
        return resource.removeprefix("rule/").removeprefix("event-bus/")
    if arn.service == "lambda":
        return resource.removeprefix("function:").split(":", 1)[0]
    if arn.service in {"stepfunctions", "secretsmanager"}:
        return resource.split(":", 1)[-1]
    if arn.service == "apigateway":
        return resource.split("/", 1)[0]
    return resource
