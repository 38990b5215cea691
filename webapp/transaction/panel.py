"""All about one span: what its panel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.store.queries.transaction import InvocationDetail, SpanDetail
from webapp import payloads, stacks
from webapp.payloads import Piece
from webapp.stacks import Block
from webapp.transaction.timeline import describe
from webapp.transaction.tree import Tree

SPAN_ID_DIGITS = 16
PARTS = ("request", "response")
LONGEST_STACK = 65_536  # characters; a deep recursion's is longer and says the same again and again
MOST_ATTRIBUTES = 200


@dataclass(frozen=True, slots=True)
class Failure:
    type: str
    message: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Body:
    """`part`: "request" or "response", as the address of the whole names it."""

    part: str
    title: str
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Panel:
    """`number` of `siblings`: the span among those of the same function or to the same resource."""

    span: SpanDetail
    invocation: InvocationDetail | None
    icon: str
    title: str
    subtitle: str
    failures: Sequence[Failure]
    bodies: Sequence[Body]
    parent: SpanDetail | None
    number: int
    siblings: Sequence[SpanDetail]

    @property
    def previous(self) -> SpanDetail | None:
        return self.siblings[self.number - 2] if self.number > 1 else None

    @property
    def following(self) -> SpanDetail | None:
        return self.siblings[self.number] if self.number < len(self.siblings) else None


def build_panel(tree: Tree, key: str) -> Panel | None:
    """The span with this key, or with a key that ends in these 16 hex digits: lists of invocations know only the
    span's own id. None: no such span in this transaction."""
    if len(key) == SPAN_ID_DIGITS:
        key = next((known for known in tree.spans if known.endswith(key)), key)
    span = tree.spans.get(key)
    if span is None:
        return None
    icon, title, subtitle = describe(span)
    siblings = sorted(
        (other for other in tree.spans.values() if _group(other) == _group(span)),
        key=lambda other: (other.started_ns, other.key),
    )
    names = ("Event", "Return value") if span.kind == "invocation" else ("Request", "Response")
    bodies = [
        Body(part, name, payloads.pieces(text))
        for part, name in zip(PARTS, names, strict=True)
        if (text := whole_payload(span, part)) is not None
    ]
    failures = [
        Failure(exception.type, exception.message, stacks.blocks(_ends(exception.stacktrace)))
        for exception in span.exceptions
    ]
    # Of a call that never returned the template says so; "Unfinished" is no error that anything reported.
    told = span.finished or span.kind == "invocation"
    if not failures and span.failed and told and (span.error_type or span.error_message):
        failures = [Failure(span.error_type or "Error", span.error_message or "", ())]
    return Panel(
        span,
        tree.invocations.get(span.key),
        icon,
        title,
        subtitle,
        failures,
        bodies,
        next(tree.ancestors(span), None),
        next(i for i, other in enumerate(siblings, 1) if other.key == key),
        siblings,
    )


def _ends(stacktrace: str) -> str:
    """Its beginning and its end, whole lines: where it came from and where it failed."""
    if len(stacktrace) <= LONGEST_STACK:
        return stacktrace
    half = LONGEST_STACK // 2
    first, last = stacktrace[:half].rpartition("\n")[0], stacktrace[-half:].partition("\n")[2]
    return f"{first}\n… {len(stacktrace) - len(first) - len(last)} characters are not shown …\n{last}"


def whole_payload(span: SpanDetail, part: str) -> str | None:
    """As it was received. None: nothing was."""
    return span.request if part == "request" else span.response


def _group(span: SpanDetail) -> tuple[object, ...]:
    if span.kind == "call" and span.resource is not None:
        return ("call", span.resource.id)
    if span.kind == "invocation":
        return ("invocation", span.function.id)
    return ("one", span.key)
