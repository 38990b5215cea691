"""Many clients that send exports until each is acknowledged, and what the database must hold afterwards.

Used by the tests under fire and by `benchmarks/soak.py`.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Connection, distinct, func, select

from collector.store import tables
from collector.store.engine import open_engine
from collector.store.rollup_tables import function_durations, function_stats
from tests.collector.receivers import exports

SPANS = 3  # of an export: an invocation and its calls
PAUSE_S = 0.05  # before an export is sent again: as a patient client waits Retry-After, tests do not
_HEADERS = {"content-type": "application/x-protobuf"}
_ADVISED = {429, 502, 503, 504}  # what OTLP's clients send again


class Load:
    """`clients` threads that send one export after the other to a port, the same again until it is answered 200."""

    def __init__(self, port: int, *, clients: int = 8, payload: str = "", pause_s: float = PAUSE_S) -> None:
        self._port = port
        self._payload = payload
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self.acknowledged: set[bytes] = set()  # trace ids, one of each export
        self.answers: Counter[int] = Counter()  # by HTTP status; 0: none
        self.without_advice = 0  # refusals that a client would not send again
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Returns when every export that was begun is acknowledged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), f"an export was never taken: {self.answers}"

    def abandon(self) -> None:
        """Stops sending, acknowledged or not."""
        self._stopping.set()
        self._abandoned.set()

    def wait(self, count: int) -> None:
        """Until so many more are acknowledged."""
        enough = len(self.acknowledged) + count
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < enough:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} of {enough} acknowledged: {self.answers}"
            time.sleep(0.005)

    def wait_for_refusals(self, count: int) -> None:
        enough = self._refused() + count
        deadline = time.monotonic() + 60
        while self._refused() < enough:
            assert time.monotonic() < deadline, f"{self.answers}"
            time.sleep(0.005)

    def _refused(self) -> int:
        return sum(number for status, number in self.answers.items() if status != 200)

    def _send(self, client: int) -> None:
        connection: http.client.HTTPConnection | None = None
        number = 0
        while not self._stopping.is_set():
            number += 1
            trace_id = (client + 1).to_bytes(8, "big") + number.to_bytes(8, "big")
            body = _export(trace_id, self._payload)
            while not self._abandoned.is_set():
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                status, advised = _post(connection, body)
                with self._lock:
                    self.answers[status] += 1
                    self.without_advice += not advised
                    if status == 200:
                        self.acknowledged.add(trace_id)
                if status == 200:
                    break
                if not status:
                    connection.close()
                    connection = None
                time.sleep(self._pause_s)
        if connection is not None:
            connection.close()


def _export(trace_id: bytes, payload: str) -> bytes:
    """An invocation that makes calls."""
    request = ExportTraceServiceRequest.FromString(exports.traces(SPANS, trace_id=trace_id, payload=payload))
    for span in request.resource_spans[0].scope_spans[0].spans[1:]:
        for key, value in (("rpc.system", "aws-api"), ("rpc.service", "S3"), ("rpc.method", "GetObject")):
            span.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def _post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bool]:
    """The status, 0 without an answer, and whether a client would know what to do."""
    try:
        connection.request("POST", "/v1/traces", body, _HEADERS)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return 0, True
    status = response.status
    return status, status == 200 or (status in _ADVISED and response.getheader("retry-after") is not None)


@contextmanager
def load(port: int, *, clients: int = 8, payload: str = "") -> Iterator[Load]:
    """Sends while the block runs; at its end all that was begun is acknowledged."""
    one = Load(port, clients=clients, payload=payload)
    one.start()
    try:
        yield one
        one.finish()
    finally:
        one.abandon()


class Stored(NamedTuple):
    """How often the database holds what was sent."""

    exports: int
    traces: int
    items: int
    invocations: int
    calls: int
    in_sums: int  # invocations by the rollups of minutes
    in_histograms: int  # and by those of durations

    @classmethod
    def of(cls, exports: int) -> Stored:
        """What so many exports are when each is stored once."""
        return cls(exports, exports, exports * SPANS, exports, exports * (SPANS - 1), exports, exports)


@dataclass(frozen=True)
class Found:
    counts: Stored
    traces: set[bytes]


def stored(url: str) -> Found:
    engine = open_engine(url, read_only=True)
    try:
        with engine.connect() as connection:
            return Found(_count(connection), set(connection.scalars(select(tables.trace_exports.c.trace_id))))
    finally:
        engine.dispose()


def _count(connection: Connection) -> Stored:
    minutes = function_stats.c.resolution == 60
    in_minutes = function_durations.c.resolution == 60
    numbers = [
        select(func.count()).select_from(tables.exports),
        select(func.count(distinct(tables.trace_exports.c.trace_id))),
        select(func.sum(tables.exports.c["items"])),
        select(func.count()).select_from(tables.invocations),
        select(func.count()).select_from(tables.calls),
        select(func.sum(function_stats.c.invocations)).where(minutes),
        select(func.sum(function_durations.c.count)).where(in_minutes),
    ]
    return Stored(*(int(connection.scalar(number) or 0) for number in numbers))


def assert_each_is_stored_once(url: str, sent: Load) -> None:
    """What was acknowledged is there, all of it and nothing else, in rows and in sums."""
    found = stored(url)
    lost, extra = len(sent.acknowledged - found.traces), len(found.traces - sent.acknowledged)
    assert (0, 0) == (lost, extra), f"{lost} lost and {extra} stored that nobody knows of"
    expected = Stored.of(len(sent.acknowledged))
    assert expected == found.counts, f"{found.counts} instead of {expected}"
    assert 0 == sent.without_advice, f"{sent.without_advice} answers without advice: {sent.answers}"
