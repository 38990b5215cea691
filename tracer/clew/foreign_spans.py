"""Spans as they may leave the process: what others wrote on them is masked and cut like a payload's strings.

Spans of OpenTelemetry's API and its instrumentations hold addresses, statements and headers, and a handler may write on
the invocation's own span. What the tracer wrote itself was masked before. Imported with the first export of more than
that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from clew.exporting import OURS, is_our_name
from clew.guard import pass_on_signal
from clew.secrets import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.payload import Renderer

_MAX_VALUE = 16_384
# Of one export, in characters; values beyond are cut shorter. With the tracer's own payloads and lines it stays below
# what a collector takes in one request.
_MAX_TEXT = 2_000_000
_MAX_SHORT = 256
# A handler may add events that are called like ours.
_OUR_EVENTS = frozenset({"exception", "clew.issue"})
_OUR_LONG = frozenset({"exception.stacktrace", "clew.exception.frames"})
_KEY_KINDS = frozenset({"api", "access", "secret", "private", "encryption", "signing"})


class SpanMask:
    """Masks spans by the rules for text that has no place of its own."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._room = _MAX_TEXT

    def masked(self, spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
        """The spans of one export."""
        self._room = _MAX_TEXT
        return [self._span(span) for span in spans]

    def _span(self, span: ReadableSpan) -> ReadableSpan:
        """The span itself if it holds no secret, else a copy. Of one that cannot be read only what is ours is kept."""
        scope = span.instrumentation_scope
        ours = scope is not None and scope.name == OURS
        try:
            return self._copy(span, ours=ours)
        except Exception as error:
            pass_on_signal(error)
            kept = {name: value for name, value in (span.attributes or {}).items() if ours and is_our_name(name)}
            return _copied(span, span.name if ours else "span", kept, (), (), Status(span.status.status_code))

    def _copy(self, span: ReadableSpan, *, ours: bool) -> ReadableSpan:
        attributes = self._attributes(span.attributes or {}, ours=ours)
        events = [self._event(event, ours=ours) for event in span.events]
        links = [self._link(link) for link in span.links]
        name, description = self._text(span.name), span.status.description
        description = description and self._text(description)
        if (
            attributes is None
            and name is span.name
            and description is span.status.description
            and all(map(_same, events, span.events))
            and all(map(_same, links, span.links))
        ):
            return span
        given: Any = span.attributes or {}
        shown: Any = given if attributes is None else BoundedAttributes(attributes=attributes)
        if shown is not given:
            shown.dropped = getattr(span, "dropped_attributes", 0)
        return _copied(span, name, shown, events, links, Status(span.status.status_code, description))

    def _attributes(
        self, attributes: Mapping[str, Any], *, ours: bool = False, stacks: bool = False
    ) -> dict[str, Any] | None:
        """The attributes but for their secrets; None if they hold none.

        `stacks`: of an event that may be ours, in which what is too long for others was masked and cut before.
        """
        changed: dict[str, Any] = {}
        for name in attributes:
            if ours and is_our_name(name):
                continue
            value = attributes[name]
            if stacks and name in _OUR_LONG and isinstance(value, str) and len(value) > _MAX_VALUE:
                continue
            shown = self._value(name, value)
            if shown is not value:
                changed[name] = shown
        return {**attributes, **changed} if changed else None

    def _secret(self, name: str) -> bool:
        """Whether a part of the name tells of a secret: of `aws.s3.key` and `feature_flag.key` none does."""
        parts = name.split(".")
        if len(parts) > 1 and parts[-1] == "key" and parts[-2] in _KEY_KINDS:
            return True
        return any(map(self._renderer.secrets.named_by, parts))

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        if self._secret(name):
            return MASK
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (list, tuple)):
            shown = [self._text(item) if isinstance(item, str) else item for item in value]
            return value if all(map(_same, shown, value)) else shown
        return value

    def _text(self, text: str) -> str:
        shown = self._renderer.line(text, _MAX_VALUE if self._room > 0 else _MAX_SHORT)
        self._room -= len(shown)
        return text if shown == text else shown

    def _event(self, event: Event, *, ours: bool) -> Event:
        changed = self._attributes(event.attributes or {}, stacks=ours and event.name in _OUR_EVENTS)
        return event if changed is None else Event(event.name, attributes=changed, timestamp=event.timestamp)

    def _link(self, link: Link) -> Link:
        changed = self._attributes(link.attributes or {})
        return link if changed is None else Link(link.context, changed)


def _same(one: object, other: object) -> bool:
    return one is other


def _copied(  # noqa: PLR0917  # what a span consists of
    span: ReadableSpan, name: str, attributes: Any, events: Sequence[Event], links: Sequence[Link], status: Status
) -> ReadableSpan:
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
