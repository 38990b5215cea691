"""What every kind of channel is given to send, and the way to the module that sends it."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

from collector.alerts.channels.kinds import KINDS, Field
from collector.alerts.message import Message
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Receipt, Refused, Ticket, TryAgain
from collector.alerts.text import one_line

if TYPE_CHECKING:
    from collector.alerts.wire import Wire

Values = Mapping[str, str]  # of a kind's fields, secrets included; those that are not given are absent
MAX_VALUE = 4_096
_CONTROL = re.compile("[\x00-\x1f\x7f]")
MASK = "•••"
SHORTEST_PART = 8  # of an address, that is masked by itself: shorter ones are words such as `api`
MAX_REASON = 400


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message, of one alert or of several at once. `id` is the same however often it is sent; `base_url` is where
    Clew is read, without a slash at its end."""

    id: str
    messages: tuple[Message, ...]
    base_url: str
    at_s: int  # when it is sent
    reference: str | None = None  # what the service called the alert's first message
    ticket: Ticket | None = None  # what is open on the subject, as far as is known

    @property
    def first(self) -> Message:
        return self.messages[0]

    @property
    def title(self) -> str:
        if len(self.messages) == 1:
            return self.first.headline
        over = sum(message.over for message in self.messages)
        fired = len(self.messages) - over
        parts = [f"{fired} alert{'s' * (fired != 1)}"] * bool(fired) + [f"{over} resolved"] * bool(over)
        return f"{' and '.join(parts)} at once"

    def text(self) -> str:
        """All of it as plain text."""
        if len(self.messages) == 1:
            return self.first.text(self.base_url)
        lines = [self.title, ""]
        for message in self.messages:
            label = message.links(self.base_url)[0]
            lines.append(f"[{message.severity.upper()}] {message.headline}")
            lines.append(f"  {message.error or message.condition}")
            lines.append(f"  {label.url}")
        return "\n".join(lines)


class InvalidChannel(ValueError):
    """A channel cannot be like this: `field` is to blame. `str()` is for who made it, and holds no secret."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Sender(Protocol):
    """A module that sends to one kind of channel."""

    def send(self, values: Values, envelope: Envelope, wire: Wire) -> Receipt:
        """Raises a DeliveryError."""

    def check(self, values: Values) -> None:
        """Raises InvalidChannel for what `check_values` does not see."""


def deliver(kind: str, values: Values, envelope: Envelope, networks: Networks) -> Receipt:
    """Sends it. Raises a DeliveryError whose text holds none of the channel's secrets."""
    from collector.alerts.wire import Wire  # noqa: PLC0415  # 3 MB that only sending needs

    try:
        with Wire(networks) as wire:
            return _sender(kind).send(values, envelope, wire)
    except TryAgain as error:
        again = TryAgain(_reason(kind, values, error), after_s=error.after_s, whole_channel=error.whole_channel)
        raise again from None
    except Refused as error:
        raise type(error)(_reason(kind, values, error)) from None


def check_values(kind: str, values: Values) -> dict[str, str]:
    """The values as they are to be kept: trimmed, the defaults filled in. Raises InvalidChannel."""
    known = KINDS[kind].fields
    if strange := sorted(set(values) - {field.name for field in known}):
        raise InvalidChannel(strange[0], f"{KINDS[kind].title} has no field {strange[0]}.")
    checked = {}
    for field in known:
        value = values.get(field.name, "").strip() or field.default
        if value:
            _check_value(field, value)
            checked[field.name] = value
        elif field.required:
            raise InvalidChannel(field.name, f"{field.label} is needed.")
    _sender(kind).check(checked)
    return checked


def masked(kind: str, values: Values, text: str) -> str:
    """The text without any of the channel's secrets, nor parts of them, however they are written."""
    secrets = [values[field.name] for field in KINDS[kind].fields if field.secret and values.get(field.name)]
    parts = {part for secret in secrets for part in (secret, *_parts_of(secret))}
    for name in (values.get("email"), values.get("username")):
        parts.update(form for secret in secrets for form in _signed_in(name or "", secret))
    forms = {form for part in parts for form in _forms_of(part)}
    if not forms:
        return text
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.sub(pattern, MASK, text, flags=re.IGNORECASE)  # %2f and %2F are the same


def _reason(kind: str, values: Values, error: Exception) -> str:
    """Cut only after it is masked: a secret that is cut in two would not be found."""
    return one_line(masked(kind, values, str(error)), MAX_REASON)


def _parts_of(secret: str) -> Iterator[str]:
    """Of an address, where each part is a secret too."""
    if "://" not in secret:
        return
    try:
        parts = urlsplit(secret)
    except ValueError:
        return
    path = parts.path.strip("/")
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    yield from (part for part in (path, parts.query, password) if len(part) > 3)
    query = [value for _, value in parse_qsl(parts.query, keep_blank_values=True)]
    raw = [pair.partition("=")[2] for pair in parts.query.split("&")]
    small = [*path.split("/"), *query, *raw, parts.fragment, name]
    if parts.scheme not in ("http", "https") and "." not in host:
        small.append(host)  # Apprise has keys there
    yield from (part for part in small if len(part) >= SHORTEST_PART)
    if password:
        yield from _signed_in(unquote(name), unquote(password))


def _signed_in(name: str, secret: str) -> Iterator[str]:
    """As HTTP's Basic and SMTP's PLAIN and LOGIN send a name and a password."""
    for plain in (f"{name}:{secret}", f"\0{name}\0{secret}", secret):
        yield b64encode(plain.encode("utf-8", "replace")).decode().rstrip("=")


def _forms_of(part: str) -> set[str]:
    plain = {part, unquote(part, errors="replace"), unquote_plus(part, errors="replace")}
    found = set(plain)
    for one in plain:
        known = one.encode("utf-8", "replace")
        found |= {quote(known), quote(known, safe=""), quote_plus(known), html.escape(one), json.dumps(one)[1:-1]}
    return {one_line(form, MAX_VALUE * 12) for form in found} - {""}


def _check_value(field: Field, value: str) -> None:
    if len(value) > MAX_VALUE:
        raise InvalidChannel(field.name, f"{field.label} is too long: {MAX_VALUE} characters are enough.")
    if _CONTROL.search(value):
        raise InvalidChannel(field.name, f"{field.label} must be one line.")
    if field.choices and value not in field.choices:
        raise InvalidChannel(field.name, f"{field.label} is one of {', '.join(field.choices)}.")
    if field.url and not is_url(value):
        raise InvalidChannel(field.name, f"{field.label} must be an address that begins with https://.")


def is_url(text: str) -> bool:
    """Of http or https with a host, and without a name and password in it."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:
        return False


def _sender(kind: str) -> Sender:
    if kind not in KINDS:
        raise Refused(f"This version of Clew has no channels of the kind {kind}.")
    return cast("Sender", import_module(KINDS[kind].module))
