"""`@clew.trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from clew.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

_Handler = TypeVar("_Handler", bound="Callable[..., Any]")


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
        from clew.bootstrap import wrapped  # noqa: PLC0415  # whatever fails in there, the handler is returned

        return wrapped(handler)
    return handler
