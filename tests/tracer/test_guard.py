"""What is raised in the tracer's own code: whose it is decides whether the function hears of it."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import threading
import time
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

import pytest

from clew.guard import Guard, describe
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from typing import Self


class Late(Exception):
    """As a library that limits the time of a function puts into its thread."""


class LateForGood(BaseException):
    """The same, past `except Exception`."""


class Odd:
    """Raises whatever it is made of, wherever it is touched."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error

    def __getattr__(self, name: str) -> Any:
        raise self._error


class OddError(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


ERRORS = [SystemExit(1), KeyboardInterrupt(), LateForGood(), Late(), GeneratorExit(), RecursionError(), MemoryError()]


@pytest.mark.parametrize("error", ERRORS)
def test_what_a_method_of_the_functions_raises_is_not_raised_there(
    sink: Sink, trace: Any, error: BaseException
) -> None:
    """The function did not ask for it to be called."""

    def handler(event: Any, context: Any) -> str:
        return "done"

    assert trace(handler)({"odd": Odd(error)}, Odd(error)) == "done"
    assert len(sink.spans()) == 1


def test_an_error_that_cannot_be_told_is_raised_as_it_is(sink: Sink, trace: Any) -> None:
    """Its text ends the process, for whoever asks for it: that is not us."""
    error = OddError()

    def handler(event: Any, context: Any) -> None:
        raise error

    with pytest.raises(OddError) as raised:
        trace(handler)({}, None)

    assert raised.value is error
    (span,) = sink.spans()
    assert attributes(span)["error.type"] == "OddError"
    assert span.status.message == "<unprintable OddError>"
    assert describe(error) == "OddError"


def later(action: Any) -> threading.Thread:
    def run() -> None:
        time.sleep(0.2)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait(seconds: float = 20) -> None:
    """Standard library code that takes a while: what hits the main thread meanwhile comes out of there."""
    with Guard("waiting"):
        threading.Event().wait(seconds)


@pytest.mark.parametrize("kind", [Late, LateForGood, SystemExit, KeyboardInterrupt])
def test_what_another_thread_puts_into_ours_is_raised(kind: type[BaseException]) -> None:
    """It was meant for the function, and hit our code by chance."""
    main = ctypes.c_ulong(threading.get_ident())
    thread = later(lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(kind)))
    with pytest.raises(kind):
        wait(2)  # what another thread puts in is raised when the waiting is over
    thread.join()


def test_an_interrupt_is_raised() -> None:
    """Python's own handler of SIGINT has no frame that could tell of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = later(lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            wait()
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_signals_handler_raises_is_raised() -> None:
    """Whatever its class and arguments."""

    def handle(number: int, frame: Any) -> None:
        raise ValueError("late")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        thread = later(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        with pytest.raises(ValueError, match="late"):
            wait()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_a_signals_handler_raises_during_an_import_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own frames, one of which was interrupted, are not in the traceback then."""

    class LateImport(ImportError):
        """Of these Python always leaves them out, of others in some places."""

    def late(number: int, frame: object) -> None:
        raise LateImport("too long")

    class Number(int):
        """A signal's number, which may have the attributes of a module."""

        def __new__(cls, _: ModuleSpec) -> Self:
            return super().__new__(cls, signal.SIGUSR1)

    class Loader:
        create_module = Number
        # Has no frame of its own.
        exec_module = staticmethod(functools.partial(signal.pthread_kill, threading.get_ident()))

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> ModuleSpec | None:
            return ModuleSpec(name, Loader()) if name == "interrupted" else None  # type: ignore[arg-type]  # enough of one

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    before = signal.signal(signal.SIGUSR1, late)
    try:
        with pytest.raises(LateImport), Guard("importing"):
            import interrupted  # type: ignore[import-not-found]  # noqa: F401
    finally:
        signal.signal(signal.SIGUSR1, before)
        sys.modules.pop("interrupted", None)


def test_what_goes_wrong_in_the_tracer_is_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and nothing is raised."""
    monkeypatch.setattr("clew.guard._said", set())
    for _ in range(2):
        with Guard("counting"):
            threading.Event().wait("a string")  # type: ignore[arg-type]  # the error of a library's function

    assert capfd.readouterr().err.count("clew: counting failed: TypeError") == 1
