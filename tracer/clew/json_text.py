"""JSON as payloads hold it: how it is written and read, and how text begins that may be such."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Base64 of what starts as JSON does, compact or indented, or with gzip's magic number.
ENCODED = frozenset({
    "eyI", "eyJ", "eyA", "eyB", "ewo", "ewp", "ew0", "ew1", "ewk", "ewl", "H4s",
    "W3s", "W3t", "WyI", "WyJ", "WyA", "WyB", "Wwo", "Wwp", "Ww0", "Ww1", "Wwk", "Wwl", "W1s", "W1t",
})  # fmt: skip
MIN_ENCODED = 12
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
    return (text[0] in '{[" \n\r\t' and text.lstrip()[:1] in _STARTS) or (size >= MIN_ENCODED and text[:3] in ENCODED)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of a key that is there twice Python would keep one value, and the text shows both."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


decode = json.JSONDecoder(object_pairs_hook=_object).decode
