"""What the stitcher has to look at: the traces that a commit changed, each with the link keys that are new of it.

The keys stand in the queue itself, so that `link_keys` needs no index by trace: that one was as large as the table, and
every key of it was written to another page.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, select

from collector.domain.facts import LinkKey
from collector.store import tables
from collector.store.statements import delete_by_key, write, write_new

KEYS_PER_ROW = 500  # a trace with more new keys takes several rows, so that a pass can take some of them

_queue = tables.stitch_queue
_IN_ORDER = select(_queue).order_by(*_queue.primary_key.columns)
_KEY = struct.Struct("<qqqB?")  # key, started_ns, span_id, side, pointer


class Queued(NamedTuple):
    """A row of `stitch_queue`."""

    token: int
    trace: bytes
    part: int
    packed: bytes

    @property
    def size(self) -> int:
        """How many link keys it has."""
        return len(self.packed) // _KEY.size

    @property
    def keys(self) -> list[LinkKey]:
        """Some may have been deleted since."""
        return [
            LinkKey(key, side, started_ns, span_id, self.trace, pointer)
            for key, started_ns, span_id, side, pointer in _KEY.iter_unpack(self.packed)
        ]


def add(connection: Connection, token: int, traces: Collection[bytes], keys: Iterable[LinkKey] = ()) -> None:
    """Stores the link keys, and puts the traces in the queue with those of them that were not stored before.

    `token` is the commit's, by which the queue is ordered: its time.
    """
    rows = {row[:4]: row for row in keys}
    written = write_new(connection, tables.link_keys, list(rows.values()))
    new: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for id, (key, side, started_ns, span_id, trace, pointer) in rows.items():
        if id in written:
            new[trace].append(_KEY.pack(key, started_ns, span_id, side, pointer))
    queued = [(token, trace, 0, b"") for trace in traces if trace not in new]
    for trace, packed in new.items():
        for start in range(0, len(packed), KEYS_PER_ROW):
            some = b"".join(packed[start : start + KEYS_PER_ROW])
            queued.append((token, trace, _part(some), some))
    write(connection, _queue, queued)


def first(connection: Connection, most: int) -> list[Queued]:
    return [Queued(*row) for row in connection.execute(_IN_ORDER.limit(most))]


def remove(connection: Connection, rows: Collection[Queued]) -> None:
    delete_by_key(connection, _queue, [row[:3] for row in rows])


def _part(packed: bytes) -> int:
    """Tells rows of one trace apart, also those that two collectors write in the same nanosecond."""
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "big", signed=True)
