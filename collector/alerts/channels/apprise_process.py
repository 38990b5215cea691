"""The process that Apprise sends in: `python -m collector.alerts.channels.apprise_process`.

Standard input is {"url", "title", "body", "type", "networks"}; without "body" the address is only looked at. Standard
output is {"ok", "reason", "blocked"}. Every connection, also after a redirect, goes through Python's audit events: to
an internal address that is not allowed, to a socket of this machine, or into another program there is none.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from collector.alerts.networks import SETTING, Networks

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RUNNING = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "syslog.")


class _Stopped(Exception):
    pass


def main() -> None:
    order = json.load(sys.stdin)
    answer = sys.stdout
    sys.stdout = sys.stderr  # whatever a service's code prints
    blocked: list[str] = []
    try:
        ok, reason = _notify(order, blocked)
    except Exception as error:  # noqa: BLE001  # a service's code may raise anything
        ok, reason = False, "" if blocked else f"Apprise failed: {type(error).__name__}."
    json.dump({"ok": ok and not blocked, "reason": reason, "blocked": blocked[0] if blocked else None}, answer)


def _notify(order: dict[str, Any], blocked: list[str]) -> tuple[bool, str]:
    import apprise  # noqa: PLC0415
    from apprise.common import NotifyFormat, OverflowMode, PersistentStoreMode  # noqa: PLC0415

    asset = apprise.AppriseAsset(secure_logging=True, storage_mode=PersistentStoreMode.MEMORY, app_id="Clew")
    _guard(Networks.parse(order["networks"]), blocked)
    service = apprise.Apprise.instantiate(order["url"], asset=asset, suppress_exceptions=True)
    if service is None:
        return False, "Apprise does not know such an address."
    if "body" not in order:
        return True, ""
    if "overflow=" not in order["url"]:
        service.overflow_mode = OverflowMode.TRUNCATE
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
        ok = sender.notify(
            title=order["title"], body=order["body"], notify_type=order["type"], body_format=NotifyFormat.TEXT
        )
        return bool(ok), log.getvalue()


def _guard(networks: Networks, blocked: list[str]) -> None:
    """From here on, for good: audit hooks cannot be taken away."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CONNECTING:
            address = arguments[1]
            if address is None:  # sent over a connection that was checked
                return
            host = str(address[0]) if isinstance(address, tuple) else ""
            if not networks.permits(host):
                where = f"the internal address {host}" if host else "a socket of this machine"
                blocked.append(f"It leads to {where}, which channels may not reach unless {SETTING} names it.")
                raise _Stopped
        elif event.startswith(_RUNNING):
            blocked.append("It would run something on this machine, which channels may not do.")
            raise _Stopped

    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
