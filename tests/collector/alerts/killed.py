"""A process that alerts and delivers, and may kill itself at a step on the way.

python -m tests.collector.alerts.killed DATABASE KEY_FILE STEP
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.alerts import delivery, outbox, wire
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from collector.store.engine import open_engine
from tests.collector.alerts.conftest import BASE_URL, Clock
from tests.collector.alerts.notices import AT_MS, notice

# In the order in which they are passed. `sent`: how often the service has got the message when the process dies there;
# one that is killed by the service itself has been heard, and not answered.
STEPS = {
    "alert not committed": 0,
    "alert committed": 0,
    "before claim": 0,
    "claim not committed": 0,
    "claimed": 0,
    "request made": 0,
    "request received": 1,
    "answered": 1,
    "settlement not committed": 1,
    "settled": 1,
}


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(module: Any, name: str) -> None:
    _replace(module, name, lambda *_arguments, **_options: kill())


def after(module: Any, name: str) -> None:
    def call_and_die(real: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        kill()

    _replace(module, name, call_and_die)


def _replace(module: Any, name: str, act: Callable[..., Any]) -> None:
    real = getattr(module, name)
    setattr(module, name, lambda *arguments, **options: act(real, *arguments, **options))


def main(url: str, key_file: str, step: str) -> None:
    engine, reader = open_engine(url), open_engine(url, read_only=True)
    with engine.begin() as connection:
        outbox.add(connection, [notice()], now_ms=AT_MS)
        if step == "alert not committed":
            kill()
    if step == "alert committed":
        kill()
    patches: dict[str, Callable[[], None]] = {
        "before claim": lambda: before(outbox, "claim"),
        "claim not committed": lambda: after(outbox, "claim"),
        "claimed": lambda: before(delivery, "deliver"),
        "request made": lambda: before(wire.Wire, "_exchange"),
        "answered": lambda: after(wire.Wire, "_exchange"),
        "settlement not committed": lambda: after(outbox, "settle_sent"),
        "settled": lambda: after(delivery.Deliverer, "_send"),
    }
    patches.get(step, lambda: None)()
    deliverer = delivery.Deliverer(
        engine,
        reader,
        keyring=Keyring(path=Path(key_file)),
        networks=Networks.parse(["127.0.0.1"]),
        base_url=BASE_URL,
        clock=Clock(),
    )
    deliverer.run_pass()


if __name__ == "__main__":
    main(*sys.argv[1:])
