"""The thread that evaluates the rules, in whichever of several collectors holds the lease."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import sqlalchemy.exc
from sqlalchemy import Engine

from collector.alerts import outbox
from collector.alerts.measures import AlertCounts
from collector.alerts.rounds import Rounds
from collector.alerts.settlement import Tell
from collector.store.errors import StoreError
from collector.store.lease import Lease

EVERY_S = 10.0  # how late an error may be noticed
LEASE = "alerts"
LEASE_S = 60.0
PATIENCE_S = 30.0  # how long a stop waits for a round that has begun

logger = logging.getLogger(__name__)


class Evaluator:
    """Start it once. `told` is called after a round that had something to tell."""

    def __init__(
        self,
        writing: Engine,
        reading: Engine,
        *,
        every_s: float = EVERY_S,
        now: Callable[[], int] = time.time_ns,
        tell: Tell = outbox.add,
        told: Callable[[], None] = lambda: None,
        counts: AlertCounts | None = None,
    ) -> None:
        self._lease = Lease(writing, LEASE, duration_s=LEASE_S)
        self._rounds = Rounds(writing, reading, lease=self._lease, now=now, tell=tell)
        self._every_s = every_s
        self._told = told
        self._counts = counts or AlertCounts()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clew-alerts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends after the round that has begun, and lets another collector have the lease at once."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self._every_s
            try:
                if self._lease.acquire() and self._round():
                    pause = 0.0
            except Exception as error:  # noqa: BLE001  # nothing of the round was done; the next one does it
                _log("the alerts' rules could not be evaluated and will be again", error)
        try:
            self._lease.release()
        except Exception as error:  # noqa: BLE001  # it expires
            _log("the alerts' lease could not be given back", error)

    def _round(self) -> bool:
        """Returns whether another round is due at once."""
        began = time.monotonic()
        try:
            outcome = self._rounds.run()
        except Exception:
            self._counts.failed_rounds += 1
            raise
        self._counts.round_s.add(time.monotonic() - began)
        self._counts.fired.update(outcome.opened)
        self._counts.resolved.update(outcome.resolved)
        if outcome.notices:
            self._told()
        return outcome.behind


def _log(what: str, error: Exception) -> None:
    """A database that is gone or locked is told in one line; anything else is ours and wants its stack."""
    known = isinstance(error, StoreError | sqlalchemy.exc.OperationalError)
    logger.log(logging.ERROR, "%s: %s", what, error, exc_info=None if known else error)
