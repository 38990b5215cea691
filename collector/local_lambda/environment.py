"""One execution environment: INIT, one invocation at a time, the freeze between them, SHUTDOWN."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from collector.local_lambda import identifiers
from collector.local_lambda.events import Answered, Call, InvocationRequest
from collector.local_lambda.failures import Failure
from collector.local_lambda.function import InitializationType, LocalFunction
from collector.local_lambda.function_log import FunctionLog, LogStream
from collector.local_lambda.initialization import Initialized, initialize, restore
from collector.local_lambda.layers import LayerRoot
from collector.local_lambda.outcome import FunctionError, InvocationOutcome, Response, Status
from collector.local_lambda.run import Run, run
from collector.local_lambda.sandbox import Sandbox


class Environment:
    """Initialised by `prepare` or with its first invocation, and kept for the next ones.

    After a timeout, a crash or a failed INIT the next invocation begins with an INIT of its own, in the invocation's
    time ("suppressed init"). `usable` ends with `close` and `kill`.
    With `freeze` the processes stand still between two invocations, as Lambda's do.
    """

    def __init__(self, function: LocalFunction, layers: LayerRoot, log: FunctionLog, *, freeze: bool = False) -> None:
        self.function = function
        self.usable = True
        self.invocations = 0
        self._layers = layers
        self._stream = LogStream(log, identifiers.log_stream(function.version))
        self._freeze = freeze
        self._sandbox: Sandbox | None = None
        self._init_duration: float | None = None  # not yet in any REPORT
        self._must_restore = False
        self._is_reset = False
        self._is_cold = True

    def prepare(self) -> None:
        """Initialise it ahead of its first invocation, as Lambda does for provisioned concurrency and SnapStart."""
        if self._sandbox is None and not self._is_reset:
            self._initialize_first()
            self._stand()

    def invoke(self, call: Call, on_response: Callable[[Response], None] | None = None) -> InvocationOutcome:
        """Run one invocation and wait for its end; whatever the function does, this returns an outcome.

        `on_response` is called as soon as the caller's response is known, extensions may be busy still.
        """
        answer = _Answer(call.request_id, on_response)
        if self._sandbox is None and not self._is_reset:
            self._initialize_first()
        sandbox, restored = self._wake()
        failure = restored.failure if restored is not None else None
        limit = self.function.timeout
        init_started: float | None = None
        if sandbox is None:
            init_started = time.monotonic()
            sandbox = self._new_sandbox()
            failure = self._initialize(sandbox, "invoke", init_started + limit).failure
        sandbox.platform.start(call)
        self.invocations += 1
        started = init_started or time.monotonic()
        if failure is not None:
            done = Run(started, failure=failure)
        else:
            request = self._request(call, started + limit)
            done = run(sandbox, request, answer.give, started=started, deadline=started + limit, limit=limit)
        return self._finish(sandbox, call, done, None if restored is None else restored.duration, answer)

    def kill(self) -> None:
        """End the processes at once, from any thread: an invocation under way returns that they exited."""
        self.usable = False
        sandbox = self._sandbox
        if sandbox is not None:
            sandbox.kill()

    def close(self) -> None:
        """End the processes by the rules of SHUTDOWN; may be called more than once."""
        self.usable = False
        self._shutdown("spindown")

    def _new_sandbox(self) -> Sandbox:
        self._sandbox = sandbox = Sandbox(self.function, self._layers, self._stream)
        if not self.usable:  # killed meanwhile
            sandbox.kill()
        return sandbox

    def _initialize_first(self) -> None:
        deadline = time.monotonic() + self.function.initialization_timeout
        initialized = self._initialize(self._new_sandbox(), "init", deadline)
        if initialized.failure is not None:
            self._reset(initialized.failure.shutdown_reason)
            return
        if self.function.initialization_type is InitializationType.ON_DEMAND:
            self._init_duration = initialized.duration
        self._is_cold = self.function.initialization_type is not InitializationType.PROVISIONED_CONCURRENCY
        self._must_restore = initialized.waits_for_restore
        if self._must_restore:
            self._stand()  # a snapshot is taken now

    def _initialize(self, sandbox: Sandbox, phase: str, deadline: float) -> Initialized:
        """INIT. Within an invocation there is nothing to restore, so that a runtime that waits for it goes on."""
        if phase == "invoke":
            sandbox.api.restore()
            return initialize(sandbox, phase, deadline, self.function.timeout, is_restored=True)
        return initialize(sandbox, phase, deadline, self.function.initialization_timeout)

    def _wake(self) -> tuple[Sandbox | None, Initialized | None]:
        """Let the processes go on, if there are any: (they, how a restore went, if that was due)."""
        sandbox = self._sandbox
        if sandbox is None:
            return None, None
        if not self._must_restore:
            sandbox.thaw()
            return sandbox, None
        self._must_restore = False
        return sandbox, restore(sandbox, self.function.initialization_timeout)

    def _request(self, call: Call, deadline: float) -> InvocationRequest:
        deadline_ms = math.floor((time.time() + deadline - time.monotonic()) * 1000)
        return InvocationRequest(call, deadline_ms, self.function.arn)

    def _finish(
        self, sandbox: Sandbox, call: Call, done: Run, restore_duration: float | None, answer: _Answer
    ) -> InvocationOutcome:
        """Tell the caller, write the end of the log, and freeze or reset."""
        duration = ((done.ended or time.monotonic()) - done.started) * 1000
        memory = sandbox.max_memory_used()
        if done.failure is not None and done.answered is None:
            answer.give_failure(done.failure)
        if done.failure is not None and done.failure.posted is None:
            moment = f"{identifiers.iso_time()} {call.request_id} " if _is_timeout(done.failure) else ""
            error = "" if _is_timeout(done.failure) else f"RequestId: {call.request_id} Error: "
            sandbox.platform.failure(f"{moment}{error}{done.failure.reason}")
        response = answer.response
        outcome = InvocationOutcome(
            function_name=self.function.name,
            request_id=call.request_id,
            status=answer.status,
            payload=response.payload,
            error=response.error,
            response_time=done.response_time,
            duration=duration,
            init_duration=self._init_duration,
            restore_duration=restore_duration,
            cold_start=self._is_cold,
            max_memory_used=memory,
            memory_size=self.function.memory,
            platform=done.platform,
            trace_header=call.trace_header,
        )
        self._init_duration, self._is_cold = None, False
        sandbox.platform.report(call, outcome, done.report_spans())
        if done.failure is None:
            self._stand()
        else:
            self._reset(done.failure.shutdown_reason)
        return outcome.with_log(self._stream.take())

    def _stand(self) -> None:
        """Between two invocations."""
        if self._sandbox is None:
            return
        if self._freeze or self._must_restore:
            self._sandbox.freeze()
        else:
            self._sandbox.rest()

    def _reset(self, reason: str) -> None:
        """End the processes; the next invocation starts new ones in its own time."""
        self._shutdown(reason)
        self._is_reset, self._is_cold, self._must_restore = True, True, False

    def _shutdown(self, reason: str) -> None:
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.shutdown(reason)


class _Answer:
    """What the caller is told, as soon as it is known and once."""

    def __init__(self, request_id: str, on_response: Callable[[Response], None] | None) -> None:
        self.status = Status.SUCCESS
        self._request_id = request_id
        self._on_response = on_response
        self._response: Response | None = None

    @property
    def response(self) -> Response:
        assert self._response is not None  # noqa: S101 - every way through an invocation gives one
        return self._response

    def give(self, answered: Answered) -> None:
        error = None if answered.error_type is None else FunctionError.from_payload(answered.payload)
        self.status = Status.SUCCESS if error is None else Status.ERROR
        payload = answered.payload if error is None else error.to_payload()
        self._give(Response(self._request_id, payload, error))

    def give_failure(self, failure: Failure) -> None:
        error = failure.error(self._request_id)
        self.status = failure.status
        self._give(Response(self._request_id, error.to_payload(), error))

    def _give(self, response: Response) -> None:
        self._response = response
        if self._on_response is not None:
            self._on_response(response)


def _is_timeout(failure: Failure) -> bool:
    return failure.status is Status.TIMEOUT
