"""Base64 as the text that it holds, also compressed: no key can be seen in it otherwise.

Imported where some of it turns up.
"""

from __future__ import annotations

import binascii
import re
import zlib
from typing import NamedTuple

from clew.guard import pass_on_signal

_ALPHABET = re.compile(r"[A-Za-z0-9+/_\-\r\n]+={0,2}\s*")
_STANDARD = str.maketrans("-_", "+/")
_GZIP = b"\x1f\x8b"
# Each member costs a copy of what is behind it; more than these few are no one's.
_MAX_MEMBERS = 16


class Decoded(NamedTuple):
    """`form` is how it was written: `base64` or `base64, gzip`."""

    form: str
    text: str


def is_base64(text: str) -> bool:
    """Whether it has nothing in it but letters of base64, of either alphabet."""
    return _ALPHABET.fullmatch(text) is not None


def decoded(content: str, most: int) -> Decoded | None:
    """The text that `content` is the base64 of, in either alphabet, with or without its padding and line ends.

    None if it is no base64, holds no UTF-8 text, or more than `most` bytes of it.
    """
    if len(content) > most * 4 // 3 + 4:
        return None
    content = content.strip().rstrip("=").translate(_STANDARD)
    try:
        data = binascii.a2b_base64(content + "=" * (-len(content) % 4))
        form = "base64"
        if data.startswith(_GZIP):
            form = "base64, gzip"
            inflated = _inflated(data, most)
            if inflated is None:
                return None
            data = inflated
        text = data.decode()
    except (ValueError, zlib.error) as error:
        pass_on_signal(error)
        return None
    return None if "\0" in text or len(data) > most else Decoded(form, text)


def _inflated(data: bytes, most: int) -> bytes | None:
    """All members of a gzip file, or None if it is longer than `most` bytes: a few bytes may hold gigabytes."""
    found = b""
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(31)
        found += member.decompress(data, most + 1 - len(found))
        if len(found) > most or not member.eof:
            return None
        data = member.unused_data
        if not data:
            return found
    return None
