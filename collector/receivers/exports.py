"""One export, from its message's bytes to the commit, whatever protocol brought it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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
    from collector.domain.prices import PriceTable
    from collector.receivers.counters import Counters

Settle = Callable[[Intake | Exception], None]

_LARGE = 64 * 1024


class Store(Protocol):
    """Where facts go; `collector.store.writer.Writer` is one."""

    def hand_in(self, facts: Facts, size: int, settle: Callable[[Exception | None], None]) -> None:
        """Returns at once; `settle` is called once the facts are durable, or with the reason why they are not:
        StoreUnavailable when the database failed, another StoreError when these facts can never be stored. `size` is
        about the bytes they hold.

        Raises Overloaded when too much is waiting, StoreUnavailable when nothing more is taken.
        """

    def hand_over(self, read: Callable[[], Facts | None], settle: Callable[[Exception | None], None]) -> None:
        """The same of facts that `read` gives, which is called by whoever stores them. Where it gives None there is
        nothing to store, and `settle` is not called. Raises StoreUnavailable when nothing more is taken.
        """


@dataclass(slots=True, eq=False)
class _Export:
    signal: Signal
    body: bytes
    json: bool
    settle: Settle
    intake: Intake | None = None  # what it holds, once it has been read


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
        # Python runs one thread at a time anyway, and threads that fight for their turn in the midst of parsing cost
        # more than they gain. So small bodies are parsed by the thread that stores them: where another one did it
        # meanwhile, commits had fewer exports and both found less in the processor's caches. Large bodies, each of
        # which takes many times its size for a moment, are read one after the other by a thread of their own: small
        # ones do not wait for them.
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-exports")

    def take(self, signal: Signal, body: bytes, *, json: bool = False) -> Intake:
        """As `take_later`; returns once what the request holds is stored, and tells what of it was not.

        Raises Refusal.
        """
        outcome: Future[Intake | Exception] = Future()
        self.take_later(signal, body, outcome.set_result, json=json)
        if isinstance(taken := outcome.result(), Exception):
            raise taken
        return taken

    def take_later(self, signal: Signal, body: bytes, settle: Settle, *, json: bool = False) -> None:
        """Calls `settle`, from whatever thread, with what was taken once it is stored, or else with a Refusal, or with
        another exception where something is wrong here. Raises nothing."""
        export = _Export(signal, body, json, settle)
        if len(body) > _LARGE:
            self.aside(lambda: self._store_large(export))
            return
        try:
            self._store.hand_over(lambda: self._read(export), lambda error: self._settle(export, error))
        except StoreError as error:
            export.settle(_refusal(error))

    def aside(self, do: Callable[[], object]) -> None:
        """Has something done that takes long, by the thread that reads large exports. It may raise nothing."""
        self._large.submit(do)

    def submit(self, facts: Facts) -> None:
        """Returns once they are stored. Raises Refusal."""
        outcome: Future[Exception | None] = Future()
        try:
            self._store.hand_in(facts, facts.size, outcome.set_result)
            if (error := outcome.result()) is not None:
                raise error
        except StoreError as error:
            raise _refusal(error) from error

    def _store_large(self, export: _Export) -> None:
        try:
            facts = self._read(export)
            if facts is not None:
                self._store.hand_in(facts, facts.size, lambda error: self._settle(export, error))
        except Exception as error:  # noqa: BLE001  # whoever sent it must hear of it, whatever it is
            export.settle(_refusal(error))

    def _read(self, export: _Export) -> Facts | None:
        """What is to be stored; where that is nothing it is settled. Raises nothing."""
        try:
            if export.signal == Signal.METRICS:
                export.settle(self._count(export.body, json=export.json))
                return None
            intake = export.intake = self._intake(export)
        except Exception as error:  # noqa: BLE001  # whoever sent it must hear of it, whatever it is
            export.settle(_refusal(error))
            return None
        if intake.facts.export.items:
            return intake.facts
        self._settle(export, None)
        return None

    def _settle(self, export: _Export, error: Exception | None) -> None:
        intake = export.intake
        if error is not None or intake is None:
            export.settle(_refusal(error or RuntimeError("stored before it was read")))
            return
        items = intake.facts.export.items
        self._counters.took(export.signal, stored=items, rejected=intake.rejected, unplaced=intake.unplaced)
        export.settle(intake)

    def _count(self, body: bytes, *, json: bool) -> Intake:
        """Of metrics, none of which is kept."""
        points = count_points_of_json(body) if json else count_points(body)
        self._counters.took(Signal.METRICS, stored=0, rejected=points)
        nothing = Facts(Export(b"", Signal.METRICS, 0, self._now_ms(), b""))
        return Intake(nothing, points, NOT_KEPT if points else "")

    def _intake(self, export: _Export) -> Intake:
        body = export.body
        if export.signal == Signal.TRACES:
            if export.json:
                body = traces_to_protobuf(body)
            refuse_crowded(body)
            return read_traces(body, received_ms=self._now_ms(), prices=self._prices)
        if export.json:
            body = logs_to_protobuf(body)
        refuse_crowded(body)
        return read_logs(body, received_ms=self._now_ms())


def _refusal(error: Exception) -> Exception:
    """What a client is told of it; what is no client's business stays as it is."""
    if isinstance(error, MalformedExport):
        message = str(error)
        return Refusal(400, "malformed", f"{message[:1].upper()}{message[1:]}.")
    if isinstance(error, Overloaded):
        return Refusal(
            429,
            "overloaded",
            "More arrives than can be stored: send it again later.",
            code=Code.RESOURCE_EXHAUSTED,
            retry_after_s=error.retry_after_s,
        )
    if isinstance(error, StoreUnavailable):
        return Refusal(503, "store_unavailable", str(error), code=Code.UNAVAILABLE, retry_after_s=error.retry_after_s)
    if isinstance(error, StoreError):
        return Refusal(400, "unstorable", str(error))
    return error
