"""What a function says of its invocation: tags and issues, with their limits."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from clew.guard import Guard, pass_on_signal, refuse
from clew.secrets import MASK

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from clew.payload import Renderer

MARK = "[CLEW] "
"""What a log line starts with that says in JSON what `clew.tag` and `clew.issue` say."""

MAX_TAGS = 50
MAX_KEY = 100
MAX_VALUE = 200
MAX_ISSUES = 20
_MAX_TYPE = 200
_MAX_MESSAGE = 2048
_MAX_DETAILS = 2048
_MAX_PARSED = 65_536
_INT64 = 1 << 63


class Annotations:
    """The tags and issues of one invocation. None of the methods raises; they may be called by any thread."""

    __slots__ = ("_span", "_tags", "issues", "renderer")

    def __init__(self, span: Span, renderer: Renderer) -> None:
        self._span = span
        self.renderer = renderer
        self._tags: set[str] = set()
        self.issues = 0

    def tag(self, key: object, value: object) -> bool:
        """Whether the invocation has that tag now. A tag that is set again has its last value."""
        name = _plain(key)
        if name is None:
            return refuse(f"a tag with a key of type {type(key).__name__} is", "a tag's key is text")
        what = f"the tag {name[:MAX_KEY]!r} is"
        if not name or len(name) > MAX_KEY:
            return refuse(what, f"a tag's key has 1 to {MAX_KEY} characters")
        if name not in self._tags and len(self._tags) >= MAX_TAGS:
            return refuse(what, f"an invocation has at most {MAX_TAGS} tags")
        shown = self._shown(name, value)
        if shown is None:
            kinds = f"a tag's value is text of at most {MAX_VALUE} characters, True or False, or a number that fits"
            return refuse(what, f"{kinds} into 64 bits")
        if not self._span.is_recording():
            return False
        self._tags.add(name)
        self._span.set_attribute(f"clew.tag.{name}", shown)
        return True

    def _shown(self, name: str, value: object) -> str | bool | int | float | None:
        """The value as it may leave the process; None if it is none that a tag can have."""
        kind = type(value)
        text = _plain(value)
        secret = self.renderer.secrets.named_by(name)
        if value is True or value is False:
            return value
        if text is not None:
            if len(text) > MAX_VALUE:
                return None
            return MASK if secret else self.renderer.line(text, MAX_VALUE)
        if issubclass(kind, int):
            number = int.__int__(value)  # type: ignore[arg-type]  # it is one
            return None if not -_INT64 <= number < _INT64 else MASK if secret else number
        if issubclass(kind, float):
            real = float.__float__(value)  # type: ignore[arg-type]  # it is one
            return None if not math.isfinite(real) else MASK if secret else real
        return None

    def issue(self, type: object, message: object, details: dict[str, Any] | None = None) -> bool:
        """Whether the invocation has that issue now."""
        kind, text = _plain(type), _plain(message)
        if kind is None or text is None or not kind.strip():
            return refuse("an issue is", "an issue's type and message are text")
        what = f"the issue {kind[:MAX_KEY]!r} is"
        if self.issues >= MAX_ISSUES:
            return refuse(what, f"an invocation has at most {MAX_ISSUES} issues")
        if not self._span.is_recording():
            return False
        self.issues += 1
        attributes = {
            "clew.issue.type": self.renderer.line(kind, _MAX_TYPE),
            "clew.issue.message": self.renderer.line(text, _MAX_MESSAGE),
        }
        if details:
            with Guard("describing an issue's details"):
                attributes["clew.issue.details"] = self.renderer.render(details, "issue").cut(_MAX_DETAILS)
        self._span.add_event("clew.issue", attributes)
        return True

    def read(self, line: str) -> None:
        """Do what a line says that starts with `[CLEW] `."""
        if not line.startswith(MARK):
            return
        said: Any = None
        if len(line) <= _MAX_PARSED:
            try:
                said = json.loads(line[len(MARK) :])
            except (ValueError, RecursionError) as error:
                pass_on_signal(error)
        if type(said) is not dict or not said.keys() & {"tags", "issue"}:
            refuse("a line that starts with [CLEW] is", 'what follows is JSON with "tags", "issue" or both')
            return
        tags, issue = said.get("tags", {}), said.get("issue")
        if type(tags) is dict:
            for key, value in tags.items():
                self.tag(key, value)
        else:
            refuse("a line that starts with [CLEW] is", '"tags" is an object of keys and values')
        if type(issue) is dict:
            details = {key: value for key, value in issue.items() if key not in {"type", "message"}}
            self.issue(issue.get("type"), issue.get("message"), details)
        elif issue is not None:
            refuse("a line that starts with [CLEW] is", '"issue" is an object with "type" and "message"')


def _plain(value: object) -> str | None:
    """Text as it is, without the methods of a class of its own; None for what is none, whatever it says of itself."""
    return str.__str__(value) if issubclass(type(value), str) else None
