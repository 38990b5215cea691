"""What a team wants masked besides the defaults: keys, values, paths, whole places, or all but what it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

PLACES = ("event", "return_value", "request", "response", "environment", "locals", "headers")
"""What is rendered. `headers` are inside the others: what stands under a key of that name."""

EVERY = "*"
"""The step of a path that any key and any item of a list is."""

Step = str | int
"""A key, the index of an item, or `EVERY`."""
Path = tuple[Step, ...]
Patterns = tuple["re.Pattern[str]", ...]


class MaskingRules(NamedTuple):
    """`place_keys` and `paths` by place; a path starts below its place. `allow_keys` is None where all is shown that
    nothing else masks.
    """

    keys: Patterns = ()
    keep_keys: Patterns = ()
    place_keys: Mapping[str, Patterns] = {}
    values: Patterns = ()
    paths: Mapping[str, tuple[Path, ...]] = {}
    places: frozenset[str] = frozenset()
    allow_keys: Patterns | None = None

    def guide(self, place: str) -> bool:
        """Whether values of this place are masked by where they stand, or are other than text."""
        return bool(
            self.values
            or self.paths.get(place)
            or self.allow_keys is not None
            or "headers" in self.places
            or "headers" in self.place_keys
        )


NO_RULES = MaskingRules()
