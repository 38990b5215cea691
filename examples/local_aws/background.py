"""Work that an AWS service does after it has answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock, Timer

log = logging.getLogger(__name__)


class Background:
    """Runs tasks on threads of their own and knows how many are not done yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending = 0

    @property
    def pending(self) -> int:
        with self._lock:
            return self._pending

    def submit(self, task: Callable[[], None], *, after: float = 0.0) -> None:
        """Run the task in `after` seconds. What it raises is logged: nobody is left to be told."""
        with self._lock:
            self._pending += 1
        timer = Timer(after, self._run, (task,))
        timer.daemon = True
        timer.start()

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:
            log.exception("A task in the background failed")
        finally:
            with self._lock:
                self._pending -= 1
