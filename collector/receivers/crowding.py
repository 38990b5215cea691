"""Refuses exports that hold far more items than their size can honestly hold.

An empty span takes 2 bytes on the wire and 260 in memory: 16 MiB of them, 16 KiB when compressed, took 2.3 GB and 9 s
before they were refused one by one. So large bodies are walked, without making anything of them, before protobuf does;
that body takes 0.3 s and no memory now. An honest span or log record takes 50 bytes and more, an honest field of one 6
and more.
"""

from __future__ import annotations

from collector.receivers.refusal import Refusal

SMALL = 512 * 1024  # such a body comes to 70 MB at most; walking one of 512 spans (250 kB) would cost a seventh
_LARGE = 1024 * 1024  # from here on items are looked into, at 5 µs each; below, their fields come to 30 MB at most
_BYTES_PER_ITEM = 32
_BYTES_PER_FIELD = 6
_LEEWAY = 1_000

# The way down to the items, by field number, the same in both signals:
# resource_spans = 1, scope_spans = 2, spans = 2; resource_logs = 1, scope_logs = 2, log_records = 2.
_PATH = (1, 2, 2)


def refuse_crowded(body: bytes) -> None:
    """Raises Refusal for an export in protobuf with too many items, or that is cut off or not of protobuf's form."""
    if len(body) > SMALL:
        _Walk(body).down(0, len(body), 0)


class Wire:
    """Fields of protobuf's wire form, without making messages of them."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def field(self, position: int, end: int) -> tuple[int, int, int]:
        """The field at the position: its number, where its content begins (-1: it can be no message), where it ends.

        Raises Refusal where there is none, or it goes beyond the end of the message that it is in.
        """
        tag, position = self._varint(position)
        kind = tag & 7
        start = -1
        if kind == 2:
            length, start = self._varint(position)
            position = start + length
        elif kind == 0:
            position = self._varint(position)[1]
        elif kind == 1:
            position += 8
        elif kind == 5:
            position += 4
        else:
            raise malformed()  # groups, which OTLP has none of and which would hide what is inside
        if position > end or tag < 8:
            raise malformed()
        return tag >> 3, start, position

    def _varint(self, position: int) -> tuple[int, int]:
        body = self._body
        if position < len(body) and (byte := body[position]) < 0x80:
            return byte, position + 1
        value = 0
        for index, byte in enumerate(body[position : position + 10]):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value, position + index + 1
        raise malformed()


class _Walk:
    def __init__(self, body: bytes) -> None:
        self._wire = Wire(body)
        self._size = len(body)
        self._looks_into_items = len(body) > _LARGE
        self._items_left = _LEEWAY + len(body) // _BYTES_PER_ITEM
        self._fields_left = _LEEWAY + len(body) // _BYTES_PER_FIELD

    def down(self, position: int, end: int, depth: int) -> None:
        """Counts the fields of the message at position..end, and of those below it as far as items."""
        while position < end:
            number, start, position = self._wire.field(position, end)
            if depth == len(_PATH):
                self._fields_left -= 1
                continue
            self._items_left -= 1
            if self._items_left < 0 or self._fields_left < 0:
                raise self._crowded()
            if start >= 0 and number == _PATH[depth] and (depth + 1 < len(_PATH) or self._looks_into_items):
                self.down(start, position, depth + 1)
        if self._fields_left < 0:
            raise self._crowded()

    def _crowded(self) -> Refusal:
        return Refusal(413, "crowded", f"The body of {self._size} bytes holds too many items: send fewer at once.")


def malformed(what: str = "The body is no OTLP message in protobuf: it is damaged or cut off.") -> Refusal:
    return Refusal(400, "malformed", what)
