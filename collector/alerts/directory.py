"""The channels that there are: adding, changing, trying and removing them. For the pages and the command line.

What is read back holds no secret: `collector.store.queries.channels` is what pages show.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, delete, insert, select, update

from collector.alerts.channels.kinds import KINDS
from collector.alerts.channels.sending import Envelope, InvalidChannel, check_values, deliver
from collector.alerts.keyring import Keyring, KeyringError
from collector.alerts.message import Message
from collector.alerts.model import Condition, ConditionKind, Notice, NoticeKind, Rule, Severity, Subject, SubjectKind
from collector.alerts.networks import Networks
from collector.alerts.outbox import DEAD, WAITING
from collector.alerts.outcomes import DeliveryError, TryAgain
from collector.alerts.text import one_line
from collector.store.channel_tables import channels, deliveries, tickets

MAX_NAME = 100

__all__ = [
    "MAX_NAME",
    "Directory",
    "Draft",
    "InvalidChannel",
    "KeyringError",
    "TestResult",
    "UnknownChannel",
    "open_values",
]


class UnknownChannel(LookupError):
    """There is no channel of that name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A channel as a person describes it. `values` are of its kind's fields; when one is changed, a secret that is
    absent or empty stays as it was."""

    name: str
    kind: str
    values: Mapping[str, str]
    enabled: bool = True
    is_default: bool = False
    sends_resolved: bool = True
    least_severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class TestResult:
    """`reason` is why it did not arrive; None: it did. `url` is where the service shows it."""

    reason: str | None = None
    url: str | None = None
    remark: str | None = None

    __test__ = False  # for pytest, which takes its name for its own


class Directory:
    """`base_url` is where Clew is read from, without a slash at its end. `now` gives milliseconds since 1970."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        networks: Networks,
        base_url: str,
        *,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._networks = networks
        self._base_url = base_url
        self._now = now

    def add(self, draft: Draft) -> int:
        """Its id. Raises InvalidChannel, KeyringError."""
        id = random.SystemRandom().getrandbits(63)
        name = _name(draft)
        values = self._checked(draft.kind, draft.values)
        row = _row(draft, name, values) | {"id": id, "secrets": self._seal(id, draft.kind, values)}
        now = self._now()
        idle = {"holder": "", "held_until_ms": 0, "next_ms": 0, "created_ms": now, "updated_ms": now}
        with self._engine.begin() as connection:
            _reserve(connection, name, None)
            connection.execute(insert(channels), row | idle)
        return id

    def change(self, name: str, draft: Draft) -> None:
        """Puts the draft in the channel's place; its kind stays.

        Raises UnknownChannel, InvalidChannel, KeyringError."""
        new_name = _name(draft)
        with self._engine.begin() as connection:
            channel = _find(connection, name)
            if channel.kind != draft.kind:
                raise InvalidChannel("kind", "A channel's kind cannot change: add another channel.")
            _reserve(connection, new_name, channel.id)
            values = self._checked(draft.kind, self._with_kept(channel, draft.values))
            changed = _row(draft, new_name, values) | {
                "secrets": self._seal(channel.id, draft.kind, values),
                "updated_ms": self._now(),
                "next_ms": 0,
            }
            connection.execute(update(channels).where(channels.c.id == channel.id).values(**changed))

    def remove(self, name: str) -> None:
        """What waits for it is given up. Raises UnknownChannel."""
        with self._engine.begin() as connection:
            id = _find(connection, name).id
            connection.execute(delete(channels).where(channels.c.id == id))
            connection.execute(delete(tickets).where(tickets.c.channel_id == id))
            waiting = update(deliveries).where(deliveries.c.channel_id == id, deliveries.c.state == WAITING)
            connection.execute(waiting.values(state=DEAD, ended_ms=self._now(), reason="The channel was removed."))

    def test(self, name: str) -> TestResult:
        """Sends a test and waits for what comes of it, at most half a minute. Raises UnknownChannel."""
        with self._engine.connect() as connection:
            channel = _find(connection, name)
        now = self._now()
        envelope = Envelope(secrets.token_hex(8), (Message.of(_test_notice(now)),), self._base_url, now // 1000)
        try:
            values = open_values(self._keyring, channel.id, channel.settings, channel.secrets)
            receipt = deliver(channel.kind, values, envelope, self._networks)
            result = TestResult(url=receipt.url, remark=receipt.remark)
        except DeliveryError as error:
            result = TestResult(reason=str(error))
        with self._engine.begin() as connection:
            told = update(channels).where(channels.c.id == channel.id)
            connection.execute(told.values(tested_ms=now, test_error=result.reason))
        return result

    def rotate_keys(self) -> int:
        """Encrypts every channel's secrets with the first key, which is a new one where keys are in a file. Returns
        how many were. Raises KeyringError, Unreadable."""
        from_file = self._keyring.in_file
        if from_file:
            self._keyring.begin_rotation()
        with self._engine.begin() as connection:
            rows = connection.execute(select(channels.c.id, channels.c.secrets)).all()
            for row in rows:
                sealed = self._keyring.seal(row.id, self._keyring.open(row.id, row.secrets))
                connection.execute(update(channels).where(channels.c.id == row.id).values(secrets=sealed))
        if from_file:
            self._keyring.end_rotation()
        return len(rows)

    def hosts(self, ids: Collection[int]) -> dict[int, str]:
        """Where channels lead to, by their id: the host alone, never what comes after it in an address, which is a
        secret. A channel whose keys cannot be read, or that has no address, is absent."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(channels).where(channels.c.id.in_(list(ids)))).all()
        found = {}
        for row in rows:
            try:
                values = open_values(self._keyring, row.id, row.settings, row.secrets)
            except TryAgain:
                continue
            if host := _host(row.kind, values):
                found[row.id] = host
        return found

    def _checked(self, kind: str, values: Mapping[str, str]) -> dict[str, str]:
        """As `check_values`; an address that would only be refused when something is sent is refused here."""
        checked = check_values(kind, values)
        for field in KINDS[kind].fields:
            value = checked.get(field.name)
            host = urlsplit(value).hostname if value and field.url else value if field.name == "host" else None
            if host and (why := self._networks.refuses(host)):
                raise InvalidChannel(field.name, why)
        return checked

    def _seal(self, id: int, kind: str, values: Mapping[str, str]) -> bytes:
        return self._keyring.seal(
            id,
            {field.name: values[field.name] for field in KINDS[kind].fields if field.secret and field.name in values},
        )

    def _with_kept(self, channel: Any, values: Mapping[str, str]) -> dict[str, str]:
        names = [field.name for field in KINDS[channel.kind].fields if field.secret and not values.get(field.name)]
        if not names:
            return dict(values)
        try:
            kept = self._keyring.open(channel.id, channel.secrets)
        except TryAgain:
            kept = {}  # to be entered again: check_values asks for what is needed
        return dict(values) | {name: kept[name] for name in names if name in kept}


def open_values(keyring: Keyring, channel_id: int, settings: str, sealed: bytes) -> dict[str, str]:
    """All that a channel knows. Raises Unreadable."""
    values: dict[str, str] = json.loads(settings)
    return values | keyring.open(channel_id, sealed)


def _host(kind: str, values: Mapping[str, str]) -> str:
    """Of the first of its kind's addresses that it has; of a bot's or a service's key the service's own."""
    for field in KINDS[kind].fields if kind in KINDS else ():
        value = values.get(field.name, "")
        if value and field.url:
            parts = urlsplit(value)
            port = f":{parts.port}" if parts.port else ""
            return f"{parts.hostname}{port}" if parts.hostname else ""
        if value and kind == "apprise" and field.name == "url":
            return f"{value.partition('://')[0]}://…"  # what comes then may be a token
    return ""


def _row(draft: Draft, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    public = {field.name for field in KINDS[draft.kind].fields if not field.secret}
    return {
        "name": name,
        "kind": draft.kind,
        "settings": json.dumps({key: value for key, value in values.items() if key in public}, ensure_ascii=False),
        "enabled": draft.enabled,
        "is_default": draft.is_default,
        "sends_resolved": draft.sends_resolved,
        "least_severity": str(draft.least_severity),
    }


def _name(draft: Draft) -> str:
    if draft.kind not in KINDS:
        raise InvalidChannel("kind", f"A channel's kind is one of {', '.join(KINDS)}.")
    name = one_line(draft.name, MAX_NAME)
    if not name or name != draft.name.strip():
        raise InvalidChannel("name", f"A channel's name is one line of 1 to {MAX_NAME} characters.")
    return name


def _reserve(connection: Connection, name: str, own: int | None) -> None:
    taken = connection.scalar(select(channels.c.id).where(channels.c.name == name))
    if taken is not None and taken != own:
        raise InvalidChannel("name", f"There is a channel {name} already.")


def _find(connection: Connection, name: str) -> Any:
    found = connection.execute(select(channels).where(channels.c.name == name)).first()
    if found is None:
        raise UnknownChannel(f"There is no channel {name}.")
    return found


def _test_notice(now_ms: int) -> Notice:
    rule = Rule("test", "Test", Condition(ConditionKind.ERRORS, above=0))
    return Notice(
        alert_id=0,
        kind=NoticeKind.TEST,
        rule=rule,
        severity=Severity.INFO,
        subject=Subject(SubjectKind.TOGETHER, "test", "Clew"),
        value=0,
        threshold=0,
        window_s=0,
        since_s=now_ms // 1000,
        at_ms=now_ms,
    )
