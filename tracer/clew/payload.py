"""Payloads as text: events, return values, requests and responses, masked and cut.

The work is bounded by the limit, never by the payload: a 20 MB event is walked until enough text is there.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from clew.guard import pass_on_signal
from clew.secrets import MASK, NAMES, VALUES

if TYPE_CHECKING:
    from clew.secrets import Secrets

_MAX_DEPTH = 32
_MAX_NODES = 4000
# JSON inside strings and bytes is parsed to be masked: about 1 ms for this many characters, summed over a payload.
_MAX_PARSED = 131_072
_MAX_INT_BITS = 1024
# A dict without any of these hides nothing by its neighbours: most, and told in 0.2 µs.
_NEIGHBOURS = frozenset({*NAMES, "isBase64Encoded", "data"})
_RECORD = frozenset({"sequenceNumber", "recordId"})

# Only what `_Walk` made goes in: plain JSON without cycles.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Payload(NamedTuple):
    """A payload's text, cut at the larger of the two limits.

    `size` is the length of the whole in bytes; where `measured` is false the whole is longer than that.
    `plain` is false if something in it was no plain JSON, so that the runtime may fail on it.
    """

    text: bytes
    size: int
    measured: bool
    plain: bool

    def cut(self, limit: int) -> str:
        """The text as an attribute's value, at most `limit` bytes and the mark that tells the whole's length."""
        if self.size <= limit and self.measured and len(self.text) == self.size:
            return self.text.decode()
        kept = self.text[:limit].decode(errors="ignore")
        return f"{kept}…[cut: {self.size}{'' if self.measured else '+'} bytes]"


class Renderer:
    """Turns values into payloads. `limit` is the most bytes that are ever kept of one."""

    def __init__(self, secrets: Secrets, limit: int) -> None:
        self.secrets = secrets
        self.limit = limit

    def render(self, value: object, place: str = "") -> Payload:  # noqa: ARG002  # what is masked where follows
        walk = _Walk(self.secrets, self.limit)
        copy = walk.value(value, 0)
        data = _encode(copy).encode("utf-8", "replace")
        size = max(len(data), walk.seen) if walk.stopped else len(data)
        return Payload(data[: self.limit], size, not walk.stopped, not walk.odd)

    def line(self, text: str, limit: int) -> str:
        """A log line, masked like the strings of a payload, and cut."""
        walk = _Walk(self.secrets, limit)
        masked = walk.text(text, 0)
        if walk.stopped or len(masked) > limit:
            return f"{masked[:limit]}…[cut: {len(text)} bytes]"
        return masked


class _Walk:
    """One pass over one value, making a masked copy that holds plain JSON only."""

    __slots__ = ("kept", "limit", "masked", "nodes", "odd", "parsed", "secrets", "seen", "stopped")

    def __init__(self, secrets: Secrets, limit: int) -> None:
        self.secrets = secrets
        self.limit = limit
        self.nodes = 0
        self.kept = 0  # characters that the copy holds
        self.seen = 0  # characters that the copy would hold, as far as that is known
        self.parsed = 0
        self.masked = False
        self.stopped = False
        self.odd = False

    def value(self, value: Any, depth: int) -> Any:  # noqa: PLR0911  # one branch per type, commonest first
        kind = type(value)
        if kind is str:
            return self.text(value, depth)
        self.nodes += 1
        if value is None or kind is bool:
            self.add(4)
            return value
        if kind is int:
            self.add(8)
            if value.bit_length() <= _MAX_INT_BITS:
                return value
            self.odd = True  # thousands of digits are more than Python turns into text
            return "[integer]"
        if kind is dict:
            return self.mapping(value, depth)
        if kind is list or kind is tuple:
            return self.sequence(value, depth)
        if kind is float:
            self.add(8)
            return value if value - value == 0 else str(value)
        self.odd = True  # a subclass may do as it likes when the runtime encodes it
        if isinstance(value, str):
            return self.text(str.__str__(value), depth)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.binary(value, depth)
        if isinstance(value, dict):
            return self.mapping(value, depth)
        if isinstance(value, (list, tuple)):
            return self.sequence(value, depth)
        return self.other(value, depth)

    def add(self, size: int) -> None:
        self.seen += size
        self.kept += size

    def full(self) -> bool:
        if self.kept > self.limit or self.nodes > _MAX_NODES:
            self.stopped = True
        return self.stopped

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if depth >= _MAX_DEPTH:
            self.stopped = self.odd = True
            return "[deeper]"
        copy: dict[str, Any] = {}
        named = self.secrets.named_by
        # By dict's own view: seven look-ups however many keys there are, and none of a subclass's methods.
        hidden = {} if dict.keys(value).isdisjoint(_NEIGHBOURS) else _hidden_values(value, self.secrets)
        for key, item in dict.items(value):
            if self.full():
                break
            secret = named(key) if type(key) is str else any(map(named, _names(key)))
            if type(key) is not str:
                key = self.key(key)  # noqa: PLW2901  # the copy's key
            self.add(len(key) + 4)
            if key in hidden or (secret and item is not None and item is not True and item is not False):
                self.add(6)
                self.masked = True
                copy[key] = hidden.get(key, MASK)
            else:
                copy[key] = self.value(item, depth + 1)
        return copy

    def key(self, key: object) -> str:
        if isinstance(key, str):
            return str.__str__(key)[:1000]
        if isinstance(key, (int, float)) or key is None:
            return str(key)[:1000]
        if type(key) is bytes:
            self.odd = True
            return key[:1000].decode("utf-8", "replace")
        self.odd = True
        return f"[{type(key).__name__}]"

    def sequence(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if depth >= _MAX_DEPTH:
            self.stopped = self.odd = True
            return "[deeper]"
        copy = []
        for item in list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value):
            if self.full():
                break
            self.add(2)
            copy.append(self.value(item, depth + 1))
        return copy

    def text(self, text: str, depth: int) -> str:
        self.nodes += 1
        size = len(text)
        if size < 4:  # too short for a key and a value
            self.add(size + 2)
            return text
        if text[0] in "{[ \n\r\t" and (start := text.lstrip()[:1]) and start in "{[":
            nested = self.nested(text, depth)
            if nested is not None:
                return nested
        room = max(0, self.limit - self.kept) + 1
        if size > room:
            # A secret that starts before the cut ends beyond it, so what is masked reaches a little further.
            text = self.secrets.masked_text(text[: room + 256])[:room]
            self.stopped = True
        else:
            shown = self.secrets.masked_text(text)
            if shown is not text:
                self.masked = True
                text = shown
        self.seen += size + 2
        self.kept += len(text) + 2
        return text

    def nested(self, text: str, depth: int) -> str | None:
        """Text that may be JSON: None if it is none, the text itself if it holds no secret, else a masked copy."""
        size = len(text)
        if self.parsed + size > _MAX_PARSED or depth >= _MAX_DEPTH:
            # It may hold a secret anywhere, and finding out would cost too much.
            self.add(min(64, size))
            self.seen += size
            self.stopped = True
            return f"[JSON of {size} characters, not looked into]"
        self.parsed += size
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            pass_on_signal(error)
            return None
        if not isinstance(value, (dict, list)):
            return None
        inner = _Walk(self.secrets, max(0, self.limit - self.kept) + 1)
        inner.parsed = self.parsed
        copy = inner.value(value, depth + 1)
        self.parsed = inner.parsed
        self.nodes += inner.nodes
        self.seen += max(size, inner.seen)
        if inner.stopped:
            self.stopped = True
        elif not inner.masked:
            self.kept += size
            return text
        self.masked = True
        masked = _encode(copy)
        self.kept += len(masked)
        return masked

    def binary(self, value: bytes | bytearray | memoryview, depth: int) -> str:
        """Bytes that are text as text, of large ones the start; else how many there are."""
        size = value.nbytes if isinstance(value, memoryview) else len(value)
        if size <= _MAX_PARSED:
            text = _decoded(bytes(value), whole=True)
        elif isinstance(value, memoryview):
            text = None  # it may have items of any size: what its start would be is not clear
        else:
            text = _decoded(bytes(value[: self.limit + 4]), whole=False)
        if text is None:
            self.add(24)
            return f"[binary: {size} bytes]"
        if size <= _MAX_PARSED:
            return self.text(text, depth)
        self.stopped = True
        self.seen += size
        if text.lstrip()[:1] in {"{", "["}:
            return f"[JSON of {size} bytes, not looked into]"
        copy = self.secrets.masked_text(text)
        self.kept += len(copy)
        return copy

    def other(self, value: object, depth: int) -> Any:
        """What JSON has no type for, by its class alone: `repr` may be slow, have effects, or show a secret."""
        if isinstance(value, int):  # IntEnum and the like
            return self.value(int(value), depth)
        if isinstance(value, float):
            return self.value(float(value), depth)
        name = type(value).__name__
        if name == "Decimal":
            self.add(12)
            return str(value)[:100]
        if isinstance(value, (set, frozenset)):
            return self.sequence(tuple(value) if len(value) <= _MAX_NODES else ("[set]",), depth)
        self.add(24)
        if name in {"datetime", "date", "time"} and hasattr(value, "isoformat"):
            return str(value.isoformat())
        if name == "UUID":
            return str(value)
        if hasattr(type(value), "read") or hasattr(type(value), "__anext__") or hasattr(type(value), "__next__"):
            return "[stream]"
        return f"[{name}]"


def _names(key: object) -> list[str]:
    """The texts that a key which is no plain string consists of, and by which it may name a secret."""
    if isinstance(key, tuple):
        return [name for part in tuple.__iter__(key) for name in _names(part)]
    names = []
    if isinstance(key, Enum):
        names = [key._name_]
        key = key._value_
    if isinstance(key, str):
        names.append(str.__str__(key))
    elif isinstance(key, bytes):
        names.append(key[:1000].decode("utf-8", "replace"))
    return names


def _hidden_values(value: dict[Any, Any], secrets: Secrets) -> dict[str, str]:
    """The fields of a dict that are hidden because of their neighbours, with what stands in for them.

    `{"Name": "password", "Value": "…"}` names its secret in a value, and base64 hides one from every look at keys.
    """
    hidden = {}
    for name in NAMES:
        named = dict.get(value, name)
        if type(named) is dict and len(named) == 1:
            named = next(iter(named.values()))  # as DynamoDB types it: {"S": "password"}
        if type(named) is str and secrets.named_by(named):
            hidden.update(dict.fromkeys(VALUES, MASK))
    size = dict.__len__(value)
    encoded = "body" if dict.get(value, "isBase64Encoded") is True else "data"
    if encoded == "body" or size == 1 or not dict.keys(value).isdisjoint(_RECORD):
        content = dict.get(value, encoded)
        if type(content) is str and (size > 1 or content.startswith("H4sI")):
            hidden[encoded] = f"[base64: {len(content)} characters]"
    return hidden


def _decoded(data: bytes, *, whole: bool) -> str | None:
    """Text, if the bytes are that. The start of a text may end within a character."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(data) - 4:
            return None
        text = data[: error.start].decode()
    return None if "\0" in text else text
