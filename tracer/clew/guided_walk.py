"""A walk that knows where it is: for exact paths, for keys that are allowed, and for headers.

Imported only where a team asks for one of them, so that others do not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from clew.json_text import ENCODED
from clew.masking_rules import EVERY
from clew.secrets import MASK
from clew.walk import MAX_PARSED, Walk, binary_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.masking_rules import MaskingRules, Path
    from clew.secrets import Secrets

_HEADERS = frozenset({"headers", "multivalueheaders", "httpheaders", "requestheaders", "responseheaders"})
_PLAIN = (bool, int, float, type(None))


class GuidedWalk(Walk):
    """`paths` are the ways from here to what is masked, `shown` tells whether a key above is one that is allowed."""

    __slots__ = ("header_secrets", "paths", "rules", "shown")

    def __init__(
        self, secrets: Secrets, limit: int, rules: MaskingRules, header_secrets: Secrets, paths: tuple[Path, ...]
    ) -> None:
        super().__init__(secrets, limit)
        self.rules = rules
        self.header_secrets = header_secrets
        self.paths = paths
        self.shown = rules.allow_keys is None

    def inner(self) -> Walk:
        walk = GuidedWalk(
            self.secrets, max(0, self.limit - self.kept) + 1, self.rules, self.header_secrets, self.paths
        )  # fmt: skip
        walk.parsed = self.parsed
        walk.shown = self.shown
        return walk

    def value(self, value: Any, depth: int) -> Any:
        return self._inside(value, lambda: self._masked(value, depth))

    def base64(self, content: Any, depth: int) -> Any:
        return self._inside(content, lambda: super(GuidedWalk, self).base64(content, depth))

    def _inside(self, value: Any, render: Callable[[], Any]) -> Any:
        """`render()`, with the rules of the key or index that the value stands under."""
        under = self.under
        if under is None:  # the whole payload, or what a text holds: it is where its text is
            return render()
        before = (self.paths, self.shown, self.secrets)
        self.under = None
        if self.paths:
            self.paths = _below(self.paths, under)
            if () in self.paths:
                self.paths = before[0]
                return self.hide(value)
        if type(under) is str:
            if under.lower() in _HEADERS and issubclass(type(value), (dict, list, tuple)):
                if "headers" in self.rules.places:
                    self.paths = before[0]
                    return self.hide(value)
                self.secrets = self.header_secrets
            if not self.shown and self.rules.allow_keys is not None:
                self.shown = any(pattern.search(under) for pattern in self.rules.allow_keys)
        try:
            return render()
        finally:
            self.paths, self.shown, self.secrets = before

    def _masked(self, value: Any, depth: int) -> Any:
        if not self.shown and (
            issubclass(type(value), _PLAIN)
            or not issubclass(type(value), (str, bytes, bytearray, memoryview, dict, list, tuple, set, frozenset))
        ):
            super().value(value, depth)  # for whether it is plain
            return self.hide(value)
        if self.rules.values and issubclass(type(value), (int, float)) and type(value) is not bool:
            shown = super().value(value, depth)
            if any(found[0] for pattern in self.rules.values for found in pattern.finditer(str(shown))):
                return self.hide(value)
            return shown
        return super().value(value, depth)

    def text(self, text: str, depth: int) -> str:
        if self.shown and not self.paths:
            return super().text(text, depth)
        start = text.lstrip()[:1]
        if start in {"{", "[", '"'}:
            structure = self.nested(text, depth)
            if structure is not None:
                return structure
        else:
            form = self._form(text) if self.paths else None
            if form is not None:
                return form
            structure = self.encoded(text, depth, known=False) if text[:3] in ENCODED else None
            if isinstance(structure, str) and structure.startswith("["):
                return structure
        if self.shown and start not in {"{", "["}:
            return super().text(text, depth)
        # Not allowed; or a path leads into what cannot be read.
        self.nodes += 1
        return self.hide(text)

    def _form(self, text: str) -> str | None:
        """A form's or query's text without the fields that a path names; None where it has none of them."""
        if "=" not in text or len(text) > MAX_PARSED:
            return None
        fields = text.split("&")
        found = False
        for index, field in enumerate(fields):
            name, equals, _ = field.partition("=")
            if equals and () in _below(self.paths, unquote_plus(name)):
                fields[index] = f"{name}={MASK}"
                found = True
        if not found:
            return None
        self.masked = True
        return super().text("&".join(fields), 0)

    def binary(self, value: bytes | bytearray | memoryview, depth: int) -> str:
        if binary_size(value)[1] > MAX_PARSED and not (self.shown and not self.paths):
            self.nodes += 1
            return self.hide(value)
        return super().binary(value, depth)


def _below(paths: tuple[Path, ...], under: str | int) -> tuple[Path, ...]:
    """What is left of the paths one step further. In a list a name stands for that field of every item."""
    left = []
    for path in paths:
        step = path[0]
        if step in (under, EVERY):
            left.append(path[1:])
        elif type(under) is int and type(step) is str:
            left.append(path)
    return tuple(left)
