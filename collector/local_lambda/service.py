"""Lambda itself: functions, their environments, and the queues of what is to be run asynchronously."""

from __future__ import annotations

import contextlib
import errno
import json
import queue
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, Any

from collector.local_lambda.environment import Environment
from collector.local_lambda.events import Call
from collector.local_lambda.function import InitializationType, LocalFunction
from collector.local_lambda.function_log import FunctionLog
from collector.local_lambda.identifiers import trace_header
from collector.local_lambda.layers import LayerRoot
from collector.local_lambda.outcome import InvocationOutcome, Response, Status
from collector.local_lambda.variables import python_version

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class FunctionNotFoundError(Exception):
    """No function of that name was added."""


class TooManyRequestsError(Exception):
    """Every environment that the function may have is busy."""

    def __init__(self) -> None:
        super().__init__("Rate Exceeded.")


@dataclass
class _QueuedEvent:
    call: Call
    attempt: int = 0


@dataclass
class _Deployment:
    """A function with its environments; `free` is a stack, so that the one used last is warm and used next."""

    function: LocalFunction
    layers: LayerRoot
    log: FunctionLog
    free: list[Environment] = field(default_factory=list)
    busy: set[Environment] = field(default_factory=set)
    changed: Condition = field(default_factory=Condition)
    queue: queue.SimpleQueue[_QueuedEvent | None] = field(default_factory=queue.SimpleQueue)
    workers: list[Thread] = field(default_factory=list)
    ended: bool = False


