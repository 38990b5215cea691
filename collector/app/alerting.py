"""What decides on alerts and delivers them, made from the settings."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory
from collector.alerts.evaluator import Evaluator
from collector.alerts.keyring import Keyring, KeyringError
from collector.alerts.measures import AlertCounts
from collector.alerts.networks import Networks
from collector.app.errors import InvalidSetting
from collector.app.settings import Settings, variable
from collector.store.engine import sqlite_path


class Alerting:
    """What evaluates rules and what delivers the outcome, as one thing to start and to end."""

    def __init__(self, evaluator: Evaluator, deliverer: Deliverer) -> None:
        self._evaluator = evaluator
        self._deliverer = deliverer

    def start(self) -> None:
        self._deliverer.start()
        self._evaluator.start()

    def close(self, timeout_s: float) -> bool:
        """Returns whether everything that was being delivered ended in time."""
        self._evaluator.close()
        return self._deliverer.close(timeout_s)


def make_alerting(
    settings: Settings, writing: Engine, reading: Engine, url: str, counts: AlertCounts | None = None
) -> Alerting:
    """Not started. Raises InvalidSetting."""
    deliverer = make_deliverer(settings, writing, reading, url, counts)
    return Alerting(Evaluator(writing, reading, told=deliverer.wake, counts=counts), deliverer)


def make_directory(settings: Settings, engine: Engine, url: str | None = None) -> Directory:
    """The channels of the database; `url` is where this process listens. Raises InvalidSetting."""
    return Directory(engine, _keyring(settings, engine), _networks(settings), base_url(settings, url))


def make_deliverer(
    settings: Settings, writing: Engine, reading: Engine, url: str, counts: AlertCounts | None = None
) -> Deliverer:
    """Not started. Raises InvalidSetting."""
    return Deliverer(
        writing,
        reading,
        keyring=_keyring(settings, writing),
        networks=_networks(settings),
        base_url=base_url(settings, url),
        alone=sqlite_path(writing) is not None,  # whose file one collector claims
        counts=counts,
    )


def base_url(settings: Settings, url: str | None = None) -> str:
    """Where people read Clew, without a slash at its end."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return (settings.public_url or url or f"http://{host}:{settings.port}").rstrip("/")


def key_file(engine: Engine) -> Path | None:
    """Where the keys of channels' secrets are, unless the settings have them: beside the SQLite database."""
    path = sqlite_path(engine)
    return None if path is None else path.with_name(f"{path.name}.key")


def _keyring(settings: Settings, engine: Engine) -> Keyring:
    try:
        return Keyring(settings.secret_key, key_file(engine))
    except KeyringError as error:
        raise InvalidSetting(str(error)) from None


def _networks(settings: Settings) -> Networks:
    try:
        return Networks.parse((settings.alert_networks or "").split(","))
    except ValueError:
        raise InvalidSetting(
            f"{variable('alert_networks')} cannot be used: it lists networks and addresses, such as 10.1.0.0/16."
        ) from None
