"""Amazon Resource Names, as far as they name what a function calls or is triggered by."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Arn(NamedTuple):
    service: str
    region: str
    account: str
    resource: str


# Some services' ARNs name them otherwise than their API does.
SERVICES = {
    "aoss": "opensearch",
    "cognito-idp": "cognito",
    "es": "opensearch",
    "events": "eventbridge",
    "execute-api": "apigateway",
    "logs": "cloudwatchlogs",
    "states": "stepfunctions",
}
# Services whose ARNs put a kind before the name: `table/orders`, `function:thumb`. The name ends at the next one.
_AFTER_SLASH = frozenset({"dynamodb", "kinesis", "kafka", "firehose"})
_AFTER_COLON = frozenset({"lambda", "stepfunctions"})
_KINDS = {  # the same, with nothing behind the name
    "appsync": ("apis/",),
    "cloudfront": ("distribution/",),
    "cloudwatch": ("alarm:",),
    "cognito": ("userpool/",),
    "config": ("config-rule/",),
    "connect": ("instance/",),
    "eventbridge": ("rule/", "event-bus/"),
    "rds": ("cluster:", "db:"),
    "s3-object-lambda": ("accesspoint/",),
    "ssm": ("parameter/",),
    "vpc-lattice": ("service/",),
}
_SECRET_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")  # Secrets Manager adds it to the name that its user gave


@lru_cache(maxsize=1024)
def parse_arn(text: str) -> Arn | None:
    """None for what is no ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[2]:
        return None
    return Arn(SERVICES.get(parts[2], parts[2]), parts[3], parts[4], parts[5])


def resource_name(arn: Arn) -> str:
    """The name that a person gave it: `table/orders/stream/2026-…` is `orders`, `function:thumb:live` is `thumb`."""
    resource = arn.resource
    slashed = resource.split("/")
    if arn.service == "s3":
        return slashed[1] if slashed[0] == "accesspoint" and len(slashed) > 1 else slashed[0]
    if arn.service in _AFTER_SLASH:
        return slashed[1] if len(slashed) > 1 else resource
    if arn.service in _AFTER_COLON:
        return resource.split(":")[1] if ":" in resource else resource
    if arn.service == "apigateway":  # `execute-api` puts the API first, `apigateway` after `/restapis/`
        return slashed[2] if not slashed[0] and len(slashed) > 2 else slashed[0]
    if arn.service == "elasticloadbalancing":  # `targetgroup/name/id`, `loadbalancer/app/name/id`
        return slashed[-2] if len(slashed) > 2 else slashed[-1]
    return _plain_name(arn.service, resource)


def _plain_name(service: str, resource: str) -> str:
    for kind in _KINDS.get(service, ()):
        if resource.startswith(kind):
            return resource.removeprefix(kind)
    if service in {"cloudformation", "scheduler"}:  # `stack/shop/id`, `schedule/group/nightly`
        parts = resource.split("/")
        return parts[1 if service == "cloudformation" else -1] if len(parts) > 1 else resource
    if service == "secretsmanager":
        return _SECRET_SUFFIX.sub("", resource.removeprefix("secret:"))
    if service == "cloudwatchlogs":
        return resource.removeprefix("log-group:").split(":")[0]
    if service == "sns":
        return resource.partition(":")[0]  # a subscription's ARN goes on with its id
    return resource
