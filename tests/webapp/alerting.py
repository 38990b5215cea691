"""What tests of the alerts' pages share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from collector.alerts.model import (
    Alert,
    ConditionKind,
    Rule,
)
from collector.alerts.pages import list_alerts, read_rules
from collector.alerts.rounds import Rounds
from collector.domain.facts import Result
from collector.store.channel_tables import channels
from tests.collector.alerts.world import World, rule
from webapp.identifiers import format_id
from webapp.rules.form import form_of, new_form

MARK = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
SECRET = "0123456789-secret-0123456789"


def fired(world: World, name: str = "checkout", **said: Any) -> Rounds:
    """A rule about errors that has fired on a function of that name."""
    rounds = world.begin(rule(name="Checkout fails", **said))
    world.invoke(700, name=name, type="CardError", message="card was declined", result=Result.ERROR)
    world.run(rounds, 705)
    return rounds


def alerts_of(engine: Engine, state: str = "all") -> tuple[Alert, ...]:
    with engine.connect() as connection:
        return list_alerts(connection, state=state).alerts


def stored_rules(engine: Engine) -> dict[str, Rule]:
    with engine.connect() as connection:
        return {id: stored.rule for id, stored in read_rules(connection).items()}


def fields_of(rule: Rule | None, kind: ConditionKind) -> dict[str, str | list[str]]:
    """What a browser sends of the form as it stands."""
    form = new_form(kind) if rule is None else form_of(rule)
    sent: dict[str, str | list[str]] = {
        name: value for name, value in form.items() if isinstance(value, str) or name == "channels"
    }
    sent |= {name: "1" for name, value in form.items() if value is True}
    for number, burn in enumerate(form["burns"]):
        sent |= {f"{part}-{number}": text for part, text in burn.items()}
    return sent


def channel_id(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        id = connection.scalar(select(channels.c.id).where(channels.c.name == name))
    assert id is not None
    return format_id(id)
