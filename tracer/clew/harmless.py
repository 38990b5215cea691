"""Whether a small payload may be shown as it is: then it is neither walked nor copied, which takes three times as long.

Most requests, answers, events and results are a few plain fields. Whatever is not told here is left to `clew.walk`,
whose result is the same for all that is: `tests/tracer/test_harmless.py` compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.json_text import may_be_encoded
from clew.neighbours import NEIGHBOURS, hidden_values
from clew.secrets import MAX_HARMLESS
from clew.walk import MAX_CARDLESS, MAX_DEPTH

if TYPE_CHECKING:
    from clew.secrets import Secrets

LARGEST = 4096
"""Characters: more than that is walked at once. Looking at so many in vain takes about 20 µs of 150."""
_MAX_TEXT = 1024


def room_left(value: dict[Any, Any], secrets: Secrets, room: int, depth: int = 0) -> int:
    """How many of `room` characters a plain dict leaves; negative if there is not enough, or anything in it is to be
    masked, described or looked into.

    What is counted is no less than what a walk counts, which therefore would not have stopped.
    """
    if depth >= MAX_DEPTH or (not NEIGHBOURS.isdisjoint(value) and hidden_values(value, secrets)):
        return -1
    known, harmless = secrets.known, secrets.harmless
    for key, item in value.items():
        # By the table: of a key that was judged before, which most are, in a third of the time.
        if type(key) is not str or (known.get(key) is not False and secrets.named_by(key)):
            return -1
        kind = type(item)
        room -= len(key) + 6
        if kind is str:
            size = len(item)
            if size >= 4 and item not in harmless and not _is_harmless(item, size, secrets):
                return -1
            room -= size + 2
        elif kind is dict:
            room = room_left(item, secrets, room, depth + 1)
        elif item is None or kind is bool:
            room -= 4
        elif kind is int or kind is float:
            if not -MAX_CARDLESS < item < MAX_CARDLESS:  # also of what is no number
                return -1
            room -= 8
        elif kind is list or kind is tuple:
            room = _room_beside(item, secrets, room, depth + 1)
        else:
            return -1
        if room < 0:
            return -1
    return room


def _room_beside(items: Any, secrets: Secrets, room: int, depth: int) -> int:
    """The same of a list."""
    if depth >= MAX_DEPTH:
        return -1
    harmless = secrets.harmless
    pair = len(items) == 2
    for item in items:
        kind = type(item)
        room -= 4
        if kind is str:
            size = len(item)
            # `["password", "x"]` and `["--password", "x"]` name a secret.
            if (pair or item.startswith("-")) and secrets.named_by(item):
                return -1
            if size >= 4 and item not in harmless and not _is_harmless(item, size, secrets):
                return -1
            room -= size + 2
        elif kind is dict:
            room = room_left(item, secrets, room, depth + 1)
        elif item is None or kind is bool:
            room -= 4
        elif (kind is int or kind is float) and -MAX_CARDLESS < item < MAX_CARDLESS:
            room -= 8
        else:
            return -1  # also lists in lists
        if room < 0:
            return -1
    return room


def _is_harmless(text: str, size: int, secrets: Secrets) -> bool:
    if size > _MAX_TEXT or may_be_encoded(text, size) or secrets.masked_text(text) is not text:
        return False
    if size <= MAX_HARMLESS:
        secrets.remember(text)
    return True
