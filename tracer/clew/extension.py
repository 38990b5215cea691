"""An internal extension: a thread of the function's process that Lambda waits for before it freezes the environment.

Lambda freezes an environment once the runtime and every extension have asked for the next event. This one asks when the
export of the invocation is done, and the export begins when the response has been posted, so that no caller waits for
it. One thread does it all, on one `poll`: the exports, the asking, what the Telemetry API posts, and the end.

Between asking and the end of the next invocation the thread has nothing to do. It is not even woken when that begins,
because it reads its own INVOKE event after the export: nothing competes with the handler for the interpreter's lock.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import threading
from collections import deque
from time import monotonic, sleep, time  # now: a function may replace them
from typing import TYPE_CHECKING

from clew.deadline import begin
from clew.extensions_api import ExtensionsApi
from clew.guard import Guard, describe, pass_on_signal, warn_once
from clew.platform_reports import PlatformReports
from clew.runtime_loop import RuntimeLoop
from clew.shutdown import NUMBER, Shutdown
from clew.telemetry import TelemetryListener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.engine import Engine
    from clew.invocation import Invocation
    from clew.settings import Settings

_NAME = "clew"
_WAKE = b"\0"
# An extension's time counts to the function's timeout: this much of it, in seconds, is left to Lambda.
_RESERVE = 0.1
_FIRST_RETRY = 0.05
_LONGEST_RETRY = 1.0
# Of the 500 ms that Lambda gives a process at its end: to wait for the last report, and to export it.
_LAST_REPORT = 0.15
_LAST_EXPORT = 0.2


def join(engine: Engine, settings: Settings, environ: Mapping[str, str]) -> Extension | None:
    """Register, where that can be; None where exports are made before the response. To be called in INIT."""
    address = environ.get("AWS_LAMBDA_RUNTIME_API")
    if not address or environ.get("AWS_LAMBDA_MAX_CONCURRENCY"):
        return None  # on Managed Instances no extension hears of invocations, and nothing is frozen
    extension = Extension(engine, address, telemetry=settings.telemetry)
    try:
        extension.start()
    except Exception as error:  # the process may also have no room for a thread or a file more
        pass_on_signal(error)
        extension.abandon()
        warn_once(f"exports are made before the response: {describe(error)}")
        return None
    atexit.register(extension.flush)
    return extension


class Extension:
    """`submit` takes what is to be exported after the response."""

    def __init__(self, engine: Engine, address: str, *, telemetry: bool) -> None:
        self._engine = engine
        self._api = ExtensionsApi(address)
        self._telemetry = telemetry
        self._listener: TelemetryListener | None = None
        self.reports = PlatformReports()
        self._jobs: deque[Invocation] = deque()
        self._poll = select.poll()
        self._woken, self._wake = os.pipe()
        self._shutdown = Shutdown(self._wake)
        self._registered = threading.Event()
        self._serving = False  # the thread asks for events, so that Lambda waits for it
        self._waits = 0  # how often the runtime has asked for an event
        self._within = False  # the runtime has an event, and will ask for the next one when it has posted the response
        self._lost = False  # something took our place in the runtime, which tells nothing any more
        self._asked = False
        self._heard = False  # an event was read, and Lambda waits for our asking
        self._due = 0  # the number of the invocation whose event was asked for
        self._until = 0.0  # by when to ask again at the latest, a `time.time()` second
        self._watched = -1  # the file of the API that `poll` knows
        self._retry = _FIRST_RETRY

    def start(self) -> None:
        """Register and begin to serve.

        Raises OSError if Lambda refuses, LookupError if the runtime does not tell when a response was posted,
        RuntimeError if there is no thread to be had.
        """
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)
        self._poll.register(self._woken, select.POLLIN)
        self._loop = RuntimeLoop(self._idle, self._busy)
        # Before it is registered: from then on Lambda waits for what only this thread does.
        thread = threading.Thread(target=self._run, name="clew-extension", daemon=True)
        begin(thread)
        try:
            if thread.native_id == threading.get_native_id():
                raise RuntimeError("threads are none of the system's")  # gevent's never run while the runtime waits
            self._api.register(_NAME)
            self._serving = True
        finally:
            self._registered.set()

    def begin(self, invocation: Invocation) -> None:
        """An invocation begins."""
        self.reports.begin(invocation)
        if self._waits and not self._within and not self._lost:
            # Something took our place in the runtime, or a thread calls a handler while the runtime waits.
            self._lost = True
            self._signal()

    def submit(self, invocation: Invocation) -> bool:
        """Have it exported after the response; False if it has to be now."""
        if not (self._serving and self._within):
            return False
        if not self._loop.wrap():
            self._lost = True
            self._signal()
            return False
        self._jobs.append(invocation)
        return True

    def flush(self) -> None:
        """Export what was submitted, in the calling thread: the process ends in order, without another event."""
        while self._jobs:
            self._export()

    def abandon(self) -> None:
        """Let go of everything, in a forked child: it belongs to the parent."""
        self._serving = False
        self._jobs.clear()
        self._shutdown.after_fork()
        self._api.abandon()
        if self._listener is not None:
            self._listener.abandon()
        for descriptor in (self._woken, self._wake):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._woken = self._wake = -1

    def _idle(self) -> None:
        """The runtime asks for the next event: the response of the last one is posted."""
        if self._waits and not self._within:
            return
        self._within = False
        self._waits += 1
        if self._waits > 1:
            self._signal()
        if self._telemetry and self._serving:
            self._shutdown.watch()  # not before: now the function has set up what it wants

    def _busy(self) -> None:
        self._within = True
        self._lost = False

    @property
    def _finished(self) -> int:
        """How many invocations the runtime is done with."""
        return max(0, self._waits - 1)

    def _signal(self) -> None:
        if self._wake >= 0:
            with contextlib.suppress(OSError):  # full: it wakes anyway
                os.write(self._wake, _WAKE)

    # What follows runs in the extension's thread.

    def _run(self) -> None:
        self._registered.wait()
        if not self._serving:
            return
        if self._telemetry:
            with contextlib.suppress(BaseException):
                self._subscribe()
        while True:
            try:
                self._turn()
                self._retry = _FIRST_RETRY
            except BaseException as error:  # noqa: PERF203  # whatever it is: if nothing asks any more, Lambda hangs
                self._recover(error)

    def _subscribe(self) -> None:
        """INIT lasts until the first asking, and with it the time for this."""
        try:
            self._listener = TelemetryListener(self._poll, self.reports.receive)
            self._api.subscribe(self._listener.port)
        except Exception as error:
            warn_once(f"Lambda's reports are not forwarded: {describe(error)}")

    def _recover(self, error: BaseException) -> None:
        with contextlib.suppress(BaseException):
            warn_once(f"the extension failed: {describe(error)}")
        self._serving = self._asked = self._heard = False
        with contextlib.suppress(BaseException):
            self._unwatch_api()
            self._api.close()
            self.flush()
        sleep(self._retry)
        self._retry = min(self._retry * 2, _LONGEST_RETRY)

    def _turn(self) -> None:
        if not self._asked:
            self._ask()
        timeout = max(0.0, self._until - time()) * 1000 if self._heard else None
        ready = self._poll.poll(timeout)
        if self._heard and time() >= self._until:
            self._asked = False  # the invocation's time is up
        for descriptor, _ in ready:
            if descriptor == self._woken:
                self._wake_up()
            elif descriptor == self._watched:
                self._hear()
            elif self._listener is not None:
                self._listener.serve(descriptor)

    def _ask(self) -> None:
        self._heard = False
        self._unwatch_api()
        self._due = self._finished + self._within + 1
        self._api.ask()
        self._asked = True
        if not self._serving or self._lost:
            self._watch_api()  # not only after the next invocation, of which nothing may tell
        self._serving = True

    def _wake_up(self) -> None:
        signals = os.read(self._woken, 4096)
        self.flush()
        if NUMBER in signals:
            self._end()
        if self._heard:
            self._asked = self._finished < self._due
        else:
            self._watch_api()

    def _hear(self) -> None:
        """Read the event of an invocation, and ask for the next one if the runtime is done with it."""
        self._unwatch_api()
        event = self._api.event()
        if self._finished >= self._due or self._lost:
            self.flush()
            self._asked = False
            return
        self._heard = True
        deadline = event.get("deadlineMs")
        left = deadline / 1000 - time() if isinstance(deadline, (int, float)) else 0.0
        self._until = time() + max(0.0, left - min(_RESERVE, left / 2))

    def _watch_api(self) -> None:
        if self._asked and not self._heard and self._watched < 0:
            self._watched = self._api.fileno()
            self._poll.register(self._watched, select.POLLIN)

    def _unwatch_api(self) -> None:
        if self._watched >= 0:
            self._poll.unregister(self._watched)
            self._watched = -1

    def _export(self) -> None:
        with contextlib.suppress(IndexError):  # another thread was faster
            invocation = self._jobs.popleft()
            with Guard("exporting an invocation"):
                left = invocation.left
                invocation.finish(left - min(_RESERVE, left / 2) if left > 0 else 0.0)

    def _end(self) -> None:
        """SIGTERM: wait a moment for the last report, export what there is, and let the process end."""
        with Guard("exporting at the end"):
            self._unwatch_api()
            end = monotonic() + (0.0 if self._within else _LAST_REPORT)
            while self._listener is not None and not self.reports.complete and (left := end - monotonic()) > 0:
                for descriptor, _ in self._poll.poll(left * 1000):
                    if descriptor == self._woken:
                        os.read(self._woken, 4096)
                    else:
                        self._listener.serve(descriptor)
            records = self.reports.take()
            if records:
                self._engine.export_now([], records, _LAST_EXPORT)
        self._shutdown.end()
