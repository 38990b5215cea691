"""INIT, and SnapStart's restore."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from collector.local_lambda import failures
from collector.local_lambda.events import (
    Exited,
    ExtensionFailed,
    InitFailed,
    Ready,
    RestoreFailed,
    RestoreReady,
    SandboxEvent,
)
from collector.local_lambda.failures import Failure
from collector.local_lambda.outcome import PlatformStatus
from collector.local_lambda.sandbox import Sandbox


@dataclass(frozen=True)
class Initialized:
    """How INIT or a restore ended. The duration is milliseconds."""

    duration: float
    failure: Failure | None = None
    waits_for_restore: bool = False


def initialize(
    sandbox: Sandbox, phase: str, deadline: float, limit: float, *, is_restored: bool = False
) -> Initialized:
    """Start the processes and wait until the runtime and all extensions ask for work.

    `phase` is `init`, or `invoke` for an INIT within an invocation. `limit` is what a timeout is said to have been,
    in seconds; the deadline is a reading of `time.monotonic`. With `is_restored` a runtime that waits for its restore
    is not ready yet, because it has it already.
    """
    started = time.monotonic()
    sandbox.platform.init_start(phase)
    awaited = _Init(sandbox, is_restored=is_restored)
    sandbox.start_extensions()
    failure = None
    if sandbox.extension_names:  # the runtime starts when they have registered
        failure = awaited.until(awaited.extensions_registered, deadline, limit)
    if failure is None:
        sandbox.start_runtime()
        failure = awaited.until(awaited.runtime_ready, deadline, limit)
        sandbox.platform.init_runtime_done(phase, _status(failure))
    if failure is None:
        failure = awaited.until(awaited.all_ready, deadline, limit)
    for extension in sandbox.api.extensions.all:
        sandbox.platform.extension(extension)
    sandbox.telemetry.close_subscription()
    duration = (time.monotonic() - started) * 1000
    sandbox.platform.init_report(phase, _status(failure), duration)
    return Initialized(duration, failure, awaited.waits_for_restore)


def restore(sandbox: Sandbox, limit: float) -> Initialized:
    """Thaw a snapshot and let the runtime run what is registered for that, for up to `limit` seconds."""
    started = time.monotonic()
    sandbox.thaw()
    sandbox.platform.restore_start()
    sandbox.api.restore()
    failure: Failure | None = None
    while True:
        event = sandbox.event(started + limit)
        if isinstance(event, Ready):
            break
        if event is None:
            failure = failures.timed_out(f"Restore timed out after {limit:.2f} seconds")
        else:
            failure = _failure(event, sandbox)
        if failure is not None:
            break
    duration = (time.monotonic() - started) * 1000
    sandbox.platform.restore_report(_status(failure), duration)
    return Initialized(duration, failure)


class _Init:
    """What has happened in an INIT so far."""

    def __init__(self, sandbox: Sandbox, *, is_restored: bool) -> None:
        self.waits_for_restore = False
        self._sandbox = sandbox
        self._is_restored = is_restored
        self._is_ready = False

    def extensions_registered(self) -> bool:
        known = {extension.name for extension in self._sandbox.api.extensions.all}
        return known.issuperset(self._sandbox.extension_names)

    def runtime_ready(self) -> bool:
        return self._is_ready

    def all_ready(self) -> bool:
        return self._sandbox.api.extensions.all_wait()

    def until(self, condition: Callable[[], bool], deadline: float, limit: float) -> Failure | None:
        """Wait for it, or for a failure."""
        while not condition():
            event = self._sandbox.event(deadline)
            if event is None:
                return failures.timed_out(f"Initialization timed out after {limit:.2f} seconds")
            if isinstance(event, Ready):
                self._is_ready = True
            elif isinstance(event, RestoreReady) and not self._is_restored:
                self._is_ready = self.waits_for_restore = True
            failure = _failure(event, self._sandbox)
            if failure is not None:
                return failure
        return None


def _failure(event: SandboxEvent, sandbox: Sandbox) -> Failure | None:
    if isinstance(event, (InitFailed, RestoreFailed)):
        return failures.posted(event.payload, event.error_type)
    if isinstance(event, Exited):
        return failures.exited(event.return_code, out_of_memory=sandbox.out_of_memory)
    if isinstance(event, ExtensionFailed):
        return failures.extension_failed(event.name, event.error_type, event.reason)
    return None


def _status(failure: Failure | None) -> PlatformStatus:
    return PlatformStatus() if failure is None else failure.platform
