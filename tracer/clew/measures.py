"""What an invocation used: memory, CPU and room in `/tmp`; and the environment variables it ran with."""

from __future__ import annotations

import os
from time import process_time  # now: a function may replace it
from typing import TYPE_CHECKING, Any

from clew.guard import pass_on_signal

if TYPE_CHECKING:
    from clew.payload import Renderer

# Kept open: opening and closing the file takes as long as reading it, 5 µs.
_status: tuple[int, int] | None = None
_getpid = os.getpid
_environment_told = False


class Measures:
    """What is used from the moment that this is made. Takes 1 µs, and `taken` 10."""

    __slots__ = ("_began", "_in_lambda", "_stopped")

    def __init__(self, *, in_lambda: bool) -> None:
        self._in_lambda = in_lambda
        self._stopped: float | None = None
        self._began = process_time()

    def stop(self) -> None:
        """CPU that is used from now on is not the invocation's."""
        self._stopped = process_time()

    def taken(self) -> dict[str, int | float]:
        """The attributes of the invocation. Elsewhere than in Lambda a process' memory and `/tmp` are not its own."""
        used = (process_time() if self._stopped is None else self._stopped) - self._began
        attributes: dict[str, int | float] = {"clew.lambda.cpu_time": max(0, round(used * 1_000_000)) / 1000}
        if self._in_lambda:
            memory = max_memory_used()
            if memory is not None:
                attributes["clew.lambda.max_memory_used"] = memory
            room = tmp_used()
            if room is not None:
                attributes["clew.lambda.tmp_used"] = room
        return attributes


def max_memory_used() -> int | None:
    """Bytes of memory, the most that this process ever held; None where /proc does not tell."""
    # The module `resource` is not asked: a function that has a file of that name would have it imported from here, and
    # what it tells includes what the process that started this one held.
    global _status  # noqa: PLW0603  # one process, one file
    if _status is not None and _status[0] == _getpid():  # a forked child's would be its parent's
        used = _peak(_status[1])
        if used is not None:
            return used
    # The first time; or the function has closed it, and may have another file of that number, which stays open.
    _status = None
    try:
        _status = (_getpid(), os.open("/proc/self/status", os.O_RDONLY))
    except OSError as error:
        pass_on_signal(error)
        return None
    return _peak(_status[1])


def _peak(descriptor: int) -> int | None:
    try:
        text = os.pread(descriptor, 4096, 0)
        return int(text.partition(b"VmHWM:")[2].split(None, 1)[0]) * 1024
    except (OSError, ValueError, IndexError, AttributeError) as error:
        pass_on_signal(error)
        return None


def tmp_used() -> int | None:
    """Bytes that the files in `/tmp` take; None where that cannot be told."""
    try:
        status = os.statvfs("/tmp")  # noqa: S108  # Lambda's
    except (OSError, AttributeError) as error:
        pass_on_signal(error)
        return None
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def environment_once(renderer: Renderer, limit: int) -> dict[str, Any]:
    """The environment variables as an attribute, masked and cut: by the first call in a process, then nothing."""
    global _environment_told  # noqa: PLW0603  # once in a process
    if _environment_told:
        return {}
    _environment_told = True
    return {"clew.environment": renderer.render(dict(os.environ), "environment").cut(limit)}
