"""Exceptions that end a thread of the function: events on the invocation, which goes on without them.

`threading.excepthook` is where Python tells of them. The function's own hook, or Python's, is called as before.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from clew import failures
from clew.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.invocation import Invocation

_MARK = "__clew__"
_MAX_EVENTS = 20


def watch(current: Callable[[], Invocation | None]) -> None:
    """Wrap the hook that is in place: one that is set later stays as it is."""
    original = threading.excepthook
    if getattr(original, _MARK, False):
        return

    def excepthook(args: Any) -> Any:
        with Guard("noting a thread's error"):
            invocation = current()
            if invocation is not None:
                _note(invocation, args)
        return original(args)

    setattr(excepthook, _MARK, True)
    threading.excepthook = excepthook


def _note(invocation: Invocation, args: Any) -> None:
    error = args.exc_value
    if isinstance(error, SystemExit) or args.exc_type is SystemExit:
        return  # how a thread ends itself
    span: Any = invocation.span
    if not span.is_recording() or len(span.events) >= _MAX_EVENTS:
        return
    attributes = {"clew.issue.type": "thread error"}
    if error is None:
        attributes["clew.issue.message"] = args.exc_type.__name__
    else:
        attributes.update(failures.exception_attributes(error, invocation.clean))
        attributes["clew.issue.message"] = f"{attributes['exception.type']}: {attributes['exception.message']}"
    span.add_event("clew.issue", attributes)
