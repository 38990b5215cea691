"""What a local function is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from collector.local_lambda.identifiers import ACCOUNT_ID


class InitializationType(str, Enum):
    """When an environment is initialised: with its first invocation, or before."""

    ON_DEMAND = "on-demand"
    PROVISIONED_CONCURRENCY = "provisioned-concurrency"  # when the function is added
    SNAP_START = "snap-start"  # the same; it then stands still and is restored with its first invocation

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class LocalFunction:
    """A function's code and configuration. Times are seconds, memory is MB."""

    name: str
    handler: str  # `module.function`, the module looked up in `code`
    code: Path
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)  # wins over the variables that Lambda sets
    layers: tuple[Path, ...] = ()  # directories or zips with what is to be under /opt, the last one on top
    region: str = "eu-west-1"
    version: str = "$LATEST"
    concurrency: int = 1
    initialization_type: InitializationType = InitializationType.ON_DEMAND
    initialization_timeout: float = 10.0
    json_log: bool = False  # LogFormat JSON
    active_tracing: bool = False  # trace headers say Sampled=1
    kill_above_memory: bool = True  # a process that holds more than `memory` is killed, as Lambda does
    maximum_retry_attempts: int = 2
    retry_delays: tuple[float, ...] = (60.0, 120.0)  # before the first and the second retry, as AWS waits
    invocations_per_environment: int | None = None  # an environment is retired after so many; None: never
    python: Path = Path(sys.executable)  # needs the package `awslambdaric`

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT_ID}:function:{self.name}"

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"
