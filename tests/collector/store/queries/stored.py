"""OTLP bodies in the store, and a transaction read back from there."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, update

from collector.domain.facts import Facts
from collector.domain.intake import read_logs, read_traces
from collector.store.commit import Seen, write_facts
from collector.store.queries.transaction import SpanDetail, TransactionDetail, get_transaction
from collector.store.stitcher import Stitcher
from collector.store.tables import exports
from tests.collector.domain.otlp import RECEIVED_MS


class Store:
    """Takes OTLP bodies the way the collector does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def traces(self, *bodies: bytes) -> None:
        self._write([read_traces(body, received_ms=RECEIVED_MS).facts for body in bodies])

    def logs(self, *bodies: bytes) -> None:
        self._write([read_logs(body, received_ms=RECEIVED_MS).facts for body in bodies])

    def damage(self, body: bytes) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(exports).values(body=body))

    def _write(self, facts: list[Facts]) -> None:
        for each in facts:
            with self._engine.begin() as connection:
                write_facts(connection, [each], Seen())
        stitcher = Stitcher(self._engine)
        while stitcher.run_pass() is not None:
            pass


def trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def key(span: int, trace: int = 1) -> str:
    return f"{trace:032x}-{span:016x}"


def get(page: Connection, trace: int = 1, **options: int) -> TransactionDetail:
    found = get_transaction(page, trace_id(trace), **options)
    assert found is not None
    return found


def by_key(found: TransactionDetail) -> dict[str, SpanDetail]:
    assert len({span.key for span in found.spans}) == len(found.spans)
    return {span.key: span for span in found.spans}
