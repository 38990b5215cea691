"""Who sent a span: a Lambda function, or any other service."""

from __future__ import annotations

from collections.abc import Mapping

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
        # Of its environments, not of the function.
        "clew.lambda.capacity",
        "clew.lambda.ephemeral_storage",
    }
)
_OF_RESOURCE = tuple(
    sorted(RESOURCE_ATTRIBUTES - {"faas.max_memory", "clew.lambda.capacity", "clew.lambda.ephemeral_storage"})
)
_OF_INVOCATION = ("cloud.resource_id", "faas.id", "aws.lambda.invoked_arn", "cloud.region", "cloud.account.id")
_MOST_KNOWN = 1_024
_LONGEST_KNOWN = 4_096  # characters: what a sender makes up may not stay in memory by the megabyte
# A process says the same with every export: 2 µs instead of 12.
_known: dict[tuple[Value, ...], Function] = {}
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
    memory, timeout = whole(resource.get("faas.max_memory")), whole(invocation.get("clew.lambda.timeout"))
    function = _known_function(resource, invocation, memory)
    timeout_ms = min(timeout, _MAX_TIMEOUT_MS) if timeout else None
    return Function(*function[:8], timeout_ms, seen_ms)


def _known_function(resource: Mapping[str, Value], invocation: Mapping[str, Value], memory: int | None) -> Function:
    said = (memory, *map(resource.get, _OF_RESOURCE), *map(invocation.get, _OF_INVOCATION))
    try:
        known = _known.get(said)
    except TypeError:  # a list or a map is among them
        return _read_function(resource, invocation, memory)
    if known is None:
        known = _read_function(resource, invocation, memory)
        # Text alone: as keys 1, 1.0 and True would be one.
        texts = [value for value in said[1:] if isinstance(value, str)]
        if len(texts) + said[1:].count(None) == len(said) - 1 and sum(map(len, texts)) <= _LONGEST_KNOWN:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[said] = known
    return known


def _read_function(resource: Mapping[str, Value], invocation: Mapping[str, Value], memory: int | None) -> Function:
    arn = first_text(invocation, "cloud.resource_id", "faas.id", "aws.lambda.invoked_arn", limit=2048)
    return _describe(
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
        memory=memory,
    )


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
