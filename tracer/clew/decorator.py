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
    from clew.environment import loading  # noqa: PLC0415  # not for a function whose tracing is off

    with loading(settings):
        from clew.bootstrap import wrapped  # noqa: PLC0415  # the same

        return wrapped(handler, settings)
