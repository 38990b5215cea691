"""What a team wants masked besides the defaults: keys, values, paths, whole places, or all but what it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

PLACES = ("event", "return_value", "request", "response", "environment", "locals", "headers")
"""What is rendered. `headers` are inside the others: what stands under a key of that name."""

EVERY = "*"
"""The step of a path that any key and any item of a list is."""

if TYPE_CHECKING:
    Step = str | int
    """A key, the index of an item, or `EVERY`."""
    Path = tuple[Step, ...]
    Patterns = tuple[re.Pattern[str], ...]


class MaskingRules:
    """`place_keys` and `paths` by place; a path starts below its place. `allow_keys` is None where all is shown that
    nothing else masks.
    """

    def __init__(  # by hand: a NamedTuple takes 0.15 ms of INIT
        self,
        *,
        keys: Patterns = (),
        keep_keys: Patterns = (),
        place_keys: Mapping[str, Patterns] | None = None,
        values: Patterns = (),
        paths: Mapping[str, tuple[Path, ...]] | None = None,
        places: frozenset[str] = frozenset(),
        allow_keys: Patterns | None = None,
    ) -> None:
        self.keys = keys
        self.keep_keys = keep_keys
        self.place_keys = place_keys or {}
        self.values = values
        self.paths = paths or {}
        self.places = places
        self.allow_keys = allow_keys

    def guide(self, place: str) -> bool:
        """Whether values of this place are masked by where they stand, or are other than text."""
        return bool(
            self.values
            or self.paths.get(place)
            or self.allow_keys is not None
            or "headers" in self.places
            or "headers" in self.place_keys
        )
