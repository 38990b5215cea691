"""What the evaluation and the deliveries count, and what is open and waiting, as measures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from collector.alerts.model import AlertState, Severity
from collector.alerts.outbox import WAITING
from collector.domain.measures import Durations, Histogram, Labels, Measure, by, one
from collector.store.alert_tables import alert_position, alerts
from collector.store.channel_tables import deliveries
from collector.store.errors import StoreError

_READ_EVERY_S = 10.0  # the database is not asked more often than this, whoever asks us
_ACTIVE = (AlertState.OPEN, AlertState.ACKNOWLEDGED)


@dataclass(slots=True)
class AlertCounts:
    """Of this process. By severity; of deliveries by the kind of channel. Each is counted by one thread, or under the
    lock of what counts it."""

    fired: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    failed_rounds: int = 0
    round_s: Durations = field(default_factory=Durations)


def alert_measures(counts: AlertCounts, reading: Engine) -> list[Measure | Histogram]:
    database = _Database(reading)

    def counter(name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> Measure:
        return Measure(name, "counter", text, lambda: by(label, read()))

    return [
        Measure("active_alerts", "gauge", "Alerts that are open or acknowledged.", lambda: database.read().active),
        counter("fired_alerts", "Alerts that opened.", "severity", lambda: counts.fired),
        counter("resolved_alerts", "Alerts that resolved.", "severity", lambda: counts.resolved),
        counter("sent_deliveries", "Messages that arrived.", "channel_kind", lambda: counts.sent),
        counter("failed_deliveries", "Attempts that failed and are repeated.", "channel_kind", lambda: counts.failed),
        counter("dead_deliveries", "Messages that were refused for good.", "channel_kind", lambda: counts.dead),
        Measure("waiting_deliveries", "gauge", "Messages in the outbox.", lambda: database.read().waiting),
        Histogram("evaluation_seconds", "Durations of the rounds that evaluate alert rules.", counts.round_s.read),
        Measure(
            "failed_evaluations",
            "counter",
            "Rounds that failed and are repeated.",
            lambda: one(counts.failed_rounds),
        ),
        Measure(
            "last_evaluation_timestamp_seconds",
            "gauge",
            "Up to when alert rules were evaluated, by whichever collector does it.",
            lambda: database.read().evaluated,
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    active: Mapping[Labels, float] = field(default_factory=dict)
    waiting: Mapping[Labels, float] = field(default_factory=dict)
    evaluated: Mapping[Labels, float] = field(default_factory=dict)


class _Database:
    """Numbers that the database is asked for, all at once. None where it does not answer."""

    def __init__(self, reading: Engine) -> None:
        self._reading = reading
        self._read_at = -_READ_EVERY_S
        self._found = _Found()

    def read(self) -> _Found:
        now = time.monotonic()
        if now - self._read_at >= _READ_EVERY_S:
            self._read_at = now
            self._found = _Found()
            try:
                with self._reading.connect() as connection:
                    self._found = _ask(connection)
            except (SQLAlchemyError, StoreError):
                pass  # whoever scrapes us sees that it is missing, and by clew_store_alive why
        return self._found


def _ask(connection: Connection) -> _Found:
    active = select(alerts.c.severity, func.count()).where(alerts.c.state.in_(_ACTIVE)).group_by(alerts.c.severity)
    waiting = select(func.count()).select_from(deliveries).where(deliveries.c.state == WAITING)
    evaluated_s = connection.scalar(select(alert_position.c.evaluated_s))
    severities: dict[str, float] = dict.fromkeys(map(str, Severity), 0)
    severities.update((severity, number) for severity, number in connection.execute(active))
    return _Found(
        active=by("severity", severities),
        waiting=one(connection.scalar(waiting) or 0),
        evaluated=one(evaluated_s) if evaluated_s is not None else {},
    )
