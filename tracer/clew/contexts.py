"""OpenTelemetry's current context, without the calls in between.

Its own functions ask an object that asks a variable; where that is Python's, as it is unless OTEL_PYTHON_CONTEXT names
another, the variable is asked here. Getting, attaching and detaching took 3 µs of a call that came from the network.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import propagation

from clew.guard import pass_on_signal

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

SPAN_KEY: str = propagation._SPAN_KEY
"""Under which a context holds its span."""

_runtime: Any = getattr(otel_context, "_RUNTIME_CONTEXT", None)
_variable: Any = getattr(_runtime, "_current_context", None)
_plain = type(_variable) is ContextVar and type(_runtime).__module__ == "opentelemetry.context.contextvars_context"

current_context = _variable.get if _plain else otel_context.get_current
attach = _variable.set if _plain else otel_context.attach
_detach = _variable.reset if _plain else (otel_context if _runtime is None else _runtime).detach


def detach(token: Token[Context]) -> None:
    """Go back to the context before. OpenTelemetry's own logs whatever is raised meanwhile and goes on, also with a
    deadline of the function's that came at that moment.
    """
    try:
        _detach(token)
    except Exception as error:  # attached in another task or thread: there is nothing to go back to
        pass_on_signal(error)
