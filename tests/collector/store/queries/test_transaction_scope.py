"""Transactions of very many invocations, and batches of very many messages."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from collector.domain.transactions import MAX_ENTRIES
from collector.store.queries import transaction_scope, transaction_source
from collector.store.queries.transaction import TransactionDetail, get_transaction
from tests.collector.domain.otlp import MS, call, export, invocation, trace_bytes
from tests.collector.store.queries.stored import Store


def get(page: Connection, trace: int) -> TransactionDetail:
    found = get_transaction(page, trace_bytes(trace))
    assert found is not None
    return found


def send(trace: int, message: str) -> bytes:
    return export(
        spans=[
            invocation(id=trace, trace=trace, start=trace * MS),
            call(
                "SQS.SendMessage",
                id=10_000 + trace,
                trace=trace,
                parent=trace,
                start=trace * MS,
                keys=[f"sqs:{message}"],
            ),
        ]
    )


def take(trace: int, messages: list[str]) -> bytes:
    keys = {"clew.link.keys": [f"sqs:{message}" for message in messages]}
    return export(spans=[invocation("batch", id=trace, trace=trace, start=trace * MS, attrs=keys)])


def test_a_batch_of_very_many_is_beside_those_that_fed_it(store: Store, page: Connection) -> None:
    """Up to the bound it is part of them; beyond it, each side says where the other is."""
    messages = [f"m{number}" for number in range(1, MAX_ENTRIES + 2)]
    store.traces(*(send(number, message) for number, message in enumerate(messages, 1)))
    store.traces(take(900, messages[:MAX_ENTRIES]))
    store.traces(take(901, messages))

    fed, crowded, sender = get(page, 900), get(page, 901), get(page, 1)
    assert fed.id == trace_bytes(1)
    assert sender.invocations_total == 2
    assert (crowded.id, crowded.invocations_total) == (trace_bytes(901), 1)
    assert (crowded.beside.links_in, len(crowded.beside.before)) == (MAX_ENTRIES + 1, transaction_scope.SHOWN)
    assert set(crowded.beside.before) <= {trace_bytes(number) for number in range(1, MAX_ENTRIES + 2)}
    assert (sender.beside.after, sender.beside.links_in) == ((trace_bytes(901),), 0)


def test_of_very_many_invocations_the_earliest_are_read(
    store: Store, page: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are traces or in one trace; the sums are of all."""
    for module in (transaction_scope, transaction_source):
        monkeypatch.setattr(module, "MOST_INVOCATIONS", 10)
    messages = [f"m{number}" for number in range(2, 22)]
    sent = [
        call("SQS.SendMessage", id=500 + n, parent=1, start=n, keys=[f"sqs:{message}"])
        for n, message in enumerate(messages)
    ]
    store.traces(export(spans=[invocation(id=1), *sent]))
    store.traces(*(take(number, [f"m{number}"]) for number in range(2, 22)))
    within = [
        invocation(id=7_000 + n, trace=50, start=n * MS, parent=7_000 if n else b"", request=f"r{n}") for n in range(20)
    ]
    store.traces(*(export(spans=[span]) for span in within))

    many, one = get(page, 1), get(page, 50)
    assert (many.invocations_total, len(many.invocations), many.left_out) == (21, 10, 11)
    assert (one.invocations_total, len(one.invocations), one.left_out) == (20, 10, 10)
    assert [row.key.rpartition("-")[2] for row in one.invocations] == [f"{7_000 + n:016x}" for n in range(10)]
    assert len([span for span in many.spans if span.kind == "invocation"]) == 10
    assert (many.gone_invocations, one.gone_invocations) == (0, 0)
    assert get(page, 15).id == many.id
