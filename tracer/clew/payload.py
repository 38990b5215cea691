"""Payloads as text: events, return values, requests and responses, masked and cut.

The work is bounded by the limit, never by the payload: a 20 MB event is walked until enough text is there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from clew.harmless import LARGEST, room_left
from clew.json_text import encode
from clew.secrets import MASK, Secrets
from clew.walk import Walk

if TYPE_CHECKING:
    import re

    from clew.masking_rules import MaskingRules

# A private key that is printed comes line by line. Of one in the middle only its form tells what it is.
_KEY_LINES = frozenset({64, 70, 76})


@cache
def _key_line() -> re.Pattern[str]:
    import re  # noqa: PLC0415  # compiled with the first line that is as long as one

    return re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/]+")


class Payload:
    """A payload's text, cut at the larger of the two limits.

    `size` is the length of the whole in bytes; where `measured` is false the whole is longer than that.
    `plain` is false if something in it was no plain JSON, so that the runtime may fail on it.
    """

    __slots__ = ("_whole", "measured", "plain", "size", "text")  # a NamedTuple takes 0.1 ms of INIT

    def __init__(self, text: bytes, size: int, measured: bool, plain: bool, whole: str = "") -> None:
        self.text = text
        self._whole = whole  # the text, where it is at hand and has no half characters
        self.size = size
        self.measured = measured
        self.plain = plain

    def cut(self, limit: int) -> str:
        """The text as an attribute's value, at most `limit` bytes and the mark that tells the whole's length."""
        if self.size <= limit and self.measured and len(self.text) == self.size:
            return self._whole or self.text.decode()
        kept = self.text[:limit].decode(errors="ignore")
        return f"{kept}…[cut: {self.size}{'' if self.measured else '+'} bytes]"


class Renderer:
    """Turns values into payloads. `limit` is the most bytes that are ever kept of one.

    `secrets` masks text that has no place of its own: lines, messages, tags.
    """

    def __init__(self, rules: MaskingRules | None = None, limit: int = 4096) -> None:
        self.limit = limit
        self._rules = rules
        self.secrets = Secrets() if rules is None else Secrets(rules.keys, rules.keep_keys, rules.values)
        self._places: dict[str, Secrets] = {}

    def render(self, value: object, place: str = "") -> Payload:
        """`value` as it may leave the process. `place` is one of `masking_rules.PLACES`, or empty for the defaults."""
        rules = self._rules
        if type(value) is dict and (rules is None or not (place in rules.places or rules.guide(place))):
            room = min(self.limit, LARGEST)
            if room_left(value, self.secrets if rules is None else self._secrets(rules, place), room) >= 0:
                whole = encode(value)
                if whole.isascii():
                    data = whole.encode()
                    return Payload(data[: self.limit], len(data), True, True, whole)
                data = whole.encode("utf-8", "replace")
                return Payload(data[: self.limit], len(data), True, True)
        walk = self._walk(place)
        copy = walk.value(value, 0)
        if rules is not None and place in rules.places:
            copy = MASK  # walked all the same: the caller wants to know whether it is plain
        data = encode(copy).encode("utf-8", "replace")
        size = max(len(data), walk.seen) if walk.stopped and copy is not MASK else len(data)
        return Payload(data[: self.limit], size, copy is MASK or not walk.stopped, not walk.odd)

    def _walk(self, place: str) -> Walk:
        rules = self._rules
        if rules is None:
            return Walk(self.secrets, self.limit)
        secrets = self._secrets(rules, place)
        if not rules.guide(place):
            return Walk(secrets, self.limit)
        from clew.guided_walk import GuidedWalk  # noqa: PLC0415  # only where a team asks for it

        header_secrets = self._secrets(rules, "headers", place)
        return GuidedWalk(secrets, self.limit, rules, header_secrets, rules.paths.get(place, ()))

    def _secrets(self, rules: MaskingRules, *places: str) -> Secrets:
        """What judges keys in these places: the patterns of each add to those for all."""
        names = [place for place in places if place in rules.place_keys]
        if not names:
            return self.secrets
        name = "/".join(names)
        if name not in self._places:
            keys = [pattern for place in names for pattern in rules.place_keys[place]]
            self._places[name] = Secrets([*rules.keys, *keys], rules.keep_keys, rules.values)
        return self._places[name]

    def line(self, text: str, limit: int) -> str:
        """A log line, masked like the strings of a payload, and cut."""
        if len(text) in _KEY_LINES and _key_line().fullmatch(text):
            return MASK
        walk = Walk(self.secrets, limit)
        masked = walk.text(text, 0)
        if walk.stopped or len(masked) > limit:
            return f"{masked[:limit]}…[cut: {len(text)} bytes]"
        return masked
