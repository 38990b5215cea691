"""Failures before any handler ran: exported before Lambda's runtime tells of them and ends the process.

The runtime catches what the import of a function raises, so that nothing above it ever sees the exception. Two of its
functions are wrapped while INIT lasts: `make_error`, during which the exception is the one being handled, and
`post_init_error`, which has the runtime's own name of the failure. The first wait for an event takes the wrappers off.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any

from clew.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_error: BaseException | None = None
_reported = False
_undo: list[tuple[Any, str, Any, Any]] = []


def watch() -> None:
    """Notice an initialization that fails from now on, where Lambda's runtime client is what imports the function."""
    bootstrap = sys.modules.get("awslambdaric.bootstrap")
    client = sys.modules.get("awslambdaric.lambda_runtime_client")
    if bootstrap is None or client is None or _undo:
        return
    if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
        return  # a test of the function's, say, whose end is no failure
    with Guard("watching the initialization"):
        _wrap(bootstrap, client)


def _wrap(bootstrap: ModuleType, module: ModuleType) -> None:
    client = module.LambdaRuntimeClient
    make_error = bootstrap.make_error

    def remembering(*args: Any, **kwargs: Any) -> Any:
        global _error  # noqa: PLW0603  # a process initializes once
        _error = sys.exc_info()[1]
        return make_error(*args, **kwargs)

    _replace(bootstrap, "make_error", remembering)
    _replace_method(client, "post_init_error", _posting)
    _replace_method(client, "report_restore_error", _posting)
    _replace_method(client, "wait_next_invocation", _waiting)
    atexit.register(_left)


def _replace_method(client: type, name: str, wrapper: Any) -> None:
    """On the class that defines it, which newer runtimes have below the client's own."""
    owner = next((one for one in client.__mro__ if name in vars(one)), None)
    if owner is not None:
        _replace(owner, name, wrapper(vars(owner)[name]))


def _replace(owner: Any, name: str, function: Any) -> None:
    _undo.append((owner, name, vars(owner)[name], function))
    setattr(owner, name, function)


def _posting(original: Any) -> Any:
    def posting(self: Any, told: Any, *args: Any, **kwargs: Any) -> Any:
        with Guard("exporting a failed initialization"):
            override = args[0] if args else kwargs.get("error_type_override")
            report(_error, told if isinstance(told, dict) else {}, override if isinstance(override, str) else "")
        return original(self, told, *args, **kwargs)

    return posting


def _waiting(original: Any) -> Any:
    def waiting(self: Any, *args: Any, **kwargs: Any) -> Any:
        with Guard("watching the initialization"):
            _initialized()
        return original(self, *args, **kwargs)

    return waiting


def _initialized() -> None:
    """INIT is over: the runtime is again as AWS made it."""
    global _error  # noqa: PLW0603
    _error = None
    atexit.unregister(_left)
    for owner, name, original, function in _undo:
        if vars(owner).get(name) is function:
            setattr(owner, name, original)
    engine = getattr(sys.modules.get("clew.engine"), "_engine", None)
    if engine is not None:
        engine.environment.started()


def _left() -> None:
    """The process ends without ever having waited for an event: something called `sys.exit`, or was interrupted."""
    with Guard("exporting a failed initialization"):
        error = getattr(sys, "last_value", None)
        kind = "" if error is not None else "Runtime.ExitError"
        report(error, {"errorType": kind, "errorMessage": "The process ended during initialization"})


def report(error: BaseException | None, told: Mapping[str, Any], kind: str = "") -> None:
    """Export the failure as a span; only the first one of a process, which is the cause of what follows.

    `told` is what the runtime reports: errorType, errorMessage and stackTrace, used for what `error` does not tell.
    Takes no longer than an export's bound.
    """
    global _reported  # noqa: PLW0603
    if _reported:
        return
    _reported = True
    from clew.environment import loading  # noqa: PLC0415  # only where something failed
    from clew.settings import read  # noqa: PLC0415  # the same

    settings = read(os.environ)
    if settings.disabled:
        return
    with loading(settings):
        from clew.init_span import export  # noqa: PLC0415  # loads OpenTelemetry's SDK

        export(settings, error, told, kind)
