"""Failed sign-ins. Nobody guesses 256 random bits; this keeps those who try from costing anything."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

MOST = 5  # failures of one address
WINDOW_MS = 60_000
MAX_ADDRESSES = 1024  # remembered; who has more of them forgets the oldest


class Attempts:
    """Threads may call it at will."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, list[int]] = OrderedDict()

    def wait_s(self, address: str, now_ms: int) -> int:
        """Seconds until the address may try again; 0: now."""
        with self._lock:
            recent = self._recent(_network(address), now_ms)
        return 0 if len(recent) < MOST else max(1, -(-(recent[0] + WINDOW_MS - now_ms) // 1000))

    def failed(self, address: str, now_ms: int) -> None:
        network = _network(address)
        with self._lock:
            self._failed[network] = [*self._recent(network, now_ms), now_ms][-MOST:]
            self._failed.move_to_end(network)
            while len(self._failed) > MAX_ADDRESSES:
                self._failed.popitem(last=False)

    def _recent(self, network: str, now_ms: int) -> list[int]:
        return [at for at in self._failed.get(network, ()) if now_ms - at < WINDOW_MS]


def _network(address: str) -> str:
    """An IPv6 address is one of 2**64 that its owner may use."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if parsed.version == 4 or mapped:
        return str(mapped or parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
