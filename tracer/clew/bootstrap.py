"""The decorator's own frames, and nothing else.

In a file of this name because Lambda's runtime leaves leading frames of a `/bootstrap.py` out of the stack trace that
it reports: the function's error is then the same, decorated or not.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context

from clew.contexts import SPAN_KEY, attach, current_context, detach
from clew.engine import Engine, entered, start
from clew.failures import with_traceback, without_our_frames
from clew.guard import Guard, swallow, warn_once
from clew.imports import has_instrumentations

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from clew.invocation import Invocation
    from clew.settings import Settings

TRACED = "__clew_traced__"


def wrapped(handler: Any, settings: Settings) -> Any:
    """The handler, traced; the handler itself if it is traced already or nothing to call."""
    if getattr(handler, TRACED, False) is True:
        return handler
    if isinstance(handler, (staticmethod, classmethod)):
        return type(handler)(wrapped(handler.__func__, settings))
    if isinstance(handler, type):
        call = handler.__dict__.get("__call__")
        if call is None:
            warn_once(f"{handler.__qualname__} has no __call__: nothing to trace")
        else:
            handler.__call__ = wrapped(call, settings)  # type: ignore[method-assign]  # an instance of it is the handler
        return handler
    if not callable(handler):
        warn_once(f"{type(handler).__name__} cannot be called: nothing to trace")
        return handler
    engine = start(settings)
    if has_instrumentations():
        from clew import instrumentations  # noqa: PLC0415  # 0.1 ms of INIT

        instrumentations.switch_on(settings)
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        return _async_wrapper(handler, engine, name)
    return _sync_wrapper(handler, engine, name)


class _Run:
    __slots__ = ("engine", "invocation", "span", "token")  # a NamedTuple takes 0.1 ms of INIT

    def __init__(self, engine: Engine, invocation: Invocation, token: Token[Invocation | None], span: Any) -> None:
        self.engine = engine
        self.invocation = invocation
        self.token = token
        self.span = span


def _sync_wrapper(handler: Callable[..., Any], engine: Engine, name: str) -> Callable[..., Any]:
    @functools.wraps(handler)
    def traced(*args: Any, **kwargs: Any) -> Any:
        run = _enter(engine, name, args, kwargs)
        if run is None:
            return handler(*args, **kwargs)
        try:
            try:
                result = handler(*args, **kwargs)
            except BaseException as error:
                traceback = _failed(run, error)
                raise with_traceback(error, traceback)  # noqa: B904  # the same error goes on
            _succeeded(run, result)
            return result
        finally:
            _leave(run)

    setattr(traced, TRACED, True)
    return traced


def _async_wrapper(handler: Callable[..., Any], engine: Engine, name: str) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        run = _enter(engine, name, args, kwargs)
        if run is None:
            return await handler(*args, **kwargs)
        try:
            try:
                result = await handler(*args, **kwargs)
            except BaseException as error:
                traceback = _failed(run, error)
                raise with_traceback(error, traceback)  # noqa: B904  # the same error goes on
            _succeeded(run, result)
            return result
        finally:
            _leave(run)

    setattr(traced, TRACED, True)
    return traced


def _enter(engine: Engine, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Run | None:
    """Begin an invocation; None within one, which a handler's own call of itself or of another handler is part of."""
    around = entered.get()
    if around is not None:
        if not around.over:
            return None
        _left_behind(engine, around)
    before = current_context()
    invocation = None
    try:
        usual = len(args) == 2 and not kwargs and args[1] is not None
        event, context = args if usual else _event_and_context(args, kwargs)
        invocation = engine.begin(name, event, context)
        return _Run(engine, invocation, entered.set(invocation), attach(invocation.context))
    except BaseException as error:
        _give_up(engine, invocation, before)
        swallow("beginning an invocation", error)  # but a deadline of the function's
        return None


def _give_up(engine: Engine, invocation: Invocation | None, around: Context) -> None:
    """What has begun of it is undone: its handler is not called, or not within it."""
    entered.set(None)
    attach(around)
    if invocation is not None:
        with Guard("giving up an invocation"):
            engine.give_up(invocation)


def _left_behind(engine: Engine, ended: Invocation) -> None:
    """It ended, but a deadline of the function's came while it was left: what comes next is not within it."""
    context = current_context()
    if context is ended.context:
        context = Context({key: value for key, value in context.items() if key != SPAN_KEY})
    _give_up(engine, ended, context)


def _event_and_context(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The two arguments that Lambda passes, last of all: before them may come `self`."""
    context = kwargs.get("context", kwargs.get("_context"))
    event = kwargs.get("event", kwargs.get("_event"))
    rest = list(args)
    if context is None and len(rest) > 1:
        context = rest.pop()
    if event is None and rest:
        event = rest.pop()
    return event, context


def _succeeded(run: _Run, result: Any) -> None:
    try:
        run.invocation.succeed(result)
    except BaseException as error:
        swallow("describing a result", error)


def _failed(run: _Run, error: BaseException) -> Any:
    traceback = error.__traceback__
    with Guard("leaving our frames out of a stack"):
        traceback = without_our_frames(error)
        with_traceback(error, traceback)
    with Guard("describing a failure"):
        run.invocation.fail(error)
    return traceback


def _leave(run: _Run) -> None:
    try:
        try:
            detach(run.span)
            entered.reset(run.token)
        except BaseException as error:
            swallow("leaving an invocation", error)
    finally:
        try:
            run.engine.end(run.invocation)
        except BaseException as error:
            swallow("ending an invocation", error)
