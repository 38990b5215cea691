"""The link key of a DynamoDB item: a digest that is the same on the writer's side and in the table's stream."""

from __future__ import annotations

from hashlib import blake2b
from json.encoder import encode_basestring_ascii as _quoted  # an object of json's in C, or its twin in Python
from typing import Any

from clew.guard import pass_on_signal

# A digest of one key takes 3 µs. One of this many values takes 3 ms, one of this many characters 1.5 ms. DynamoDB's own
# limit is 400 kB.
_MAX_VALUES = 2_000
_MAX_CHARACTERS = 400_000
_MAX_DEPTH = 32  # DynamoDB's own limit


def item_key(region: str, table: str, attributes: object) -> str:
    """`dynamodb-item:<region>:<table>/<digest>` of an item's key or of a whole item.

    `table` is a name or an ARN, whose region then counts. `attributes` is in DynamoDB's own notation,
    `{"id": {"S": "1"}}`; numbers that are equal give the same digest however they are written, binary values whether
    they are bytes or base64 text, sets in whatever order. "" if it is nothing of the kind or too large; never raises.
    """
    parts = canonical(attributes)
    return key_of(region, table, parts) if parts else ""


def canonical(attributes: object) -> dict[str, str]:
    """Each attribute as the text that is digested, by its name; empty where there is no key (see `item_key`)."""
    try:
        return _parts(attributes, _Room(), 0)
    except (ValueError, TypeError, RuntimeError) as error:  # also of a dictionary that another thread writes to
        pass_on_signal(error)
        return {}


def key_of(region: str, table: str, parts: dict[str, str]) -> str:
    """The key of attributes that `canonical` gave; "" where the table is not known."""
    if table.startswith("arn:"):
        names = table.split(":", 5)
        path = names[-1].split("/")
        if len(names) < 6 or len(path) < 2:
            return ""
        region, table = names[3], path[1]
    if not region or not table:
        return ""

    return f"dynamodb-item:{region}:{table}/{blake2b(_joined(parts).encode('ascii'), digest_size=8).hexdigest()}"


class _Odd(ValueError):
    """These are no attributes in DynamoDB's notation, or too many."""


class _Room:
    """How much of an item may still be read."""

    __slots__ = ("characters", "values")

    def __init__(self) -> None:
        self.values = _MAX_VALUES
        self.characters = _MAX_CHARACTERS

    def take(self, characters: int) -> None:
        self.values -= 1
        self.characters -= characters
        if self.values < 0 or self.characters < 0:
            raise _Odd


# Written as text at once: as objects that `json` then writes, an item takes twice as long. Escaped to ASCII, so that a
# lone surrogate has bytes too.


def _parts(attributes: object, room: _Room, depth: int) -> dict[str, str]:
    if type(attributes) is not dict or depth > _MAX_DEPTH:
        raise _Odd
    room.values -= len(attributes)
    if room.values < 0:
        raise _Odd
    parts = {}
    for name, value in attributes.items():
        if type(name) is not str:
            raise _Odd
        # Text is what most attributes are: without this, an item takes half as long again.
        content = value.get("S") if type(value) is dict and len(value) == 1 else None
        if type(content) is str:
            room.characters -= len(name) + len(content)
            if room.characters < 0:
                raise _Odd
            parts[name] = f'{_quoted(name)}:["S",{_quoted(content)}]'
        else:
            room.characters -= len(name)
            parts[name] = f"{_quoted(name)}:{_value(value, room, depth)}"
    if room.characters < 0:
        raise _Odd
    return parts


def _joined(parts: dict[str, str]) -> str:
    return "{" + ",".join([parts[name] for name in sorted(parts)]) + "}"


def _value(value: object, room: _Room, depth: int) -> str:
    """`["S","text"]`: the type, and the value in the one form that it is digested in."""
    if type(value) is not dict or len(value) != 1:
        raise _Odd
    ((kind, content),) = value.items()
    if kind == "S":
        text = _quoted(_text(content, room))
    elif kind == "N":
        text = _quoted(_number(content, room))
    elif kind == "B":
        text = _quoted(_binary(content, room))
    elif kind == "M":
        text = _joined(_parts(content, room, depth + 1))
    elif kind in _SETS:
        read = _SETS[kind]
        text = f"[{','.join(map(_quoted, sorted(read(element, room) for element in _list(content))))}]"
    elif kind == "L":
        if depth >= _MAX_DEPTH:
            raise _Odd
        text = f"[{','.join([_value(element, room, depth + 1) for element in _list(content)])}]"
    elif kind in {"BOOL", "NULL"} and type(content) is bool:
        text = "true" if content else "false"
    else:
        raise _Odd
    return f'["{kind}",{text}]'


def _string(value: object) -> str:
    if type(value) is not str:
        raise _Odd
    return value


def _list(value: object) -> list[Any]:
    if type(value) is not list:
        raise _Odd
    return value


def _text(value: object, room: _Room) -> str:
    room.take(len(_string(value)))
    return _string(value)


def _number(value: object, room: _Room) -> str:
    """`1`, `1.0`, `1E0` and `+1` are `1E0`. By hand: `decimal` costs 2 ms of INIT, and rounds to 28 digits."""
    text = _text(value, room)
    mantissa, _, power = text.strip().upper().partition("E")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa[mantissa[:1] in {"-", "+"} :].partition(".")
    digits = (whole + fraction).lstrip("0")
    if not (whole + fraction).isdecimal() or len(power) > 9:
        raise _Odd
    significant = digits.rstrip("0")
    if not significant:
        return "0"
    exponent = int(power or "0") - len(fraction) + len(digits) - len(significant)
    return f"{sign}{significant}E{exponent}"


def _binary(value: object, room: _Room) -> str:
    """Base64, as the stream has it. `bytes` and `bytearray` are what boto3 sends and receives."""
    if type(value) is str:
        return _text(value, room)
    if type(value) is not bytes and type(value) is not bytearray:
        raise _Odd
    room.take(len(value))
    from binascii import b2a_base64  # noqa: PLC0415  # rarely needed

    return b2a_base64(value, newline=False).decode("ascii")


_SETS = {"SS": _text, "NS": _number, "BS": _binary}
