"""Says when a running invocation is to be looked at, without a signal that is the function's.

One thread for the life of the process: starting one per invocation costs more than all else that a call of `watch`
does, and SIGALRM may be in use.
"""

from __future__ import annotations

import threading
from threading import (  # now: a function may replace them, such as by one that runs its target at once
    Thread,
    stack_size,
)
from time import time
from typing import TYPE_CHECKING

from clew.guard import Guard, describe, pass_on_signal, warn_once

if TYPE_CHECKING:
    from collections.abc import Callable


# Bytes, as the system gives by default. To read the copy of an event that is as deep as JSON may be takes 500 kB.
_STACK = 8 * 1024 * 1024


def begin(thread: Thread) -> None:
    """Start one of the tracer's threads, with room for what it does also where the function has chosen small stacks for
    its own: what finds no room there ends the process. Raises what `Thread.start` does.
    """
    chosen = stack_size(_STACK)
    if not 0 < chosen < _STACK:
        stack_size(chosen)
    try:
        thread.start()
    finally:
        stack_size(chosen)


class Deadlines:
    """Calls each watched item's `fire` when its time has come. Times are `time.time()` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # entered by itself: a Condition's way to it is twice as long
        self._condition = threading.Condition(self._lock)
        self._items: dict[object, tuple[float, Callable[[], float | None]]] = {}
        self._wakes = float("inf")
        self._thread: Thread | None = None

    def watch(self, item: object, at: float, fire: Callable[[], float | None]) -> None:
        """Have `fire` called at `at`, and again whenever it returns a time to be called next."""
        with self._lock:
            self._items[item] = (at, fire)
            if self._thread is None:
                self._wakes = at
                try:
                    thread = Thread(target=self._run, name="clew-deadline", daemon=True)
                    begin(thread)
                except Exception as error:  # such as one thread too many: the next invocation tries again
                    self._items.clear()
                    pass_on_signal(error)
                    warn_once(f"timeouts are not noticed: {describe(error)}")
                else:
                    self._thread = thread
            elif at < self._wakes:
                # To wake a thread takes up to 100 µs. It usually wakes for an earlier invocation, over or not, and then
                # looks again, so that of many short ones none but the first in half a second has to.
                self._wakes = at
                self._condition.notify()

    def forget(self, item: object) -> None:
        with self._lock:
            self._items.pop(item, None)

    def _run(self) -> None:
        while True:
            with self._condition:
                now = time()
                due = [(item, fire) for item, (at, fire) in self._items.items() if at <= now]
                if not due:
                    # Before what was promised to `watch` has come it is kept, so that the next one need not wake it.
                    promised = self._wakes if self._wakes > now else float("inf")
                    self._wakes = min((at for at, _ in self._items.values()), default=promised)
                    # Waits in steps: the clock of a frozen environment may have jumped when it is thawed.
                    self._condition.wait(min(self._wakes - now, 3600.0))
                    continue
                for item, fire in due:
                    self._items[item] = (float("inf"), fire)
            for item, fire in due:
                again = None
                with Guard("exporting a running invocation"):
                    again = fire()
                with self._condition:
                    if again is None:
                        self._items.pop(item, None)
                    elif item in self._items:  # it may have ended meanwhile
                        self._items[item] = (again, fire)


def margin(remaining: float, chosen: float | None) -> float:
    """How long before the end to export, in seconds: half a second, but a tenth of a short run."""
    if chosen is not None:
        return min(chosen, remaining)
    return min(0.5, remaining / 10)
