"""What an event tells of its invocation.

Before the handler runs the event is only copied, in 1 µs for a usual one: to find out what it tells takes 100 µs and
more in an environment that was frozen, whose caches are cold, and can wait until the response has left.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from clew.consumed_keys import consumed_keys
from clew.events import MAX_NAME
from clew.guard import Guard, pass_on_signal
from clew.records import batch_size, oldest_record
from clew.triggers import DIRECT, find_trigger, http_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

# Bytes of a copy. Of a larger event there is no second one: it is described before the handler.
_LARGEST = 1_000_000


class Snapshot:
    """A copy of an event, which the handler may change."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def event(self) -> object:
        return marshal.loads(self._data)  # noqa: S302  # written by this process


def snapshot(event: object) -> Snapshot | None:
    """None for what is no plain data, such as an object that a decorator has put around the event, and for what is too
    large or too deep.
    """
    try:
        data = marshal.dumps(event)  # type: ignore[arg-type]  # what it cannot take it refuses
    except Exception as error:
        pass_on_signal(error)
        return None
    return Snapshot(data) if len(data) <= _LARGEST else None


class Description:
    """`attributes` are the invocation's; `batch` is the event, where the trigger delivers many records.

    `clean` masks the text of errors.
    """

    __slots__ = ("attributes", "batch", "trigger")

    def __init__(self, event: object, region: str, account: str, clean: Callable[[str], str]) -> None:
        self.trigger = DIRECT
        self.batch: object = None
        with Guard("reading the event"):
            self.trigger = find_trigger(event, region, account)
        trigger = self.trigger
        self.attributes: dict[str, Any] = {"faas.trigger": trigger.faas, "clew.trigger.type": trigger.type}
        if trigger.resource:
            self.attributes["clew.trigger.resource"] = trigger.resource[:MAX_NAME]
        with Guard("reading the event"):
            self.attributes.update(http_attributes(event, trigger))
            self._count(event)
        with Guard("reading the event's ids"):
            self._identify(event, clean)

    def _count(self, event: object) -> None:
        """The records of a batch."""
        size = batch_size(event, self.trigger.type)
        if size is None:
            return
        self.batch = event
        self.attributes["clew.batch.size"] = size
        oldest = oldest_record(event, self.trigger.type)
        if oldest is not None:
            self.attributes["clew.batch.oldest"] = oldest

    def _identify(self, event: object, clean: Callable[[str], str]) -> None:
        """Link keys, and what the event tells of invocations that failed."""
        results: list[Any] = []
        keys = consumed_keys(event, self.trigger, results)
        if keys:
            self.attributes["clew.link.keys"] = keys
        if results:
            from clew.failed_events import failed_events  # noqa: PLC0415  # 0.1 ms of INIT, for dead letters

            if failed := failed_events(results, clean):
                self.attributes["clew.trigger.failures"] = failed
