"""What a `PUT /2022-07-01/telemetry` asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from collector.local_lambda.refusal import Refusal

SCHEMA_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")
TYPES = ("platform", "function", "extension")
RESERVED_PORT = 9001
# Each with what it is when nothing is said, the least and the most.
_BUFFERING = {
    "maxItems": (10_000, 1_000, 10_000),
    "maxBytes": (262_144, 262_144, 1_048_576),
    "timeoutMs": (1_000, 25, 30_000),
}
_HOSTS = ("sandbox.localdomain", "sandbox", "127.0.0.1")  # the first two are Lambda's names for the environment itself


@dataclass(frozen=True)
class Subscription:
    """Who gets which events, where and how many at once."""

    name: str
    schema_version: str
    types: tuple[str, ...]
    port: int  # of 127.0.0.1, whatever name the address had
    path: str
    max_items: int
    max_bytes: int
    timeout: float  # seconds


def parse_subscription(name: str, body: Any) -> Subscription:
    """Check the JSON body of the extension of that name.

    Raises:
        Refusal: with status 400, and a message that says what is wrong.
    """
    if not isinstance(body, dict):
        raise _invalid("the body is no JSON object")
    version = body.get("schemaVersion")
    if version not in SCHEMA_VERSIONS:
        raise _invalid(f"schemaVersion is to be one of {', '.join(SCHEMA_VERSIONS)}")
    types = body.get("types")
    if not isinstance(types, list) or not types or not all(kind in TYPES for kind in types):
        raise _invalid(f"types are to be some of {', '.join(TYPES)}")
    port, path = _destination(body.get("destination"))
    limits = _buffering(body.get("buffering"))
    return Subscription(
        name,
        str(version),
        tuple(dict.fromkeys(types)),
        port,
        path,
        limits["maxItems"],
        limits["maxBytes"],
        limits["timeoutMs"] / 1000,
    )


def _destination(destination: Any) -> tuple[int, str]:
    if not isinstance(destination, dict) or destination.get("protocol") != "HTTP":
        raise _invalid("destination.protocol is to be HTTP")
    try:
        address = urlsplit(str(destination.get("URI", "")))
        host, port = address.hostname, address.port
    except ValueError:
        raise _invalid("destination.URI cannot be read") from None
    if address.scheme != "http" or host not in _HOSTS:
        raise _invalid(f"destination.URI is to be http://{_HOSTS[0]}:PORT")
    if port == RESERVED_PORT:
        raise _invalid(f"port {RESERVED_PORT} is Lambda's own")
    return port or 80, address.path or "/"


def _buffering(buffering: Any) -> dict[str, int]:
    if buffering is None:
        buffering = {}
    if not isinstance(buffering, dict):
        raise _invalid("buffering is no JSON object")
    limits = {}
    for name, (default, least, most) in _BUFFERING.items():
        value = buffering.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _invalid(f"buffering.{name} is to be a whole number from {least} to {most}")
        limits[name] = value
    return limits


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationError", message, status=400)