class LocalLambda:
    """Runs functions as Lambda does. Safe to use from many threads; closing it ends every process it started.

    `log_directory` gets a file for each function's log. `on_outcome` is called, on the thread that ran the
    invocation, with the outcome of every attempt. With `freeze` processes stand still between invocations.
    """

    def __init__(
        self,
        log_directory: Path | None = None,
        *,
        on_outcome: Callable[[InvocationOutcome], None] | None = None,
        freeze: bool = False,
    ) -> None:
        self._log_directory = log_directory
        self._on_outcome = on_outcome
        self._freeze = freeze
        self._deployments: dict[str, _Deployment] = {}
        self._adding = Lock()
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
        """Make a function known, in place of one of the same name.

        It starts with its first invocation; with provisioned concurrency or SnapStart all its environments start now.

        Raises:
            NotADirectoryError: its code is not there.
            FileNotFoundError: a layer, or its Python, is not there.
            zipfile.BadZipFile: a layer is neither a directory nor a zip.
        """
        if not function.code.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "No directory with the function's code", str(function.code))
        python_version(function.python)
        path = None if self._log_directory is None else self._log_directory / f"{function.name}.log"
        deployment = _Deployment(function, LayerRoot(function.layers), FunctionLog(path))
        for number in range(function.concurrency):
            worker = Thread(target=self._work, args=(deployment,), name=f"{function.name}-events-{number}", daemon=True)
            deployment.workers.append(worker)
            worker.start()
        replaced = self._deployments.get(function.name)
        self._deployments[function.name] = deployment
        if replaced is not None:
            self._end(replaced)
        if function.initialization_type is not InitializationType.ON_DEMAND:
            self._prepare(deployment)

    def prepare(self, function: LocalFunction | str) -> None:
        """Initialise every environment the function may have, ahead of its invocations.

        Lambda does so now and then with any function ("proactive initialization").

        Raises:
            FunctionNotFoundError: there is no such function.
        """
        self._prepare(self._known(function))

    def function(self, name: str) -> LocalFunction:
        """The function of that name or ARN.

        Raises:
            FunctionNotFoundError: there is none.
        """
        return self._deployment(name).function

    def invoke(
        self,
        function: LocalFunction | str,
        event: Any,
        *,
        request_id: str | None = None,
        client_context: str | None = None,
        cognito_identity: str | None = None,
        tenant_id: str | None = None,
        trace: str | None = None,
        on_response: Callable[[Response], None] | None = None,
    ) -> InvocationOutcome:
        """Run a function, by name or as it is, with an event (anything JSON holds, or bytes) and wait for the outcome.

        `client_context` and `cognito_identity` are JSON, `trace` is an X-Amzn-Trace-Id. `on_response` is called, on
        this thread, as soon as the response is known: before its extensions are done, and before the outcome.

        Raises:
            FunctionNotFoundError: there is no function of that name.
            TooManyRequestsError: all its environments are busy.
        """
        deployment = self._known(function)
        call = Call(
            request_id or str(uuid.uuid4()),
            _payload(event),
            trace or trace_header(sampled=deployment.function.active_tracing),
            client_context,
            cognito_identity,
            tenant_id,
        )
        with self._counted():
            return self._run(deployment, call, on_response, wait=False)

    def invoke_async(self, function: LocalFunction | str, event: Any, *, trace: str | None = None) -> str:
        """Queue an event for a function and return its request id; failures are retried as the function says.

        Raises:
            FunctionNotFoundError: there is no such function.
        """
        deployment = self._known(function)
        header = trace or trace_header(sampled=deployment.function.active_tracing)
        queued = _QueuedEvent(Call(str(uuid.uuid4()), _payload(event), header))
        self._count(+1)
        deployment.queue.put(queued)
        return queued.call.request_id

    @property
    def activity(self) -> tuple[int, int]:
        """(invocations accepted since the start, those of them not yet done): what waiting for silence is made of."""
        with self._state:
            return self._accepted, self._pending

    def close(self) -> None:
        """End every environment: invocations under way at once, the others by the rules of SHUTDOWN.

        Events still queued are dropped.
        """
        self._closed = True
        for deployment in self._deployments.values():
            self._end(deployment)

    def _end(self, deployment: _Deployment) -> None:
        for _ in deployment.workers:
            deployment.queue.put(None)
        with deployment.changed:
            deployment.ended = True
            busy, idle = list(deployment.busy), list(deployment.free)
            deployment.free.clear()
            deployment.changed.notify_all()
        for environment in busy:
            environment.kill()  # whoever waits for its outcome closes it
        for environment in idle:
            environment.close()
        for worker in deployment.workers:
            worker.join(timeout=5)
        with deployment.changed:
            deployment.changed.wait_for(lambda: not deployment.busy, timeout=5)
        deployment.log.close()
        deployment.layers.close()

    def _prepare(self, deployment: _Deployment) -> None:
        taken: list[Environment] = []
        with deployment.changed:
            while len(taken) + len(deployment.busy) + len(deployment.free) < deployment.function.concurrency:
                taken.append(self._new_environment(deployment))
            deployment.busy.update(taken)
        for environment in taken:
            environment.prepare()
            self._release(deployment, environment)

    def _new_environment(self, deployment: _Deployment) -> Environment:
        return Environment(deployment.function, deployment.layers, deployment.log, freeze=self._freeze)

    def _known(self, function: LocalFunction | str) -> _Deployment:
        """The deployment of that function, which is added if it is none yet."""
        if isinstance(function, str):
            return self._deployment(function)
        with self._adding:
            known = self._deployments.get(function.name)
            if known is None or known.function != function:
                self.add(function)
            return self._deployments[function.name]

    def _deployment(self, name: str) -> _Deployment:
        plain = name.rpartition(":function:")[2].partition(":")[0]  # an ARN, a qualified name or a name
        try:
            return self._deployments[plain]
        except KeyError:
            raise FunctionNotFoundError(f"Function not found: {name}") from None

    def _run(
        self, deployment: _Deployment, call: Call, on_response: Callable[[Response], None] | None, *, wait: bool
    ) -> InvocationOutcome:
        environment = self._acquire(deployment, wait=wait)
        try:
            outcome = environment.invoke(call, on_response)
        except BaseException:  # the caller was interrupted: the invocation goes on, and nobody is there to end it
            environment.kill()
            environment.close()
            raise
        finally:
            self._release(deployment, environment)
        if self._on_outcome is not None and not self._closed:
            self._on_outcome(outcome)
        return outcome

    def _acquire(self, deployment: _Deployment, *, wait: bool) -> Environment:
        with deployment.changed:
            while not deployment.free and len(deployment.busy) >= deployment.function.concurrency:
                if not wait or deployment.ended:
                    raise TooManyRequestsError
                deployment.changed.wait()
            if deployment.ended:
                raise TooManyRequestsError
            environment = deployment.free.pop() if deployment.free else self._new_environment(deployment)
            deployment.busy.add(environment)
            return environment

    def _release(self, deployment: _Deployment, environment: Environment) -> None:
        limit = deployment.function.invocations_per_environment
        if deployment.ended or (limit is not None and environment.invocations >= limit):
            environment.close()
        with deployment.changed:
            deployment.busy.discard(environment)
            if environment.usable:
                deployment.free.append(environment)
            deployment.changed.notify()

    def _work(self, deployment: _Deployment) -> None:
        """Run what is queued, one event at a time; a function has as many of these as it may have environments."""
        while (queued := deployment.queue.get()) is not None:
            with contextlib.suppress(TooManyRequestsError):  # closed
                outcome = self._run(deployment, queued.call, None, wait=True)
                function = deployment.function
                if outcome.status is not Status.SUCCESS and queued.attempt < function.maximum_retry_attempts:
                    self._retry_later(deployment, queued)
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


def _payload(event: Any) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


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
