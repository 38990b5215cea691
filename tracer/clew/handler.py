"""What the layer has Lambda's runtime import in place of the function: the function's own handler, traced.

The runtime's own code imports the function, so that whatever goes wrong is reported in its words.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from clew import init_errors
from clew.decorator import trace
from clew.failures import with_traceback, without_our_frames
from clew.guard import Guard
from clew.instrumentations import switch_on
from clew.settings import read

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "clew.handler.handler"
VARIABLE = "CLEW_ORIGINAL_HANDLER"
_COROUTINE = 0x80  # inspect.CO_COROUTINE


def load() -> Any:
    """The handler that CLEW_ORIGINAL_HANDLER names, traced. Raises what the runtime would have raised or reported."""
    name = os.environ.get(VARIABLE)
    if name is None or name == NAME:
        raise RuntimeError(f"{VARIABLE} does not name the function's handler")
    if os.environ.get("_HANDLER") == NAME:
        os.environ["_HANDLER"] = name
    with Guard("starting"):
        settings = read(os.environ)
        if not settings.disabled:
            switch_on(settings)  # before the function's imports, so that each is noticed
    runtime = _runtime()
    try:
        handler = runtime._get_handler(name) if runtime is not None else _import(name)
    except BaseException as error:
        fault = _reported(error, runtime)
        if fault is None:
            raise
        raise fault from None
    if _is_fault(handler):
        return handler
    if isinstance(handler, type) or _is_coroutine_function(handler):
        return trace(_called(handler))
    return trace(handler)


def _runtime() -> Any:
    """The module of Lambda's runtime that imports handlers. Runtimes before awslambdaric were one file, run as a script
    or imported by one; None for a runtime that has nothing of the kind."""
    for name in ("awslambdaric.bootstrap", "__main__", "bootstrap"):
        module = sys.modules.get(name)
        if callable(getattr(module, "_get_handler", None)):
            return module
    return None


def _reported(error: BaseException, runtime: Any) -> BaseException | None:
    """Export the failure. Gives an exception to raise instead, of which the runtime says what it would have said of
    `error` without us; None for the error itself.

    Of an exception the runtime reports the stack, in which we are by now. So it is asked for that report here, with our
    frames left out, and gets the report back in the exception of its own that carries one.
    """
    with Guard("leaving our frames out of a stack"):
        with_traceback(error, without_our_frames(error))
    with Guard("exporting a failed initialization"):
        init_errors.report(error, {})
    fault = getattr(runtime, "FaultException", None)
    if isinstance(error, Exception) and fault is not None and not isinstance(error, fault):
        with Guard("leaving our frames out of a stack"):
            told = runtime.build_fault_result((type(error), error, error.__traceback__), None)
            replaced: BaseException = fault(told["errorType"], told["errorMessage"], told["stackTrace"])
            return replaced
    return None


def _import(name: str) -> Any:
    """As Lambda's runtime does it, with its error types, for a runtime that cannot be asked."""
    from importlib import import_module  # noqa: PLC0415  # only here

    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise _named("MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    try:
        module = import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise _named("ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        raise _named("UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}") from error
    if not hasattr(module, function_name):
        raise _named("HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return getattr(module, function_name)


def _named(name: str, message: str) -> Exception:
    """An exception that a runtime reports under Lambda's own name: it takes that of the class."""
    kind: type[Exception] = type(f"Runtime.{name}", (Exception,), {})
    return kind(message)


def _is_fault(handler: Any) -> bool:
    """Whether it is what early versions of awslambdaric put in the place of a handler that could not be imported: it
    raises the failure whenever it is called. The failure is exported here, once."""
    if not getattr(handler, "__qualname__", "").startswith("make_fault_handler."):
        return False
    with Guard("exporting a failed initialization"):
        try:
            handler(None, None)
        except Exception as error:
            init_errors.report(error, {})
    return True


def _is_coroutine_function(handler: Any) -> bool:
    """Such as Lambda's runtime calls, but never awaits."""
    flags = getattr(getattr(handler, "__code__", None), "co_flags", 0)
    return bool(flags & _COROUTINE) and not getattr(handler, "__clew_traced__", False)


def _called(handler: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """What is not traced when it is called, as the runtime does it: what that makes is the result."""

    def call(event: Any, context: Any) -> Any:
        return handler(event, context)

    call.__name__, call.__qualname__ = handler.__name__, handler.__qualname__
    return call


handler = load()
