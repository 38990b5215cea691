"""Watches AWS's runtime client: when it asks for the next event, the response of the last one has been posted.

Its native part holds the interpreter's lock while it posts and lets go of it while it waits for an event, so that a
thread that is woken here does its work after the response, whatever the handler returned.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULE = "awslambdaric.lambda_runtime_client"
_METHOD = "wait_next_invocation"
_MAX_TIMES = 5


class RuntimeLoop:
    """Calls `idle` before each wait for an event, and `busy` after it; neither may raise, both may be called twice.

    Raises LookupError where the runtime is none that is known.
    """

    def __init__(self, idle: Callable[[], None], busy: Callable[[], None]) -> None:
        client = getattr(sys.modules.get(_MODULE), "LambdaRuntimeClient", None)
        # On the class that defines it, which newer runtimes have below the client's own.
        classes = client.__mro__ if isinstance(client, type) else ()
        owner = next((one for one in classes if _METHOD in vars(one)), None)
        if owner is None:
            raise LookupError("the runtime is none that is known")
        self._idle = idle
        self._busy = busy
        self._owner = owner
        self._times = 0
        self._wrapper: Any = None
        self.wrap()

    def wrap(self) -> bool:
        """Whether the runtime is watched: around what something else has put in our place since, if that is rare."""
        current = vars(self._owner).get(_METHOD)
        if current is self._wrapper and current is not None:
            return True
        if current is None or self._times >= _MAX_TIMES:
            return False
        self._times += 1
        idle, busy = self._idle, self._busy

        @functools.wraps(current)
        def wait_next_invocation(client: Any, *args: Any, **kwargs: Any) -> Any:
            idle()
            request = current(client, *args, **kwargs)
            busy()
            return request

        setattr(self._owner, _METHOD, wait_next_invocation)
        self._wrapper = wait_next_invocation
        return True
