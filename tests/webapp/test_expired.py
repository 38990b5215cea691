"""A transaction whose payloads or older part retention has taken."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from collector.store.periods import Periods
from collector.store.pruner import Pruner
from tests.webapp.traffic import NOW_MS, fill


def ids(engine: Engine) -> list[str]:
    """Of all transactions, those of most invocations first."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT id FROM transactions ORDER BY invocations DESC, started_ns"))
        return [bytes(row.id).hex() for row in found]


def prune(engine: Engine, *, exports: float, rows: float, minutes: float, hours: float) -> None:
    periods = Periods(exports=exports, rows=rows, minutes=minutes, hours=hours)
    Pruner(engine, engine, periods, now_ns=lambda: NOW_MS * 1_000_000 + 1).run()


def page(client: FlaskClient, id: str) -> str:
    response = client.get(f"/transactions/{id}")
    assert 200 == response.status_code
    return " ".join(re.sub("<[^>]+>", " ", response.text).split())


def test_without_payloads_it_opens_and_says_so(engine: Engine, client: FlaskClient) -> None:
    """Every transaction, with each of its functions where it had them before."""
    fill(engine)
    before = {id: page(client, id) for id in ids(engine)}
    assert not [id for id, shown in before.items() if "were too old to be kept" in shown]

    prune(engine, exports=1e-9, rows=365, minutes=365, hours=400)

    first = ids(engine)[0]
    shown = page(client, first)
    assert re.search(r"log lines of (\d+) of \1 invocations were too old to be kept", shown)
    with engine.connect() as connection:
        names = connection.scalars(
            text(
                "SELECT DISTINCT name FROM functions JOIN invocations ON function_id = functions.id "
                "JOIN memberships m ON m.trace_id = invocations.trace_id WHERE m.transaction_id = :id"
            ),
            {"id": bytes.fromhex(first)},
        ).all()
    assert len(names) > 1
    assert all(name in shown for name in names)
    for id in ids(engine):
        page(client, id)


def test_what_is_gone_is_counted(engine: Engine, client: FlaskClient) -> None:
    """The rows of its first invocation are no longer there."""
    fill(engine)
    first = ids(engine)[0]
    with engine.begin() as connection:
        connection.execute(
            text(
                "DELETE FROM invocations WHERE trace_id = :id AND started_ns = "
                "(SELECT MIN(started_ns) FROM invocations WHERE trace_id = :id)"
            ),
            {"id": bytes.fromhex(first)},
        )

    assert "1 more invocation was part of this transaction: too old to be kept, or not received." in page(client, first)
