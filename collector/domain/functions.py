"""Who sent a span: a Lambda function, or any other service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from collector.domain.arns import parse_arn, resource_name
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
_ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "x64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_RUNTIMES = {"cpython": "python", "pypy": "python", "python": "python", "nodejs": "nodejs", "dotnet": "dotnet"}
_MIB = 1_048_576
_MAX_MEMORY_MB = 65_536  # several times what Lambda offers; more is a mistake and would be priced
_MAX_TIMEOUT_MS = 900_000


def is_lambda(resource: Mapping[str, Value]) -> bool:
    """Whether the resource itself says that it is a Lambda function (an invocation's ARN may still do)."""
    return bool(text(resource.get("faas.name"))) and text(resource.get("cloud.platform")) in {"", "aws_lambda"}


def describe_function(resource: Mapping[str, Value], invocation: Mapping[str, Value], seen_ms: int) -> Function:
    """The function that a resource stands for. `invocation` holds its invocation span's attributes, if any: some
    senders name the account and the ARN only there."""
    arn = first_text(invocation, "cloud.resource_id", "faas.id", "aws.lambda.invoked_arn", limit=2048)
    timeout = whole(invocation.get("clew.lambda.timeout"))
    function = _describe(
        lambda_resource=is_lambda(resource),
        faas_name=text(resource.get("faas.name")),
        service_name=text(resource.get("service.name")),
        arn_text=arn or first_text(resource, "cloud.resource_id", "faas.id", limit=2048),
        region=first_text(resource, "cloud.region", limit=64) or first_text(invocation, "cloud.region", limit=64),
        account=first_text(invocation, "cloud.account.id", limit=64)
        or first_text(resource, "cloud.account.id", limit=64),
        architecture=text(resource.get("host.arch"), 32).lower(),
        language=text(resource.get("telemetry.sdk.language"), 32).lower(),
        runtime=text(resource.get("process.runtime.name"), 32).lower(),
        version=text(resource.get("process.runtime.version"), 32),
        memory=whole(resource.get("faas.max_memory")),
    )
    timeout_ms = min(timeout, _MAX_TIMEOUT_MS) if timeout else None
    return function._replace(timeout_ms=timeout_ms, seen_ms=seen_ms)


@lru_cache(maxsize=1024)  # a process sends the same resource with every export: 1 µs instead of 7
def _describe(
    *,
    lambda_resource: bool,
    faas_name: str,
    service_name: str,
    arn_text: str,
    region: str,
    account: str,
    architecture: str,
    language: str,
    runtime: str,
    version: str,
    memory: int | None,
) -> Function:
    name = faas_name
    arn = parse_arn(arn_text)
    if arn is not None and arn.service == "lambda" and (lambda_resource or not faas_name):
        lambda_resource = True
        name = name or resource_name(arn)[:256]
        region, account = region or arn.region[:64], account or arn.account[:64]
    if not lambda_resource:  # a service is its name: instances in two regions are one service
        name = name or service_name or "unknown_service"
        region = account = ""
    kind = "lambda" if lambda_resource else "service"
    return Function(
        id=hash63(kind, account, region, name),
        kind=kind,
        account=account,
        region=region,
        name=name,
        runtime=_runtime(runtime, version, language),
        architecture=_ARCHITECTURES.get(architecture),
        memory_mb=_megabytes(memory),
        timeout_ms=None,
        seen_ms=0,
    )


def _megabytes(memory: int | None) -> int | None:
    """From bytes or, from senders that predate the convention's change to bytes, from megabytes."""
    if not memory:
        return None
    megabytes = memory // _MIB or memory
    return megabytes if megabytes <= _MAX_MEMORY_MB else None


def _runtime(name: str, version: str, language: str) -> str | None:
    """As Lambda writes it: `python3.12`, `nodejs22.x`, `java21`."""
    name = _RUNTIMES.get(name) or _RUNTIMES.get(language) or language or name
    if not name:
        return None
    numbers = version.removeprefix("go").lstrip("v").split("+")[0].split(".")
    if not numbers[0]:
        return name
    if name in {"python", "go"}:
        return name + ".".join(numbers[:2])
    return f"{name}{numbers[0]}.x" if name == "nodejs" else name + numbers[0]
