"""`@clew.trace`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, overload

from clew import init_errors
from clew.guard import Guard, warn_once
from clew.settings import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.settings import Settings

_Handler = TypeVar("_Handler", bound="Callable[..., Any]")

# From here on: what fails between `import clew` and the handler is an initialization that failed.
init_errors.watch()


@overload
def trace(handler: _Handler) -> _Handler: ...


@overload
def trace(handler: None = None) -> Callable[[_Handler], _Handler]: ...


def trace(handler: Any = None) -> Any:
    """Trace a Lambda handler: `@clew.trace` or `@clew.trace()`, on a function or a coroutine function.

    It takes and returns what it did before, raises what it raised, and prints what it printed. What can go wrong in
    the tracer is said once on stderr and nowhere else; CLEW_DISABLED=true leaves the handler as it is.
    """
    if handler is None:
        return trace
    with Guard("starting"):
        settings = read(os.environ)
        for warning in settings.warnings:
            warn_once(warning)
        if not settings.disabled:
            return _traced(handler, settings)
    return handler


def _traced(handler: Any, settings: Settings) -> Any:
    with Loading(settings):
        from clew.bootstrap import wrapped  # noqa: PLC0415  # not for a function whose tracing is off

        return wrapped(handler, settings)


class Loading:
    """While it lasts, variables with a value that cannot be read are not there.

    Needed around the import of OpenTelemetry's SDK and what is made of it: both fail on a limit that is no number, and
    the SDK asks for a provider of meters, which fails if a variable names one that is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self._names = {*settings.unreadable, "OTEL_PYTHON_METER_PROVIDER"}
        self._hidden: dict[str, str] = {}

    def __enter__(self) -> None:
        self._hidden = {name: os.environ.pop(name) for name in self._names if name in os.environ}

    def __exit__(self, *_: object) -> None:
        os.environ.update(self._hidden)
