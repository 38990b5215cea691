"""How much memory a process holds, and what happens when that is too much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

_PAUSE = 0.02  # seconds between two looks: 50 µs each, so a four-hundredth of a core


class MemoryWatch:
    """Looks at a process and its children between `resume` and `pause`.

    `on_excess` is called, once, when they hold more than `limit` MB. A peak shorter than the pause between two looks
    can pass unseen. Where the system has no /proc nothing is known.
    """

    def __init__(self, pid: int | None, limit: int | None, on_excess: Callable[[], None]) -> None:
        self._pid = pid
        self._limit = limit
        self._on_excess = on_excess
        self._peak = 0
        self._awake, self._closed = Event(), Event()
        if pid is not None and limit is not None and _resident(pid):
            Thread(target=self._watch, name="memory-watch", daemon=True).start()

    def peak(self) -> int | None:
        """The most they held so far, in MB; None where the system does not tell."""
        if self._pid is None:
            return None
        own = _status(self._pid, "VmHWM")
        self._peak = max(self._peak, own, sum(map(_resident, _tree(self._pid))))
        return -(-self._peak // 1024) or None

    def resume(self) -> None:
        self._awake.set()

    def pause(self) -> None:
        self._awake.clear()

    def close(self) -> None:
        self._closed.set()
        self._awake.set()

    def _watch(self) -> None:
        while not self._closed.wait(_PAUSE):
            self._awake.wait()
            if self._limit is not None and (self.peak() or 0) > self._limit:
                self._on_excess()
                return


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += map(int, children.split())
    return found


def _resident(pid: int) -> int:
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> int:
    """A figure of /proc/PID/status in kB, 0 if there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
