"""One export, from its message's bytes to the commit, whatever protocol brought it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from collector.domain.errors import MalformedExport
from collector.domain.facts import Export, Facts, Signal
from collector.domain.intake import Intake, read_logs, read_traces
from collector.receivers.crowding import refuse_crowded
from collector.receivers.metrics import NOT_KEPT, count_points, count_points_of_json
from collector.receivers.otlp_json import logs_to_protobuf, traces_to_protobuf
from collector.receivers.refusal import Code, Refusal
from collector.store.errors import Overloaded, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.domain.prices import PriceTable
    from collector.receivers.counters import Counters

_LARGE = 64 * 1024


class Store(Protocol):
    """Where facts go; `collector.store.writer.Writer` is one."""

    def submit(self, facts: Facts, size: int) -> None:
        """Returns once the facts are durable. `size` is about the bytes they hold.

        Raises Overloaded when too much is waiting, StoreUnavailable when the database failed, another StoreError when
        these facts can never be stored.
        """


class Exports:
    """Takes exports in. Threads may call it at will."""

    def __init__(
        self,
        store: Store,
        *,
        counters: Counters,
        prices: PriceTable | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._counters = counters
        self._prices = prices
        self._now_ms = now_ms
        # Python runs one thread at a time anyway. 200 that fought for their turn in the midst of parsing took 1,800 µs
        # of CPU for each export, all told; they take 1,000 when they wait for a lock. Large bodies, each of which takes
        # many times its size for a moment, have a lock of their own: small ones do not wait for them.
        self._small, self._large = threading.Lock(), threading.Lock()

    def take(self, signal: Signal, body: bytes, *, json: bool = False) -> Intake:
        """Returns once what the request holds is stored, and tells what of it was not. Raises Refusal."""
        if signal == Signal.METRICS:
            return self._count(body, json=json)
        with self._lock(body):
            intake = self._read(signal, body, json=json)
        if intake.facts.export.items:
            self.submit(intake.facts)
        self._counters.took(
            signal, stored=intake.facts.export.items, rejected=intake.rejected, unplaced=intake.unplaced
        )
        return intake

    def _lock(self, body: bytes) -> threading.Lock:
        return self._large if len(body) > _LARGE else self._small

    def _count(self, body: bytes, *, json: bool) -> Intake:
        """Of metrics, none of which is kept."""
        with self._lock(body):
            points = count_points_of_json(body) if json else count_points(body)
        self._counters.took(Signal.METRICS, stored=0, rejected=points)
        nothing = Facts(Export(b"", Signal.METRICS, 0, self._now_ms(), b""))
        return Intake(nothing, points, NOT_KEPT if points else "")

    def _read(self, signal: Signal, body: bytes, *, json: bool) -> Intake:
        try:
            if signal == Signal.TRACES:
                if json:
                    body = traces_to_protobuf(body)
                refuse_crowded(body)
                return read_traces(body, received_ms=self._now_ms(), prices=self._prices)
            if json:
                body = logs_to_protobuf(body)
            refuse_crowded(body)
            return read_logs(body, received_ms=self._now_ms())
        except MalformedExport as error:
            message = str(error)
            raise Refusal(400, "malformed", f"{message[:1].upper()}{message[1:]}.") from error

    def submit(self, facts: Facts) -> None:
        """Returns once they are stored. Raises Refusal."""
        try:
            self._store.submit(facts, facts.size)
        except Overloaded as error:
            raise Refusal(
                429,
                "overloaded",
                "More arrives than can be stored: send it again later.",
                code=Code.RESOURCE_EXHAUSTED,
                retry_after_s=error.retry_after_s,
            ) from error
        except StoreUnavailable as error:
            raise Refusal(
                503, "store_unavailable", str(error), code=Code.UNAVAILABLE, retry_after_s=error.retry_after_s
            ) from error
        except StoreError as error:
            raise Refusal(400, "unstorable", str(error)) from error
