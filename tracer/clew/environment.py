"""What is known of the function and its execution environment."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from clew.guard import pass_on_signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.settings import Settings

_time = time.time  # now: a function may replace it
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# An environment that was made ready this long before its first request was not made for it.
_PROACTIVE = 10.0
_CAPACITIES = frozenset({"provisioned-concurrency", "lambda-managed-instances"})
# Of `/tmp`, in bytes: what is free is 512 MB and a little more as a file system; the most that Lambda offers, 32 GB.
_FREE_ROOM = 700_000_000
_MOST_ROOM = 36_000_000_000


class Hidden:
    """While it lasts, these variables are not there: OpenTelemetry fails on what some of them may hold."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names
        self._values: dict[str, str] = {}

    def __enter__(self) -> None:
        self._values = {name: os.environ.pop(name) for name in self._names if name in os.environ}

    def __exit__(self, *_: object) -> None:
        os.environ.update(self._values)


def loading(settings: Settings) -> Hidden:
    """To be around the import of OpenTelemetry's SDK and what is made of it.

    Both fail on a limit that is no number, and the SDK asks for a provider of meters, which fails if a variable names
    one that is not there.
    """
    return Hidden({*settings.unreadable, "OTEL_PYTHON_METER_PROVIDER"})


class Start:
    """`initialization_type` is that of the environment, on its first invocation; `init_duration` is milliseconds."""

    __slots__ = ("cold", "init_duration", "initialization_type")  # a NamedTuple takes 0.1 ms of INIT

    def __init__(self, cold: bool, initialization_type: str | None, init_duration: float | None) -> None:
        self.cold = cold
        self.initialization_type = initialization_type
        self.init_duration = init_duration


_WARM = Start(False, None, None)


class Environment:
    """One execution environment, from the moment the handler is decorated."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._ready = _time()
        self._initialization = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") or "on-demand"
        self._first = True
        self.region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        self.resource = _resource(settings, environ, self.region)

    def started(self) -> None:
        """INIT goes on: another handler was decorated."""
        if self._first:
            self._ready = _time()

    def restored(self) -> None:
        """The process goes on from a snapshot, on another machine and at another time."""
        self._ready = _time()

    def begin(self) -> Start:
        """What is known of this invocation's start.

        INIT ends, as far as can be told from inside, when the last handler was decorated, or where the runtime is
        watched, when it asks for its first event.
        """
        if not self._first:
            return _WARM
        self._first = False
        kind = self._initialization
        if kind == "on-demand" and _time() - self._ready > _PROACTIVE:
            kind = "proactive"
        if kind != "on-demand":
            # A snapshot is restored, not started: its process is as old as the function's version.
            return Start(False, kind, None)
        began = process_start()
        return Start(True, kind, None if began is None else max(0.0, (self._ready - began) * 1000))


def _billing(environ: Mapping[str, str]) -> dict[str, str | int]:
    """What the environment's price goes by, where it is not the usual. Takes 2 µs."""
    found: dict[str, str | int] = {}
    kind = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE")
    if kind in _CAPACITIES:
        found["clew.lambda.capacity"] = kind
    try:
        room = os.statvfs("/tmp")  # noqa: S108  # Lambda's
        size = room.f_blocks * room.f_frsize
        if _FREE_ROOM < size <= _MOST_ROOM:
            found["clew.lambda.ephemeral_storage"] = size
    except (OSError, AttributeError) as error:
        pass_on_signal(error)
    return found


def process_start() -> float | None:
    """When this process was started, a `time.time()` second; None where /proc does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  # pathlib would be one more import in INIT
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    return _time() - age


def _resource(settings: Settings, environ: Mapping[str, str], region: str) -> dict[str, str | int | list[str]]:
    version = sys.version_info
    attributes: dict[str, str | int | list[str]] = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": f"{version.major}.{version.minor}.{version.micro}",
    }
    if settings.in_lambda:
        attributes["cloud.provider"] = "aws"
        attributes["cloud.platform"] = "aws_lambda"
    if region:
        attributes["cloud.region"] = region
    for name, variable in (
        ("faas.name", "AWS_LAMBDA_FUNCTION_NAME"),
        ("faas.version", "AWS_LAMBDA_FUNCTION_VERSION"),
        ("faas.instance", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ):
        if value := environ.get(variable):
            attributes[name] = value
    # Only what other attributes do not tell: a name and its value take 25 bytes of every export. The log stream is the
    # instance.
    group = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    if group and group != f"/aws/lambda/{attributes.get('faas.name')}":
        attributes["aws.log.group.names"] = [group]
    memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if memory.isdecimal():
        attributes["faas.max_memory"] = int(memory) * 1024 * 1024
    if settings.in_lambda:
        attributes.update(_billing(environ))
    machine = os.uname().machine if hasattr(os, "uname") else ""
    if machine:
        attributes["host.arch"] = _ARCHITECTURES.get(machine, machine)
    attributes.update(settings.resource_attributes)
    attributes["service.name"] = settings.service_name or settings.function_name or "unknown_service:python"
    return attributes
