"""`clew.span`: a span of the function's own."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from clew.guard import Guard, warn_once
from clew.settings import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from clew.span_entry import SpanEntry

_Function = TypeVar("_Function", bound="Callable[..., Any]")

# inspect's flags of code: its module takes 10 ms of INIT, also of a function whose tracing is off.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
_disabled: bool | None = None


@overload
def span(name: str, /, **attributes: Any) -> Span: ...


@overload
def span(name: _Function, /) -> _Function: ...


def span(name: Any, /, **attributes: Any) -> Any:
    """A step of the invocation, with its duration: `with clew.span("resize", width=80):`.

    As a decorator, `@clew.span("resize")` on a function, a coroutine function, a generator or an asynchronous generator
    makes each call a span; plain `@clew.span` takes the function's name. It is a child of the span around it. Values
    that are no text, numbers, booleans or lists of these become JSON; all are masked and cut like payloads. An
    exception that leaves it makes it fail, and goes on unchanged. Where no invocation runs it does nothing, unless the
    function has set up OpenTelemetry itself: then it is a span of that.
    """
    if callable(name):
        return Span(str(getattr(name, "__qualname__", type(name).__qualname__)), {})(name)
    return Span(str.__str__(name) if issubclass(type(name), str) else type(name).__name__, attributes)


class Span:
    """What `clew.span` returns. It can be entered again, also by other threads and tasks: each time is a span."""

    __slots__ = ("_attributes", "_entered", "_name")

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self._name = name
        self._attributes = attributes
        self._entered: list[SpanEntry] = []

    def set_attribute(self, key: str, value: Any) -> None:
        """Give the span an attribute more. Does nothing before it is entered and after it is left."""
        with Guard("setting an attribute"):
            if self._entered:
                self._entered[self._innermost()].set_attribute(key, value)

    def __enter__(self) -> Self:
        with Guard("beginning a span"):
            entry = _begin(self._name, self._attributes)
            if entry is not None:
                self._entered.append(entry)
                entry.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._entered:
            with Guard("ending a span"):
                self._entered.pop(self._innermost()).end(error)

    def _innermost(self) -> int:
        """Which of the spans that are entered is the current one; the last, if none is."""
        for number in range(len(self._entered) - 1, 0, -1):
            if self._entered[number].current:
                return number
        return -1 if len(self._entered) < 2 or not self._entered[0].current else 0

    def __call__(self, function: _Function) -> _Function:
        """Make every call of the function a span."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type):
            warn_once(f"{function.__qualname__} is a class: clew.span is for its methods")
            return function
        if _is_disabled():
            return function
        flags = _flags(function)
        if flags & _ASYNC_GENERATOR:
            wrapper: Any = _async_steps
        elif flags & _GENERATOR:
            wrapper = _steps
        else:
            wrapper = _coroutine if flags & _COROUTINE else _call
        spanned: Any = functools.wraps(function)(wrapper(function, self._name, self._attributes))
        return cast("_Function", spanned)


def _begin(name: str, attributes: dict[str, Any]) -> SpanEntry | None:
    from clew.span_entry import begin  # noqa: PLC0415  # 0.1 ms of INIT, for functions that have spans of their own

    return begin(name, attributes)


def _is_disabled() -> bool:
    global _disabled  # noqa: PLW0603  # read once: it takes 60 µs
    if _disabled is None:
        _disabled = False
        with Guard("reading the settings"):
            _disabled = read(os.environ).disabled
    return _disabled


def _flags(function: Any) -> int:
    """What kind of function it is; that of a bound method's, a partial's or a callable object's own."""
    for _ in range(10):
        inner = getattr(function, "__func__", None) or (
            function.func if isinstance(function, functools.partial) else None
        )
        if inner is None:
            break
        function = inner
    code = getattr(function, "__code__", None)
    if code is None and callable(function):
        code = getattr(type(function).__call__, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    return flags if isinstance(flags, int) else 0


def _call(function: Callable[..., Any], name: str, attributes: dict[str, Any]) -> Callable[..., Any]:
    def spanned(*args: Any, **kwargs: Any) -> Any:
        with Span(name, attributes):
            return function(*args, **kwargs)

    return spanned


def _coroutine(function: Callable[..., Any], name: str, attributes: dict[str, Any]) -> Callable[..., Any]:
    async def spanned(*args: Any, **kwargs: Any) -> Any:
        with Span(name, attributes):
            return await function(*args, **kwargs)

    return spanned


# A generator's span is the current one while the generator runs, and not while its caller goes on with an item.


def _steps(function: Callable[..., Any], name: str, attributes: dict[str, Any]) -> Callable[..., Any]:
    def spanned(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        step = generator.__next__
        given: tuple[Any, ...] = ()
        span = _Paused(name, attributes)
        try:
            while True:
                with span:
                    try:
                        item = step(*given)
                    except StopIteration as end:
                        return end.value
                try:
                    step, given = generator.send, ((yield item),)
                except GeneratorExit:
                    with span:
                        generator.close()
                    raise
                except BaseException as thrown:
                    step, given = generator.throw, (thrown,)
        except BaseException as error:
            span.failed(error)
            raise
        finally:
            span.end()

    return spanned


def _async_steps(function: Callable[..., Any], name: str, attributes: dict[str, Any]) -> Callable[..., Any]:
    async def spanned(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        step = generator.__anext__
        given: tuple[Any, ...] = ()
        span = _Paused(name, attributes)
        try:
            while True:
                with span:
                    try:
                        item = await step(*given)
                    except StopAsyncIteration:
                        return
                try:
                    step, given = generator.asend, ((yield item),)
                except GeneratorExit:
                    with span:
                        await generator.aclose()
                    raise
                except BaseException as thrown:
                    step, given = generator.athrow, (thrown,)
        except BaseException as error:
            span.failed(error)
            raise
        finally:
            span.end()

    return spanned


class _Paused:
    """A span that is current only while this is entered, and lasts until `end`."""

    __slots__ = ("_entry", "_error")

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self._entry: SpanEntry | None = None
        self._error: BaseException | None = None
        with Guard("beginning a span"):
            self._entry = _begin(name, attributes)

    def __enter__(self) -> None:
        if self._entry is not None:
            with Guard("going on with a span"):
                self._entry.attach()

    def __exit__(self, *_: object) -> None:
        if self._entry is not None:
            with Guard("pausing a span"):
                self._entry.detach()

    def failed(self, error: BaseException) -> None:
        self._error = error

    def end(self) -> None:
        error, self._error = self._error, None
        if self._entry is not None:
            with Guard("ending a span"):
                self._entry.end(error)
