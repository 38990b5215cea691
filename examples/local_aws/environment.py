"""One execution environment: runs a function's invocations, one at a time, and kills it at the timeout."""

from __future__ import annotations

import math
import signal
import time

from examples.local_aws import identifiers
from examples.local_aws.function import FunctionError, InvocationOutcome, LocalFunction, Status
from examples.local_aws.function_log import FunctionLog
from examples.local_aws.runtime_api import Answered, Exited, InitFailed, InvocationRequest, Ready
from examples.local_aws.runtime_process import RuntimeProcess


class Environment:
    """Starts its process with the first invocation and keeps it for the next ones.

    An environment that timed out, exited or could not be initialised is `usable` no more.
    With `freeze`, the process stands still between two invocations, as Lambda's does.
    """

    def __init__(self, function: LocalFunction, log: FunctionLog, *, freeze: bool = False) -> None:
        self.function = function
        self.usable = True
        self.invocations = 0
        self._log = log
        self._freeze = freeze
        self._runtime: RuntimeProcess | None = None

    def invoke(self, request_id: str, payload: bytes, client_context: str | None = None) -> InvocationOutcome:
        """Run one invocation and wait for its end; whatever the function does, this returns an outcome."""
        runtime = self._runtime
        init_duration: float | None = None
        init_error: FunctionError | None = None
        if runtime is None:
            runtime, init_duration, init_error = self._initialize(request_id)
        elif self._freeze:
            runtime.signal(signal.SIGCONT)
        runtime.output.platform(f"START RequestId: {request_id} Version: {self.function.version}")
        self.invocations += 1
        started = time.monotonic()
        answer = init_error or self._run(runtime, request_id, payload, client_context)
        duration = (time.monotonic() - started) * 1000
        memory = runtime.max_memory_used()
        if not self.usable:
            runtime.signal(signal.SIGKILL)
        error = answer if isinstance(answer, FunctionError) else None
        status = _status(error)
        if status is Status.TIMEOUT and error is not None:
            reason = error.message.partition("Error: ")[2]
            runtime.output.platform(f"{identifiers.iso_time()} {request_id} {reason}")
        elif status is Status.EXIT and error is not None:
            runtime.output.platform(error.message)
        runtime.output.platform(f"END RequestId: {request_id}")
        outcome = InvocationOutcome(
            function_name=self.function.name,
            request_id=request_id,
            status=status,
            payload=answer.to_payload() if isinstance(answer, FunctionError) else answer,
            error=error,
            duration=duration,
            init_duration=init_duration,
            max_memory_used=memory,
            memory_size=self.function.memory,
        )
        runtime.output.platform(outcome.report_line())
        outcome = outcome.with_log(runtime.output.take())
        if not self.usable:
            self.close()
        elif self._freeze:
            runtime.signal(signal.SIGSTOP)
        return outcome

    def kill(self) -> None:
        """End the process at once, from any thread: an invocation under way returns that it exited."""
        self.usable = False
        runtime = self._runtime
        if runtime is not None:
            runtime.signal(signal.SIGKILL)

    def close(self) -> None:
        """End the process and all it started; may be called more than once."""
        self.usable = False
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def _initialize(self, request_id: str) -> tuple[RuntimeProcess, float, FunctionError | None]:
        """Start the process and wait until it asks for work: (it, milliseconds it took, what went wrong)."""
        started = time.monotonic()
        self._runtime = runtime = RuntimeProcess(self.function, self._log)
        if not self.usable:  # killed while it was being started
            runtime.signal(signal.SIGKILL)
        error: FunctionError | None = None
        match runtime.event(started + self.function.initialization_timeout):
            case Ready():
                pass
            case InitFailed(payload):
                error = FunctionError.from_payload(payload)
            case Exited(code):
                error = _exit_error(request_id, code)
            case _:
                seconds = self.function.initialization_timeout
                error = _timeout_error(request_id, f"Initialization timed out after {seconds:.2f} seconds")
        if error is not None:
            self.usable = False
        return runtime, (time.monotonic() - started) * 1000, error

    def _run(
        self, runtime: RuntimeProcess, request_id: str, payload: bytes, client_context: str | None
    ) -> bytes | FunctionError:
        timeout = self.function.timeout
        deadline = time.monotonic() + timeout
        runtime.api.hand_over(
            InvocationRequest(
                request_id,
                payload,
                math.floor((time.time() + timeout) * 1000),
                self.function.arn,
                identifiers.trace_header(),
                client_context,
            )
        )
        answer: bytes | FunctionError | None = None
        while True:
            match runtime.event(deadline):
                case Answered(body, None):
                    answer = body
                case Answered(body, _):
                    answer = FunctionError.from_payload(body)
                case Ready() if answer is not None:  # the invocation ends when the runtime asks for the next one
                    return answer
                case Exited(code):
                    self.usable = False
                    return _exit_error(request_id, code) if answer is None else answer
                case None:
                    self.usable = False
                    reason = f"Task timed out after {timeout:.2f} seconds"
                    return _timeout_error(request_id, reason) if answer is None else answer
                case _:
                    continue


def _timeout_error(request_id: str, reason: str) -> FunctionError:
    return FunctionError("Sandbox.Timedout", f"RequestId: {request_id} Error: {reason}")


def _exit_error(request_id: str, code: int) -> FunctionError:
    if code == 0:
        reason = "Runtime exited without providing a reason"
    elif code < 0:
        reason = f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    else:
        reason = f"Runtime exited with error: exit status {code}"
    return FunctionError("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")


def _status(error: FunctionError | None) -> Status:
    if error is None:
        return Status.SUCCESS
    return {"Sandbox.Timedout": Status.TIMEOUT, "Runtime.ExitError": Status.EXIT}.get(error.type, Status.ERROR)
