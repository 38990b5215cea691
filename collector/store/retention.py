"""Retention while the collector runs: a thread that prunes now and then, by `collector.store.pruner`."""

from __future__ import annotations

import logging
import threading
import time

import sqlalchemy.exc
from sqlalchemy import Engine

from collector.store.errors import StoreError
from collector.store.partitions import make_ahead
from collector.store.periods import Periods
from collector.store.pruner import NotNow, Pruner

EVERY_S = 300.0
WALK_EVERY_S = 6 * 3600.0  # through the tables that have to be read whole

logger = logging.getLogger(__name__)


class Retention:
    """Prunes now and then, in a thread of its own, until it is closed."""

    def __init__(self, engine: Engine, reader: Engine, periods: Periods, *, every_s: float = EVERY_S) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._pruner = Pruner(engine, reader, periods, stop=self._stop)
        self._every_s = every_s
        self._walk_due = 0.0
        self.passes = 0  # begun so far, those included that another collector's kept from doing anything
        self._thread = threading.Thread(target=self._run, name="clew-retention", daemon=True)

    def start(self) -> None:
        """PostgreSQL has today's partition when it returns."""
        make_ahead(self._engine, time.time_ns())
        self._thread.start()

    def close(self) -> None:
        """Returns once the step that runs has ended."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        # Not while the process starts and what had piled up comes in.
        while not self._stop.wait(self._every_s):
            self.passes += 1
            walks = time.monotonic() >= self._walk_due
            try:
                deleted = self._pruner.run(walks=walks)
            except NotNow:
                continue
            except Exception as error:  # nothing of it is lost; the next pass takes it up
                known = isinstance(error, StoreError | sqlalchemy.exc.OperationalError)
                logger.log(logging.ERROR, "retention failed and will be tried again: %s", error, exc_info=not known)
                continue
            if walks:
                self._walk_due = time.monotonic() + WALK_EVERY_S
            if deleted:
                logger.info("retention deleted %s", ", ".join(f"{n} of {name}" for name, n in sorted(deleted.items())))
