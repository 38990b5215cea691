"""Who sent a span: a Lambda function, or any other service."""

from __future__ import annotations

from collections.abc import Mapping

from collector.domain.arns import parse_arn
from collector.domain.facts import Function
from collector.domain.ids import hash63
from collector.domain.spans import Value
from collector.domain.values import first_text, text, whole

RESOURCE_ATTRIBUTES = frozenset(
    {
        "service.name",
        "faas.name",
        "faas.max_memory",
        "faas.id",
        "cloud.resource_id",
        "cloud.account.id",
        "cloud.region",
        "cloud.platform",
        "host.arch",
        "process.runtime.name",
        "process.runtime.version",
        "telemetry.sdk.language",
    }
)
_ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_RUNTIMES = {"cpython": "python", "python": "python", "nodejs": "nodejs"}


def describe_function(resource: Mapping[str, Value], invocation: Mapping[str, Value], seen_ms: int) -> Function:
    """The function that a resource stands for. `invocation` holds its invocation span's attributes, if any: some
    senders name the account and the ARN only there."""
    arn_text = first_text(invocation, "cloud.resource_id", "faas.id", "aws.lambda.invoked_arn", limit=2048)
    arn_text = arn_text or first_text(resource, "cloud.resource_id", "faas.id", limit=2048)
    arn = parse_arn(arn_text)
    name = text(resource.get("faas.name"))
    is_lambda = bool(name) and text(resource.get("cloud.platform")) in {"", "aws_lambda"}
    if not name:
        name = text(resource.get("service.name")) or "unknown_service"
    region = first_text(resource, "cloud.region", limit=64) or first_text(invocation, "cloud.region", limit=64)
    account = first_text(invocation, "cloud.account.id", limit=64) or first_text(resource, "cloud.account.id", limit=64)
    if is_lambda and arn is not None and arn.service == "lambda":
        region, account = region or arn.region, account or arn.account
    if not is_lambda:  # a service is its name: instances in two regions are one service
        region = account = ""
    kind = "lambda" if is_lambda else "service"
    memory = whole(resource.get("faas.max_memory"))
    timeout = whole(invocation.get("clew.lambda.timeout"))
    return Function(
        id=hash63(kind, account, region, name),
        kind=kind,
        account=account,
        region=region,
        name=name,
        runtime=_runtime(resource),
        architecture=_ARCHITECTURES.get(text(resource.get("host.arch"))),
        # Megabytes from senders that predate the convention's change to bytes.
        memory_mb=None if not memory else memory // 1_048_576 or min(memory, 10_240),
        timeout_ms=min(timeout, 900_000) if timeout else None,
        seen_ms=seen_ms,
    )


def _runtime(resource: Mapping[str, Value]) -> str | None:
    name = first_text(resource, "process.runtime.name", "telemetry.sdk.language", limit=32).lower()
    if not name:
        return None
    name = _RUNTIMES.get(name, name)
    version = text(resource.get("process.runtime.version"), 32).lstrip("v").split(".")
    if not version[0]:
        return name
    return name + ".".join(version[:2]) if name == "python" else name + version[0]
