"""Lambda itself: functions, their environments, and the queues of what is to be run asynchronously."""

from __future__ import annotations

import errno
import json
import queue
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Lock, Thread
from types import TracebackType
from typing import Any, Self

from examples.local_aws.environment import Environment
from examples.local_aws.function import InvocationOutcome, LocalFunction, Status
from examples.local_aws.function_log import FunctionLog


class FunctionNotFoundError(Exception):
    """No function of that name was added."""


class TooManyRequestsError(Exception):
    """Every environment that the function may have is busy."""

    def __init__(self) -> None:
        super().__init__("Rate Exceeded.")


@dataclass(slots=True)
class _QueuedEvent:
    payload: bytes
    request_id: str
    attempt: int = 0


@dataclass(slots=True)
class _Deployment:
    """A function with its environments; `free` is a stack, so that the one used last is warm and used next."""

    function: LocalFunction
    log: FunctionLog
    free: list[Environment] = field(default_factory=list)
    busy: set[Environment] = field(default_factory=set)
    changed: Condition = field(default_factory=Condition)
    queue: queue.SimpleQueue[_QueuedEvent | None] = field(default_factory=queue.SimpleQueue)
    workers: list[Thread] = field(default_factory=list)


class LocalLambda:
    """Runs functions as Lambda does. Safe to use from many threads; closing it ends every process it started.

    `on_outcome` is called, on the thread that ran the invocation, with the outcome of every attempt.
    """

    def __init__(
        self,
        log_directory: Path,
        *,
        on_outcome: Callable[[InvocationOutcome], None] | None = None,
        freeze: bool = False,
    ) -> None:
        self._log_directory = log_directory
        self._on_outcome = on_outcome
        self._freeze = freeze
        self._deployments: dict[str, _Deployment] = {}
        self._state = Condition(Lock())
        self._accepted = 0
        self._pending = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, function: LocalFunction) -> None:
        """Make a function known; it starts with its first invocation.

        Raises:
            NotADirectoryError: its code is not there.
        """
        if not function.code.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "No directory with the function's code", str(function.code))
        deployment = _Deployment(function, FunctionLog(self._log_directory / f"{function.name}.log"))
        for number in range(function.concurrency):
            worker = Thread(target=self._work, args=(deployment,), name=f"{function.name}-events-{number}", daemon=True)
            deployment.workers.append(worker)
            worker.start()
        self._deployments[function.name] = deployment

    def function(self, name: str) -> LocalFunction:
        """The function of that name or ARN.

        Raises:
            FunctionNotFoundError: there is none.
        """
        return self._deployment(name).function

    def invoke(
        self, name: str, event: Any, *, request_id: str | None = None, client_context: str | None = None
    ) -> InvocationOutcome:
        """Run a function with an event (anything JSON holds) and wait for the outcome.

        Raises:
            FunctionNotFoundError: there is no such function.
            TooManyRequestsError: all its environments are busy.
        """
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        deployment = self._deployment(name)
        with self._counted():
            return self._run(deployment, payload, request_id or str(uuid.uuid4()), client_context, wait=False)

    def invoke_async(self, name: str, event: Any) -> str:
        """Queue an event for a function and return its request id; failures are retried as the function says.

        Raises:
            FunctionNotFoundError: there is no such function.
        """
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        deployment = self._deployment(name)
        queued = _QueuedEvent(payload, str(uuid.uuid4()))
        self._count(+1)
        deployment.queue.put(queued)
        return queued.request_id

    @property
    def activity(self) -> tuple[int, int]:
        """(invocations accepted since the start, those of them not yet done): what waiting for silence is made of."""
        with self._state:
            return self._accepted, self._pending

    def close(self) -> None:
        """End every environment at once. Events still queued are dropped."""
        self._closed = True
        for deployment in self._deployments.values():
            for _ in deployment.workers:
                deployment.queue.put(None)
            with deployment.changed:
                busy, idle = list(deployment.busy), list(deployment.free)
                deployment.free.clear()
                deployment.changed.notify_all()
            for environment in busy:
                environment.kill()  # whoever waits for its outcome closes it
            for environment in idle:
                environment.close()
        for deployment in self._deployments.values():
            for worker in deployment.workers:
                worker.join(timeout=5)
            deployment.log.close()

    def _deployment(self, name: str) -> _Deployment:
        plain = name.rpartition(":function:")[2].partition(":")[0]  # an ARN, a qualified name or a name
        try:
            return self._deployments[plain]
        except KeyError:
            raise FunctionNotFoundError(f"Function not found: {name}") from None

    def _run(
        self, deployment: _Deployment, payload: bytes, request_id: str, client_context: str | None, *, wait: bool
    ) -> InvocationOutcome:
        environment = self._acquire(deployment, wait=wait)
        try:
            outcome = environment.invoke(request_id, payload, client_context)
        finally:
            self._release(deployment, environment)
        if self._on_outcome is not None and not self._closed:
            self._on_outcome(outcome)
        return outcome

    def _acquire(self, deployment: _Deployment, *, wait: bool) -> Environment:
        with deployment.changed:
            while not deployment.free and len(deployment.busy) >= deployment.function.concurrency:
                if not wait or self._closed:
                    raise TooManyRequestsError
                deployment.changed.wait()
            if self._closed:
                raise TooManyRequestsError
            if deployment.free:
                environment = deployment.free.pop()
            else:
                environment = Environment(deployment.function, deployment.log, freeze=self._freeze)
            deployment.busy.add(environment)
            return environment

    def _release(self, deployment: _Deployment, environment: Environment) -> None:
        limit = deployment.function.invocations_per_environment
        if self._closed or (limit is not None and environment.invocations >= limit):
            environment.close()
        with deployment.changed:
            deployment.busy.discard(environment)
            if environment.usable:
                deployment.free.append(environment)
            deployment.changed.notify()

    def _work(self, deployment: _Deployment) -> None:
        """Run what is queued, one event at a time; a function has as many of these as it may have environments."""
        while (queued := deployment.queue.get()) is not None:
            try:
                outcome = self._run(deployment, queued.payload, queued.request_id, None, wait=True)
                function = deployment.function
                if outcome.status is not Status.SUCCESS and queued.attempt < function.maximum_retry_attempts:
                    self._retry_later(deployment, queued)
            except TooManyRequestsError:
                return  # closed
            finally:
                self._count(-1)

    def _retry_later(self, deployment: _Deployment, queued: _QueuedEvent) -> None:
        delays = deployment.function.retry_delays
        delay = delays[min(queued.attempt, len(delays) - 1)] if delays else 0.0
        queued.attempt += 1
        self._count(+1)

        def requeue() -> None:
            with self._state:
                self._state.wait_for(lambda: self._closed, timeout=delay)
            deployment.queue.put(queued)

        Thread(target=requeue, name="event-retry", daemon=True).start()

    def _count(self, change: int) -> None:
        with self._state:
            self._pending += change
            self._accepted += max(change, 0)

    def _counted(self) -> _Counted:
        return _Counted(self._count)


class _Counted:
    """Counts one invocation as under way within a `with` block."""

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count

    def __enter__(self) -> None:
        self._count(+1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count(-1)
