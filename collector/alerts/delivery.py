"""Delivers what the outbox holds: one thread looks for work, a few others wait for services to answer.

Every process on the database may run one; they share the channels among them (`collector.alerts.outbox`). Whatever
happens to a delivery is in the database, so a process may end anywhere.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from uuid import uuid4

import sqlalchemy.exc
from sqlalchemy import Connection, Engine

from collector.alerts import outbox
from collector.alerts.channels.sending import Envelope, deliver
from collector.alerts.directory import open_values
from collector.alerts.keyring import Keyring
from collector.alerts.measures import AlertCounts
from collector.alerts.networks import Networks
from collector.alerts.outbox import Claim
from collector.alerts.outcomes import DeliveryError, Refused, TryAgain
from collector.store.errors import StoreError
from collector.store.lease import database_now_ms

AT_ONCE = 4  # messages on their way; a channel has one at a time
LOOK_EVERY_S = 1.0  # for what is due; idle it takes 0.3 ms of CPU
CLEAN_EVERY_S = 600.0
_AFTER_FAILURE_S = 5.0

_RANDOM = random.SystemRandom()

logger = logging.getLogger(__name__)


class Deliverer:
    """`reading` looks for work, so that the writer's connection is not asked in vain. `alone`: no other process
    delivers from this database, so what an earlier one held is free at once."""

    def __init__(
        self,
        engine: Engine,
        reading: Engine,
        *,
        keyring: Keyring,
        networks: Networks,
        base_url: str,
        alone: bool = False,
        clock: Callable[[Connection], int] = database_now_ms,
        counts: AlertCounts | None = None,
    ) -> None:
        self._engine = engine
        self._reading = reading
        self._keyring = keyring
        self._networks = networks
        self._base_url = base_url
        self._alone = alone
        self._clock = clock
        self._counts = counts or AlertCounts()
        self._counting = threading.Lock()
        self._holder = uuid4().hex
        self._changed = threading.Event()
        self._closing = False
        self._free = threading.Semaphore(AT_ONCE)
        self._sending: set[Future[None]] = set()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clew-delivery")
        self._thread = threading.Thread(target=self._run, name="clew-deliverer", daemon=True)
        self._clean_due = 0.0

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something was added to the outbox: it need not wait for the next look."""
        self._changed.set()

    def close(self, timeout_s: float | None = None) -> bool:
        """Begins nothing more and waits for what is on its way. Returns whether all of it ended in time: what did not
        is sent again by whoever is next."""
        self._closing = True
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        _, unfinished = wait(set(self._sending), timeout_s)
        self._pool.shutdown(wait=not unfinished, cancel_futures=True)
        return not unfinished

    def run_pass(self) -> int:
        """Sends one message for each channel that has one due, in this thread. Returns how many. For tests and the
        command line."""
        sent = 0
        while (claim := self._claim()) is not None:
            self._send(claim)
            sent += 1
        return sent

    def _run(self) -> None:
        while not self._closing:
            pause = LOOK_EVERY_S
            try:
                self._begin()
                self._clean()
                self._send_due()
            except Exception as error:  # noqa: BLE001  # nothing is lost by it; the next look takes it up
                _log("looking for what is to be delivered failed and will be tried again", error)
                pause = _AFTER_FAILURE_S
            self._changed.wait(pause)
            self._changed.clear()

    def _begin(self) -> None:
        if self._alone:
            with self._engine.begin() as connection:
                outbox.release_all(connection)
            self._alone = False

    def _clean(self) -> None:
        if time.monotonic() < self._clean_due:
            return
        self._clean_due = time.monotonic() + CLEAN_EVERY_S
        with self._engine.begin() as connection:
            if number := outbox.give_up(connection, self._clock(connection)):
                logger.warning("%d deliveries of alerts were given up after a day.", number)

    def _send_due(self) -> None:
        while not self._closing and self._is_due():
            self._free.acquire()
            claim = None
            try:
                claim = self._claim()
            finally:
                if claim is None:
                    self._free.release()
            if claim is None:
                return
            future = self._pool.submit(self._send, claim)
            self._sending.add(future)
            future.add_done_callback(self._done)

    def _done(self, future: Future[None]) -> None:
        self._free.release()
        self._sending.discard(future)
        if (error := future.exception()) is not None:
            _log("what came of a delivery could not be stored; it will be sent again", error)
        self._changed.set()  # the channel is free again

    def _is_due(self) -> bool:
        with self._reading.connect() as connection:
            return outbox.is_due(connection, self._clock(connection))

    def _claim(self) -> Claim | None:
        with self._engine.begin() as connection:
            return outbox.claim(connection, self._holder, self._clock(connection))

    def _send(self, claim: Claim) -> None:
        first = claim.due[0]
        with self._reading.connect() as connection:
            at_s = self._clock(connection) // 1000
        envelope = Envelope(
            id=f"{first.id:016x}",
            messages=tuple(due.message for due in claim.due),
            base_url=self._base_url,
            at_s=at_s,
            reference=claim.reference,
            ticket=claim.ticket,
        )
        try:
            values = open_values(self._keyring, claim.channel_id, claim.settings, claim.secrets)
            receipt = deliver(claim.kind, values, envelope, self._networks)
        except DeliveryError as error:
            self._settle(claim, error)
        except Exception as error:  # noqa: BLE001
            # A fault of ours in one message must neither stop the others nor be tried for a day.
            # Its own text could hold a secret, and is not logged.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("A message to %s could not be made: %s\n%s", claim.name, type(error).__name__, where)  # noqa: TRY400
            self._settle(claim, Refused(f"The message could not be made: {type(error).__name__}."))
        else:
            with self._engine.begin() as connection:
                outbox.settle_sent(connection, claim, receipt, self._clock(connection))
            self._count(self._counts.sent, claim)

    def _settle(self, claim: Claim, error: DeliveryError) -> None:
        reason = str(error)
        with self._engine.begin() as connection:
            now_ms = self._clock(connection)
            if isinstance(error, TryAgain):
                pause_ms = outbox.pause_ms(claim.due[0].attempts, _RANDOM.random())
                if error.after_s is not None:
                    # What the service asks for, and not all at the same moment after it.
                    pause_ms = round(error.after_s * 1000 + _RANDOM.uniform(0, 1000 + error.after_s * 100))
                whole = error.whole_channel or error.after_s is not None
                outbox.settle_failed(connection, claim, reason, now_ms, pause_ms=pause_ms, whole_channel=whole)
            else:
                outbox.settle_dead(connection, claim, reason, now_ms)
        self._count(self._counts.failed if isinstance(error, TryAgain) else self._counts.dead, claim)
        level = logging.INFO if isinstance(error, TryAgain) else logging.WARNING
        logger.log(level, "The channel %s: %s", claim.name, reason)

    def _count(self, counter: Counter[str], claim: Claim) -> None:
        """All messages of the claim, which several threads do."""
        with self._counting:
            counter[claim.kind] += len(claim.due)


def _log(what: str, error: BaseException) -> None:
    known = isinstance(error, StoreError | sqlalchemy.exc.OperationalError)
    logger.log(logging.ERROR, "%s: %s", what, error, exc_info=None if known else error)
