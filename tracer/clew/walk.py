"""One pass over one value, making a masked copy that holds plain JSON only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clew.guard import pass_on_signal
from clew.neighbours import NEIGHBOURS, hidden_values, names, without_secret_key
from clew.secrets import MASK, MAX_HARMLESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.secrets import Secrets

MAX_DEPTH = 32
_MAX_NODES = 4000
# JSON inside strings and bytes is parsed to be masked: about 1 ms for this many characters, summed over a payload.
MAX_PARSED = 131_072
_MAX_INT_BITS = 1024
# Smaller numbers are no card's, and nor are milliseconds since 1970.
MAX_CARDLESS = _MIN_CARD = 4 * 10**12
_MAX_CARD = 10**19
_MAX_NAME = 64  # of a secret, in a list of two
# Base64 of what starts as JSON does, compact or indented, or with gzip's magic number.
ENCODED = frozenset({
    "eyI", "eyJ", "eyA", "eyB", "ewo", "ewp", "ew0", "ew1", "ewk", "ewl", "H4s",
    "W3s", "W3t", "WyI", "WyJ", "WyA", "WyB", "Wwo", "Wwp", "Ww0", "Ww1", "Wwk", "Wwl", "W1s", "W1t",
})  # fmt: skip
_MIN_ENCODED = 12
_STARTS = frozenset('{["')

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def _encode() -> Callable[[Any], str]:
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    # JSONEncoder makes one of these for each text, which takes longer than most texts.
    chunks = make(
        None, _encoder.default, json.encoder.encode_basestring, None, _encoder.key_separator, _encoder.item_separator,
        False, False, True,
    )  # fmt: skip
    return lambda value: "".join(chunks(value, 0))


encode = _encode()
"""JSON of what a walk made or would make: plain, without cycles."""


def may_be_encoded(text: str, size: int) -> bool:
    """Whether text starts as JSON does, or as base64 of it."""
    return (text[0] in '{[" \n\r\t' and text.lstrip()[:1] in _STARTS) or (size >= _MIN_ENCODED and text[:3] in ENCODED)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of a key that is there twice Python would keep one value, and the text shows both."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


_decode = json.JSONDecoder(object_pairs_hook=_object).decode


class Walk:
    """Masks by keys and by what values look like."""

    __slots__ = (
        "kept", "key_ids", "limit", "masked", "nodes", "odd", "parsed", "secrets", "seen", "stopped", "under",
    )  # fmt: skip

    def __init__(self, secrets: Secrets, limit: int) -> None:
        self.secrets = secrets
        self.limit = limit
        self.nodes = 0
        self.kept = 0  # characters that the copy holds
        self.seen = 0  # characters that the copy would hold, as far as that is known
        self.parsed = 0
        self.under: Any = None  # the key or index of the value at hand, for a walk that wants to know
        self.key_ids = False  # whether the id of an AWS access key turned up
        self.masked = False
        self.stopped = False
        self.odd = False

    def inner(self) -> Walk:
        """A walk over what a text of this one holds."""
        walk = Walk(self.secrets, max(0, self.limit - self.kept) + 1)
        walk.parsed = self.parsed
        return walk

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
            return value if -_MIN_CARD < value < _MIN_CARD else self.integer(value)
        if kind is dict:
            return self.mapping(value, depth)
        if kind is list or kind is tuple:
            return self.sequence(value, depth)
        if kind is float:
            self.add(8)
            if _MIN_CARD <= value < _MAX_CARD and value.is_integer():
                return MASK if self.integer(int(value)) is MASK else value
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

    def integer(self, value: int) -> Any:
        """A number that is as long as a card's, or longer."""
        if value.bit_length() > _MAX_INT_BITS:
            self.odd = True  # thousands of digits are more than Python turns into text
            return "[integer]"
        if _MIN_CARD <= value < _MAX_CARD:
            digits = str(value)
            if self.secrets.masked_text(digits) is not digits:
                self.masked = True
                return MASK
        return value

    def add(self, size: int) -> None:
        self.seen += size
        self.kept += size

    def full(self) -> bool:
        if self.kept > self.limit or self.nodes > _MAX_NODES:
            self.stopped = True
        return self.stopped

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            self.stopped = self.odd = True
            return "[deeper]"
        copy: dict[str, Any] = {}
        named = self.secrets.named_by
        # By dict's own view: eight look-ups however many keys there are, and none of a subclass's methods.
        hidden = {} if dict.keys(value).isdisjoint(NEIGHBOURS) else hidden_values(value, self.secrets)
        for key, item in dict.items(value):
            if self.full():
                break
            secret = named(key) if type(key) is str else any(map(named, names(key)))
            if type(key) is not str:
                key = self.key(key)  # noqa: PLW2901  # the copy's key
            self.add(len(key) + 4)
            self.under = key
            if secret and item is not None and item is not True and item is not False:
                copy[key] = self.hide(item)
            elif hidden and key in hidden:
                copy[key] = self.base64(item, depth) if hidden[key] else self.hide(item)
            else:
                copy[key] = self.value(item, depth + 1)
        if self.key_ids:
            for key, item in copy.items():
                copy[key] = without_secret_key(item)
        return copy

    def hide(self, value: object) -> str:
        self.add(6)
        self.masked = True
        if type(value) is str and value.startswith(("AKIA", "ASIA")):
            self.key_ids = True
        return MASK

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
        if depth >= MAX_DEPTH:
            self.stopped = self.odd = True
            return "[deeper]"
        copy: list[Any] = []
        kind: Any = list if isinstance(value, list) else tuple
        items = kind.__iter__(value)
        # `["password", "x"]` is a pair, and `["--password", "x"]` an option with its value.
        pair = kind.__len__(value) == 2
        named = False
        for index, item in enumerate(items):
            if self.full():
                break
            self.add(2)
            self.under = index
            if named and item is not None and item is not True and item is not False:
                copy.append(self.hide(item))
                named = False
                continue
            copy.append(self.value(item, depth + 1))
            named = (pair and index == 0) or (type(item) is str and item.startswith("-"))
            if named:
                named = any(len(name) <= _MAX_NAME and self.secrets.named_by(name) for name in names(item))
        if self.key_ids:
            copy = [without_secret_key(item) for item in copy]
        return copy

    def text(self, text: str, depth: int) -> str:
        self.nodes += 1
        size = len(text)
        secrets = self.secrets
        if size < 4 or text in secrets.harmless:  # too short for a key and a value, or seen before
            self.add(size + 2)
            return text
        plain = False
        if text[0] in '{[" \n\r\t' and (start := text.lstrip()[:1]) and start in '{["':
            nested = self.nested(text, depth)
            if nested is not None:
                return nested
        elif size >= _MIN_ENCODED and text[:3] in ENCODED:
            shown = self.encoded(text, depth, known=False)
            if shown is not None:
                return shown
        else:
            plain = size <= MAX_HARMLESS
        room = max(0, self.limit - self.kept) + 1
        if size > room:
            # A secret that starts before the cut ends beyond it, so what is masked reaches a little further.
            text = secrets.masked_text(text[: room + 256])[:room]
            self.stopped = True
        else:
            shown = secrets.masked_text(text)
            if shown is not text:
                self.masked = True
                if "AKIA" in text or "ASIA" in text:
                    self.key_ids = True
                text = shown
            elif plain:
                secrets.remember(text)
        self.seen += size + 2
        self.kept += len(text) + 2
        return text

    def nested(self, text: str, depth: int) -> str | None:
        """Text that may be JSON: None if it is none, the text itself if it holds no secret, else a masked copy."""
        size = len(text)
        if self.parsed + size > MAX_PARSED or depth >= MAX_DEPTH:
            # It may hold a secret anywhere, and finding out would cost too much.
            self.add(min(64, size))
            self.seen += size
            self.stopped = True
            return f"[JSON of {size} characters, not looked into]"
        self.parsed += size
        try:
            value = _decode(text)
        except (ValueError, RecursionError) as error:
            pass_on_signal(error)
            return None
        if not isinstance(value, (dict, list, str)):
            return None
        inner = self.inner()
        copy = inner.value(value, depth + 1)
        self.take(inner, size)
        if not (inner.stopped or inner.masked):
            self.kept += size
            return text
        self.masked = True
        masked = encode(copy)
        self.kept += len(masked)
        return masked

    def take(self, inner: Walk, size: int) -> None:
        """Count what an inner walk over a text of this size did."""
        self.parsed = inner.parsed
        self.nodes += inner.nodes
        self.seen += max(size, inner.seen)
        self.stopped = self.stopped or inner.stopped
        self.key_ids = self.key_ids or inner.key_ids

    def base64(self, content: Any, depth: int) -> Any:
        """A field that is base64 by what stands beside it."""
        if type(content) is not str:
            return self.value(content, depth + 1)
        return self.encoded(content, depth, known=True)

    def encoded(self, content: str, depth: int, *, known: bool) -> str | None:
        """Base64 as what it holds, with a mark. Where it only looks like base64 (not `known`): None if it is none or
        has to be cut, and the text itself if it holds no secret.
        """
        size = len(content)
        from clew.base64_text import decoded, is_base64  # noqa: PLC0415  # rarely needed

        if not known and not is_base64(content[:MAX_PARSED]):
            return None
        found = None
        costly = self.parsed + size > MAX_PARSED or depth >= MAX_DEPTH
        if not costly:
            self.parsed += size
            found = decoded(content, MAX_PARSED - self.parsed)
        if found is None:
            if not (known or costly):
                return None
            self.add(24)
            self.masked = True
            return f"[base64: {size} characters]"
        inner = self.inner()
        shown = inner.text(found.text, depth + 1)
        if not known and not inner.masked and not inner.stopped:
            self.parsed = inner.parsed
            if size > max(0, self.limit - self.kept) + 1:
                return None
            self.add(size + 2)
            return content
        self.take(inner, size)
        self.masked = True
        self.kept += len(shown) + len(found.form) + 5
        return f"[{found.form}] {shown}"

    def binary(self, value: bytes | bytearray | memoryview, depth: int) -> str:
        """Bytes that are text as text, of large ones the start; else how many there are."""
        size = value.nbytes if isinstance(value, memoryview) else len(value)
        if size <= MAX_PARSED:
            text = _decoded(bytes(value), whole=True)
        elif isinstance(value, memoryview):
            text = None  # it may have items of any size: what its start would be is not clear
        else:
            text = _decoded(bytes(value[: self.limit + 4]), whole=False)
        if text is None:
            self.add(24)
            return f"[binary: {size} bytes]"
        if size <= MAX_PARSED:
            return self.text(text, depth)
        self.stopped = True
        self.seen += size
        if text.lstrip()[:1] in {"{", "["}:
            return f"[JSON of {size} bytes, not looked into]"
        if text[:3] in ENCODED:
            return f"[base64: {size} characters]"
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
            return self.text(str(value)[:100], depth)
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


def _decoded(data: bytes, *, whole: bool) -> str | None:
    """Text, if the bytes are that. The start of a text may end within a character."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(data) - 4:
            return None
        text = data[: error.start].decode()
    return None if "\0" in text else text
