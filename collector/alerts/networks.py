"""Which addresses channels may reach: the public internet, and what the administrator allows beside it.

Whoever may add a channel chooses where this machine sends requests. So every address that a name resolves to is
checked, and the connection goes to an address that was checked: a name that resolves otherwise the second time gains
nothing. Redirects are not followed.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from collector.alerts.outcomes import Blocked, TryAgain

SETTING = "CLEW_ALERT_NETWORKS"
_IPV6_UNICAST = IPv6Network("2000::/3")  # everything else is reserved, local or multicast
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = (
    IPv4Network("168.63.129.16/32"),  # Azure's own services for its machines, on a public address
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, which lead back into private networks
)


@dataclass(frozen=True, slots=True)
class Networks:
    """`allowed` are the internal networks that channels may reach."""

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Networks:
        """Of "10.1.0.0/16", "127.0.0.1". Raises ValueError."""
        return cls(tuple(ipaddress.ip_network(text.strip()) for text in texts if text.strip()))

    def allows(self, address: str) -> bool:
        """Whether the administrator allowed this internal address."""
        ip = _address(address)
        return ip is not None and any(ip.version == net.version and ip in net for net in self.allowed)

    def permits(self, address: str) -> bool:
        """Whether channels may connect to it."""
        ip = _address(address)
        return ip is not None and (_is_public(ip) or self.allows(address))

    def refuses(self, host: str) -> str | None:
        """Why channels may not reach this host, as far as that is known without asking anybody: it is an address, in
        any spelling, or this machine's own name. None: it may be reached, or only a resolver knows."""
        address = _literal(host)
        if address is None or self.permits(address):
            return None
        return _not_allowed(host, address)

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of which may be reached. Raises Blocked, TryAgain."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is no name"
            raise TryAgain(f"The name {host} cannot be resolved: {why}.") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if not self.permits(address):
                raise Blocked(_not_allowed(host, address))
        return addresses

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """A connection to one of the host's checked addresses. Raises Blocked, TryAgain."""
        deadline = time.monotonic() + timeout_s
        last: OSError | None = None
        for address in self.resolve(host, port):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((address, port), timeout=left)
            except OSError as error:
                last = error
        raise TryAgain(f"Cannot connect to {host} port {port}: {describe(last)}.")


def describe(error: BaseException | None) -> str:
    """An error of the network for a person, without what it was about."""
    if error is None or isinstance(error, TimeoutError):
        return "it took too long"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _not_allowed(host: str, address: str) -> str:
    return f"{host} is at the internal address {address}, which channels may not reach unless {SETTING} names it."


def _literal(host: str) -> str | None:
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    if _address(name) is not None:
        return name
    try:
        return socket.inet_ntoa(socket.inet_aton(name))  # 127.1, 0x7f.1, 2130706433
    except (OSError, UnicodeError):
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that packets end at; None: not an address."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if ip.is_multicast or not ip.is_global:
        return False
    if isinstance(ip, IPv6Address):
        return ip in _IPV6_UNICAST and ip.teredo is None
    return not ip.is_reserved and not any(ip in network for network in _NOT_PUBLIC)
