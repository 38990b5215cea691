"""The log group that CloudWatch Logs sends lines of."""

from __future__ import annotations

import re
import zlib
from binascii import a2b_base64

from clew.guard import pass_on_signal

# The names stand before the lines: this much holds them, and takes 20 µs however long the rest is.
_PACKED = 8_192  # of base64, so a multiple of 4
_UNPACKED = 4_096
# Within a line's own text quotes are escaped, so that no line can pass for these.
_GROUP = re.compile(rb'"logGroup"\s*:\s*"([^"\\]{1,512})"')
_OWNER = re.compile(rb'"owner"\s*:\s*"(\d{12})"')


def log_group(data: str) -> tuple[str, str]:
    """The group's name and its account, "" for what the data does not tell."""
    try:
        head = zlib.decompressobj(31).decompress(a2b_base64(data[:_PACKED]), _UNPACKED)
    except (ValueError, zlib.error) as error:
        pass_on_signal(error)
        return "", ""
    return _found(_GROUP, head), _found(_OWNER, head)


def _found(pattern: re.Pattern[bytes], head: bytes) -> str:
    match = pattern.search(head)
    return match.group(1).decode("utf-8", "replace") if match else ""
