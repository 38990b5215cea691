"""One pass over one value, making a masked copy that holds plain JSON only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.guard import pass_on_signal
from clew.json_text import ENCODED, MIN_ENCODED, decode, encode
from clew.neighbours import NEIGHBOURS, hidden_values, names, without_secret_key
from clew.secrets import MASK, MAX_HARMLESS

if TYPE_CHECKING:
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
        # By the class, not by `isinstance`: that asks the object too, which may raise or say that it is what it is not.
        if issubclass(kind, str):
            return self.text(str.__str__(value), depth)
        if issubclass(kind, (bytes, bytearray, memoryview)):
            return self.binary(value, depth)
        if issubclass(kind, dict):
            return self.mapping(value, depth)
        if issubclass(kind, (list, tuple)):
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

    def key(self, key: Any) -> str:
        kind = type(key)
        if issubclass(kind, str):
            return str.__str__(key)[:1000]
        if key is None or kind is bool:
            return str(key)
        if issubclass(kind, int):
            return int.__repr__(key) if int.bit_length(key) <= _MAX_INT_BITS else "[integer]"
        if issubclass(kind, float):
            return float.__repr__(key)
        self.odd = True
        if kind is bytes:
            return str(key[:1000], "utf-8", "replace")
        from clew.odd_values import class_name  # noqa: PLC0415  # the same

        return f"[{class_name(kind)}]"

    def sequence(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            self.stopped = self.odd = True
            return "[deeper]"
        copy: list[Any] = []
        kind: Any = list if issubclass(type(value), list) else tuple
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
        elif size >= MIN_ENCODED and text[:3] in ENCODED:
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
            value = decode(text)
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

    def binary(self, value: Any, depth: int) -> str:
        """Bytes that are text as text, of large ones the start; else how many there are."""
        own, size = binary_size(value)
        if size <= MAX_PARSED:
            text = _decoded(bytes(value if own is memoryview else own.__getitem__(value, slice(None))), whole=True)
        elif own is memoryview:
            text = None  # it may have items of any size: what its start would be is not clear
        else:
            text = _decoded(bytes(own.__getitem__(value, slice(self.limit + 4))), whole=False)
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
        """What JSON has no type for."""
        from clew.odd_values import described, simpler  # noqa: PLC0415  # few payloads hold any

        found = simpler(value)
        if found is not None:
            return self.value(found, depth)
        self.add(24)
        return described(value)


def binary_size(value: Any) -> tuple[Any, int]:
    """The class of Python's own that binary data is of, whose methods are used and not a subclass's; its bytes."""
    if type(value) is memoryview:
        return memoryview, value.nbytes
    own: Any = bytes if issubclass(type(value), bytes) else bytearray
    return own, own.__len__(value)


def _decoded(data: bytes, *, whole: bool) -> str | None:
    """Text, if the bytes are that. The start of a text may end within a character."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(data) - 4:
            return None
        text = data[: error.start].decode()
    return None if "\0" in text else text
