"""What is known of a call before it is made: the same for all of one operation of one client, so worked out once.

After a request over the network nothing of the tracer is in the processor's caches, and each look-up and each function
called takes twice as long as in a loop. This took 12 µs of every call.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from clew.events import text
from clew.lean_span import Told
from clew.produced_keys import produces_keys
from clew.resources import Place, describe_resource

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "__clew_calls__"
_MAX_RESOURCES = 100
_MAX_NAME = 2048

# Services whose answers are secrets, whatever their fields are called.
_SECRET_SERVICES = frozenset({
    "secretsmanager", "kms", "sts", "cognito-idp", "cognito-identity", "sso", "sso-oidc", "signin", "acm-pca",
    "payment-cryptography", "payment-cryptography-data",
})  # fmt: skip
_SECRET_OPERATIONS = frozenset({("iam", "CreateAccessKey"), ("ecr", "GetAuthorizationToken")})
# Whose calls are billed by more than their number.
_METERED = frozenset({"dynamodb", "sqs", "sns", "events", "kinesis", "stepfunctions", "ses", "sesv2"})
# The parameter that alone tells what a call reaches, where it is given.
_TELLING = {
    "dynamodb": "TableName", "sqs": "QueueUrl", "sns": "TopicArn", "lambda": "FunctionName",
    "stepfunctions": "stateMachineArn", "secretsmanager": "SecretId",
}  # fmt: skip


class Plan:
    """One operation of one client, for functions of one account.

    `service` is botocore's name of it (`stepfunctions`). `meter` is what tells the units that such a call is billed by,
    `may_fail` whether an answer with status 200 may be that of a failure.
    """

    __slots__ = (
        "_attributes", "_model", "_name", "_place", "_resources", "_secret", "_telling", "account", "makes_keys",
        "may_fail", "meter", "operation", "region", "service",
    )  # fmt: skip

    def __init__(self, meta: Any, operation: str, account: str) -> None:
        model = meta.service_model
        self.account = account
        self.operation = operation
        self.service: str = model.service_name
        self.region = region = text(meta.region_name)
        self.makes_keys = produces_keys(self.service, operation)
        self.may_fail = self.service == "lambda" or operation == "StartSyncExecution"
        self.meter = _meter() if self.service in _METERED else None
        self._secret = self.service in _SECRET_SERVICES or (self.service, operation) in _SECRET_OPERATIONS
        self._model = model
        self._place = Place(text(meta.partition) or "aws", region, account)
        service = text(model.service_id)
        self._name = f"{service}.{operation}"
        self._attributes = {"rpc.system.name": "aws-api", "rpc.method": f"{service}/{operation}"}
        if region:
            self._attributes["cloud.region"] = region
        self._telling = _TELLING.get(self.service, "")
        self._resources: dict[str, Told] = {}

    def told(self, params: dict[str, Any]) -> Told:
        """Name and attributes of a call with these parameters."""
        resource = params.get(self._telling)
        if type(resource) is not str:
            return self._tell(params)
        known = self._resources.get(resource)
        if known is None:
            known = self._tell(params)
            if len(self._resources) < _MAX_RESOURCES and len(resource) <= _MAX_NAME:
                self._resources[resource] = known
        return known

    def _tell(self, params: dict[str, Any]) -> Told:
        found = describe_resource(self.service, self.operation, params, self._place, self._model)
        return Told(self._name, SpanKind.CLIENT, {**self._attributes, **found})

    def secret(self, params: dict[str, Any]) -> bool:
        """Whether neither request nor response may be kept."""
        if self.service == "ssm":
            return bool(params.get("WithDecryption")) or params.get("Type") == "SecureString"
        return self._secret


def plan_of(client: Any, operation: str, account: str) -> Plan:
    """The plan of a call of botocore's client, kept with the client."""
    meta = client.meta
    try:
        plans = meta.__dict__[_MARK]
    except KeyError:
        plans = meta.__dict__[_MARK] = {}
    plan: Plan | None = plans.get(operation)
    if plan is None or plan.account != account:
        plan = plans[operation] = Plan(meta, operation, account)
    return plan


@cache
def _meter() -> Callable[..., dict[str, Any]]:
    from clew.usage import billed_units  # noqa: PLC0415  # 0.3 ms, where such a service is called

    return billed_units
