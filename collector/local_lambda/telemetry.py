"""The Telemetry API 2022-07-01: events of the platform and lines of the log, delivered to who subscribed."""

from __future__ import annotations

import http.client
import json
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Condition, Thread
from typing import Any

from collector.local_lambda.identifiers import iso_time
from collector.local_lambda.refusal import Refusal
from collector.local_lambda.subscription import Subscription

_POST_TIMEOUT = 1.0  # seconds a listener may take for one batch
_DROPPED = b'"type":"platform.logsDropped"'
_OLD_SCHEMA = "2022-07-01"  # its function and extension records are strings, also when they hold JSON


@dataclass(frozen=True)
class _Event:
    category: str
    document: dict[str, Any]

    def encode(self, schema_version: str) -> bytes:
        document = self.document
        if self.category != "platform" and schema_version == _OLD_SCHEMA and not isinstance(document["record"], str):
            document = {**document, "record": json.dumps(document["record"])}
        return json.dumps(document, separators=(",", ":")).encode()


class TelemetryHub:
    """The telemetry of one environment. Safe to use from many threads.

    Who subscribes gets everything since the environment's start. Between `pause` and `resume` nothing is delivered,
    because nobody in a frozen environment could take it.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._past: list[_Event] = []
        self._deferred: list[_Event] = []
        self._open = True
        self._subscribers: list[_Subscriber] = []

    def publish(self, type: str, record: Any, *, at: float | None = None, deferred: bool = False) -> None:
        """Deliver an event; a `deferred` one when the environment is next awake, or ends.

        `type` is `platform.…`, `function` or `extension`, `at` the Unix time of the event, now if left out.
        """
        moment = None if at is None else datetime.fromtimestamp(at, timezone.utc)
        event = _Event(type.partition(".")[0], {"time": iso_time(moment), "type": type, "record": record})
        with self._changed:
            if deferred:
                self._deferred.append(event)
            else:
                self._put(event)

    def publish_line(self, type: str, line: str, *, is_json: bool) -> None:
        """Deliver a line of the log; with `is_json` as an object, if it holds one."""
        record: Any = line
        if is_json:
            try:
                document = json.loads(line)
            except ValueError:
                document = None
            if isinstance(document, dict):
                record = document
        self.publish(type, record)

    def subscribe(self, subscription: Subscription) -> None:
        """Deliver to this extension from now on.

        Raises:
            Refusal: INIT is over.
        """
        with self._changed:
            if not self._open:
                raise Refusal("Telemetry.SubscriptionClosed", "INIT is over, so that nothing can subscribe any more")
            subscriber = next((one for one in self._subscribers if one.subscription.name == subscription.name), None)
            if subscriber is not None:  # a second subscription replaces the first one
                subscriber.subscription = subscription
                return
            subscriber = _Subscriber(subscription, self._changed, self)
            self._subscribers.append(subscriber)
            for event in self._past:
                subscriber.put(event)
        subscriber.start()

    def close_subscription(self) -> None:
        """To be called at the end of INIT."""
        with self._changed:
            self._open = False
            self._past.clear()

    def pause(self) -> None:
        """Deliver nothing until `resume`; what is being delivered has a moment to arrive."""
        with self._changed:
            for subscriber in self._subscribers:
                subscriber.paused = True
            self._changed.wait_for(lambda: not any(one.sending for one in self._subscribers), timeout=_POST_TIMEOUT)

    def resume(self) -> None:
        """Deliver again, and what was deferred."""
        with self._changed:
            self._release_deferred()
            for subscriber in self._subscribers:
                subscriber.paused = False
            self._changed.notify_all()

    def flush(self, timeout: float) -> None:
        """Deliver all there is, deferred or not, without waiting for full batches, within so many seconds."""
        with self._changed:
            self._release_deferred()
            for subscriber in self._subscribers:
                subscriber.paused, subscriber.hurried = False, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: all(one.idle for one in self._subscribers), timeout=timeout)
            for subscriber in self._subscribers:
                subscriber.hurried = False

    def close(self) -> None:
        with self._changed:
            for subscriber in self._subscribers:
                subscriber.closed = True
            self._changed.notify_all()

    def _release_deferred(self) -> None:
        for event in self._deferred:
            self._put(event)
        self._deferred.clear()

    def _put(self, event: _Event) -> None:
        if self._open:
            self._past.append(event)
        for subscriber in self._subscribers:
            subscriber.put(event)
        self._changed.notify_all()


@dataclass(eq=False)
class _Subscriber:
    """One subscription with its buffer and the thread that empties it. Everything is guarded by `changed`."""

    subscription: Subscription
    changed: Condition
    hub: TelemetryHub
    paused: bool = False
    hurried: bool = False
    closed: bool = False
    sending: bool = False
    _buffer: deque[tuple[float, bytes]] = field(default_factory=deque)
    _bytes: int = 0

    @property
    def idle(self) -> bool:
        return not self._buffer and not self.sending

    def put(self, event: _Event) -> None:
        if event.category in self.subscription.types:
            encoded = event.encode(self.subscription.schema_version)
            self._buffer.append((time.monotonic(), encoded))
            self._bytes += len(encoded)

    def start(self) -> None:
        Thread(target=self._deliver, name="telemetry", daemon=True).start()

    def _deliver(self) -> None:
        while True:
            with self.changed:
                while not self.closed and not self._due():
                    self.changed.wait(self._patience())
                if self.closed:
                    return
                batch = self._take()
                self.sending = True
            failure = _post(self.subscription, batch)
            with self.changed:
                self.sending = False
                self.changed.notify_all()
            # That a notice of what was dropped was dropped is no news: it would go on for ever.
            if failure is not None and not all(_DROPPED in encoded for encoded in batch):
                dropped = {"droppedBytes": sum(map(len, batch)), "droppedRecords": len(batch), "reason": failure}
                self.hub.publish("platform.logsDropped", dropped)

    def _due(self) -> bool:
        if not self._buffer or self.paused:
            return False
        asked = self.subscription
        is_full = len(self._buffer) >= asked.max_items or self._bytes >= asked.max_bytes
        return self.hurried or is_full or time.monotonic() >= self._buffer[0][0] + asked.timeout

    def _patience(self) -> float | None:
        if not self._buffer or self.paused:
            return None
        return max(0.0, self._buffer[0][0] + self.subscription.timeout - time.monotonic())

    def _take(self) -> list[bytes]:
        """As much as one request may hold."""
        batch: list[bytes] = []
        size = 0
        while self._buffer and len(batch) < self.subscription.max_items and size < self.subscription.max_bytes:
            _, encoded = self._buffer.popleft()
            batch.append(encoded)
            size += len(encoded)
        self._bytes -= size
        return batch


def _post(subscription: Subscription, batch: list[bytes]) -> str | None:
    """Send one batch as a JSON array; what went wrong, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", subscription.port, timeout=_POST_TIMEOUT)
    try:
        body = b"[" + b",".join(batch) + b"]"
        connection.request("POST", subscription.path, body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"The listener cannot be reached: {error}"
    finally:
        connection.close()
    return f"The listener answered {status}" if status >= 400 else None
