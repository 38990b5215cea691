"""Notices SIGTERM, by which Lambda announces that the environment ends to a process with an extension.

Python runs a signal's handler in the main thread, which sits in the runtime's native client then. But its C part writes
the signal's number to a file, at once and from whatever thread: that is what the extension's thread waits for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from clew.guard import Guard

if TYPE_CHECKING:
    from types import FrameType

NUMBER = int(signal.SIGTERM)


class Shutdown:
    """`wake` is a file that does not block and that gets the byte `NUMBER`."""

    def __init__(self, wake: int) -> None:
        self._wake = wake
        self._installed = False
        self._before = threading.local()

    def watch(self) -> None:
        """Only where nothing else does: a handler of the function's stays the only one. In the main thread.

        To be called again between invocations: asyncio takes the file for itself, and leaves none behind.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        with Guard("watching for the end of the environment"):
            handler = signal.getsignal(NUMBER)
            if handler is not signal.SIG_DFL and handler != self._handle:
                return
            before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
            if before not in {-1, self._wake}:  # somebody else is told of signals by it
                signal.set_wakeup_fd(before)
            if handler is signal.SIG_DFL and not self._installed:
                signal.signal(NUMBER, self._handle)
                self._installed = True
                os.register_at_fork(before=self._hold, after_in_parent=self._release, after_in_child=self._release)

    def _handle(self, number: int, frame: FrameType | None) -> Any:  # noqa: ARG002  # what a handler gets
        with contextlib.suppress(OSError):
            os.write(self._wake, bytes((NUMBER,)))

    def end(self) -> None:
        """End the process as the signal would have without us; nothing if the function watches for it by now."""
        if self._installed and signal.getsignal(NUMBER) == self._handle:
            os._exit(128 + NUMBER)

    def _hold(self) -> None:
        """A child has the same file: one that got the signal before `after_fork` would end its parent by it."""
        if self._installed:
            self._before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {NUMBER})

    def _release(self) -> None:
        mask = getattr(self._before, "mask", None)
        if mask is not None:
            self._before.mask = None
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def after_fork(self) -> None:
        """A child is none that Lambda knows: `Process.terminate` of multiprocessing ends it at once, as without us."""
        if not self._installed:
            return
        self._installed = False
        with contextlib.suppress(ValueError, OSError):
            signal.set_wakeup_fd(-1)
            if signal.getsignal(NUMBER) == self._handle:
                signal.signal(NUMBER, signal.SIG_DFL)
