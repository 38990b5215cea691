"""One invocation within an environment, from handing it over until everybody has asked for the next event."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from collector.local_lambda import failures
from collector.local_lambda.events import Answered, Exited, ExtensionFailed, ExtensionReady, InvocationRequest, Ready
from collector.local_lambda.extensions import Extension
from collector.local_lambda.failures import Failure
from collector.local_lambda.outcome import PlatformStatus
from collector.local_lambda.platform_log import Span
from collector.local_lambda.sandbox import Sandbox


@dataclass
class Run:
    """What happened. `failure` may come after `answered`: an extension that was still busy at the deadline."""

    started: float  # as time.monotonic, like all moments here
    answered: Answered | None = None
    ready: float | None = None  # the runtime asked for the next invocation
    ended: float | None = None  # and so had every extension
    failure: Failure | None = None
    extensions: Sequence[Extension] = field(default=())

    @property
    def platform(self) -> PlatformStatus:
        return PlatformStatus() if self.failure is None else self.failure.platform

    @property
    def response_time(self) -> float | None:
        """Milliseconds."""
        return None if self.answered is None else (self.answered.at - self.started) * 1000

    def runtime_spans(self) -> list[Span]:
        if self.answered is None:
            return []
        spans: list[Span] = [
            ("responseLatency", self.started, self.answered.began),
            ("responseDuration", self.answered.began, self.answered.at),
        ]
        return spans if self.ready is None else [*spans, ("runtimeOverhead", self.answered.at, self.ready)]

    def report_spans(self) -> list[Span]:
        if not self.extensions or self.ready is None or self.ended is None:
            return []
        return [("extensionOverhead", self.ready, self.ended)]


def run(
    sandbox: Sandbox,
    request: InvocationRequest,
    on_answer: Callable[[Answered], None],
    *,
    started: float,
    deadline: float,
    limit: float,
) -> Run:
    """Hand the request over and wait for the end, or the deadline.

    `limit` is what the timeout is said to have been, in seconds.
    """
    state = Run(started)
    state.extensions = sandbox.hand_over(request)
    latest = started
    while not (state.answered and state.ready and all(extension.waits for extension in state.extensions)):
        event = sandbox.event(deadline)
        if isinstance(event, Answered):
            state.answered = event
            on_answer(event)
        elif isinstance(event, Ready):
            state.ready = event.at
            latest = max(latest, event.at)
            _tell_done(sandbox, request, state, event.at)
        elif isinstance(event, ExtensionReady):
            latest = max(latest, event.at)
        elif isinstance(event, Exited):
            state.failure = failures.exited(event.return_code, out_of_memory=sandbox.out_of_memory)
        elif isinstance(event, ExtensionFailed):
            state.failure = failures.extension_failed(event.name, event.error_type, event.reason)
        elif event is None:
            state.failure = failures.timed_out(f"Task timed out after {limit:.2f} seconds")
        if state.failure is not None:
            if state.ready is None:
                _tell_done(sandbox, request, state, time.monotonic())
            return state
    state.ended = latest
    return state


def _tell_done(sandbox: Sandbox, request: InvocationRequest, state: Run, at: float) -> None:
    duration = (at - state.started) * 1000
    sandbox.platform.runtime_done(request.call, state.platform, duration, state.answered, state.runtime_spans())
