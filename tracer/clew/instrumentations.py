"""Switches on the installed `opentelemetry-instrumentation-*` packages, each when its library is imported.

Where none is installed, that is found out in a few microseconds: their common folder is missing. Package metadata is
read as files, because `importlib.metadata` takes 10 ms to import; an instrumentation loads it anyway.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from clew.guard import Guard, describe, warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.settings import Settings

_PREFIX = "opentelemetry_instrumentation_"
_GROUP = "[opentelemetry_instrumentor]"
# What the tracer does itself, and what takes over logging or measures instead of tracing.
_NEVER = frozenset(
    {"aws-lambda", "botocore", "boto", "boto3", "boto3sqs", "aiobotocore", "logging", "system-metrics"}
)  # fmt: skip
# In a function the invocation is what a server's span is elsewhere.
_SERVERS = frozenset(
    {"aiohttp-server", "asgi", "django", "falcon", "fastapi", "flask", "pyramid", "starlette", "tornado", "wsgi"}
)
# The library's module, where it is not the instrumentation's name with underscores.
_MODULES = {
    "aiohttp-client": "aiohttp",
    "aiohttp-server": "aiohttp",
    "grpc-aio-client": "grpc",
    "grpc-aio-server": "grpc",
    "grpc-client": "grpc",
    "grpc-server": "grpc",
    "mysql": "mysql.connector",
    "mysqlclient": "MySQLdb",
    "tortoiseorm": "tortoise",
    "urllib": "urllib.request",
}

_done = False


def switch_on(settings: Settings) -> None:
    """Have the instrumentations that are installed and wanted switched on. Only the first call does something."""
    global _done  # noqa: PLW0603  # as often as a process starts
    if _done or not settings.instrumentations:
        return
    _done = True
    with Guard("switching on instrumentations"):
        for name, target in _installed():
            if _wanted(name, settings):
                from clew.imports import when_imported  # noqa: PLC0415  # only where there is one

                module = _MODULES.get(name, name.replace("-", "_"))
                if name not in _MODULES and module not in sys.modules and not _exists(module):
                    module = "opentelemetry"  # of a library that cannot be told from the name: now
                when_imported(module, _switching(name, target))


def _wanted(name: str, settings: Settings) -> bool:
    disabled = settings.disabled_instrumentations
    if name in _NEVER or (settings.in_lambda and name in _SERVERS):
        return False
    return not any(one == "*" or one.replace("_", "-") == name for one in disabled)


def _installed() -> Iterator[tuple[str, str]]:
    """Name and `module:class` of every instrumentation, the first of each name on the path."""
    import opentelemetry  # noqa: PLC0415  # not for a function whose tracing is off

    names = set()
    for folder in list(opentelemetry.__path__):
        if not os.path.isdir(os.path.join(folder, "instrumentation")):  # noqa: PTH112, PTH118  # 2 µs, pathlib 30
            continue
        site = os.path.dirname(folder)  # noqa: PTH120
        for entry in sorted(os.listdir(site)):  # noqa: PTH208
            if entry.startswith(_PREFIX) and entry.endswith(".dist-info"):
                for name, target in _entry_points(os.path.join(site, entry, "entry_points.txt")):  # noqa: PTH118
                    if name not in names:
                        names.add(name)
                        yield name, target


def _entry_points(path: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            lines = file.read().splitlines()
    except OSError:
        return
    group = ""
    for line in lines:
        name, equals, target = (part.strip() for part in line.partition("="))
        if line.startswith("["):
            group = line.strip()
        elif group == _GROUP and equals:
            yield name.lower().replace("_", "-"), target.partition("[")[0].strip()


def _exists(module: str) -> bool:
    from importlib.machinery import PathFinder  # noqa: PLC0415  # only where an instrumentation is installed

    return PathFinder.find_spec(module) is not None


def _switching(name: str, target: str) -> Callable[[], None]:
    def switch() -> None:
        try:
            _switch(name, target)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] in {"opentelemetry", "wrapt", "packaging"}:
                warn_once(f"instrumentation {name} failed: {describe(error)}")
            # Else it is of a library that the function does not have.
        except Exception as error:
            warn_once(f"instrumentation {name} failed: {describe(error)}")

    return switch


def _switch(name: str, target: str) -> None:
    from opentelemetry import trace  # noqa: PLC0415

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider) and not _is_ours(
        trace.get_tracer_provider()
    ):
        return  # the function has set up OpenTelemetry, and with it what it wants of this
    if name == "django" and "DJANGO_SETTINGS_MODULE" not in os.environ:
        return  # it would set up Django before the application does
    module, _, attribute = target.partition(":")
    instrumentor = getattr(import_module(module), attribute)()
    if instrumentor.is_instrumented_by_opentelemetry:
        return
    conflict = instrumentor._check_dependency_conflicts()
    found = getattr(conflict, "found", None) or getattr(conflict, "found_any", None)
    if found:
        warn_once(f"instrumentation {name} is not for the installed {found}; not switched on")
        return
    instrumentor.instrument(skip_dep_check=True)
    _give_way(instrumentor)


def _is_ours(provider: Any) -> bool:
    return type(provider).__module__ == "clew.provider"


def _give_way(instrumentor: Any) -> None:
    """The function may switch it on itself, with options of its own: then ours is taken back first, without a word."""

    def instrument(**options: Any) -> Any:
        with Guard("taking an instrumentation back"):
            del instrumentor.instrument
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()
        return instrumentor.instrument(**options)

    instrumentor.instrument = instrument
