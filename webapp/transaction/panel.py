"""All about one span: what its panel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.domain.facts import Result
from collector.store.queries.common import Tag
from collector.store.queries.tags import TAG_PREFIX
from collector.store.queries.transaction import InvocationDetail, ReportedIssue, SpanDetail
from webapp import payloads, stacks
from webapp.formatting.words import failure_name
from webapp.payloads import Piece
from webapp.stacks import Block
from webapp.transaction.frames import Locals, read_frames
from webapp.transaction.timeline import describe, refused_entries
from webapp.transaction.tree import Tree

SPAN_ID_DIGITS = 16
PARTS = ("request", "response")
MOST_ATTRIBUTES = 200
_SYSTEM = ("rpc.system.name", "rpc.system")


@dataclass(frozen=True, slots=True)
class Failure:
    """`by_platform`: the span does not say so, Lambda does or its silence."""

    type: str
    message: str
    blocks: Sequence[Block]
    frames: Sequence[Locals] = ()
    by_platform: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """`part`: "request" or "response", as the address of the whole names it."""

    part: str
    title: str
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Reported:
    """An issue that the function reported itself, with what more it had to tell."""

    issue: ReportedIssue
    details: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Measures:
    """What the tracer measured of an invocation; None where it did not say. `sample`: this one stands for so many;
    1: it was kept for what it is."""

    cpu_ms: float | None
    cpu_share: float | None  # of the duration; more than 1 where several threads computed
    tmp_bytes: int | None
    sample: float | None


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
    open_end: str  # as Tree.open_end
    timed_out: bool  # the invocation that it is part of
    measures: Measures
    tags: Sequence[Tag]
    reported: Sequence[Reported]
    environment: Sequence[Piece]
    refused: int  # entries of a call's batch
    priced: bool  # a call of AWS that is over
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
        Failure(
            exception.type,
            exception.message,
            stacks.blocks(stacks.ends(exception.stacktrace)),
            read_frames(exception.frames),
        )
        for exception in span.exceptions
    ]
    invocation = tree.invocations.get(span.key)
    if invocation is not None and invocation.failure is not None:
        name = failure_name(invocation.failure.type, invocation.result)
        failures.append(Failure(name, invocation.failure.message, (), by_platform=True))
    # Of a call that never returned the template says so; "Unfinished" is no error that anything reported.
    told = span.finished or (span.kind == "invocation" and tree.open_end(span) == "hanging")
    if not failures and span.failed and told and (span.error_type or span.error_message):
        failures = [Failure(span.error_type or "Error", span.error_message or "", ())]
    return Panel(
        span,
        invocation,
        icon,
        title,
        subtitle,
        failures,
        bodies,
        next(tree.ancestors(span), None),
        tree.open_end(span),
        _timed_out(tree, span),
        _measures(span),
        [
            Tag(name.removeprefix(TAG_PREFIX), value)
            for name, value in span.attributes.items()
            if span.kind == "invocation" and name.startswith(TAG_PREFIX)
        ],
        [Reported(issue, payloads.pieces(issue.details)) for issue in span.reported],
        payloads.pieces(span.attributes.get("clew.environment", "")),
        refused_entries(span),
        span.kind == "call" and span.finished and "aws-api" in map(span.attributes.get, _SYSTEM),
        next(i for i, other in enumerate(siblings, 1) if other.key == key),
        siblings,
    )


def _timed_out(tree: Tree, span: SpanDetail) -> bool:
    owner = tree.invocation_of(span)
    invocation = tree.invocations.get(owner.key) if owner is not None else None
    return invocation is not None and invocation.result == Result.TIMEOUT


def _measures(span: SpanDetail) -> Measures:
    cpu_ms, tmp, ratio = (
        _number(span.attributes.get(name, "")) if span.kind == "invocation" else None
        for name in ("clew.lambda.cpu_time", "clew.lambda.tmp_used", "clew.sampling.ratio")
    )
    lasted_ms = span.duration_ns / 1e6
    return Measures(
        cpu_ms,
        cpu_ms / lasted_ms if cpu_ms is not None and lasted_ms else None,
        int(tmp) if tmp is not None else None,
        1 / ratio if ratio is not None and 0 < ratio <= 1 else None,
    )


def _number(text: str) -> float | None:
    try:
        found = float(text) if len(text) <= 32 else None
    except ValueError:
        return None
    return found if found is not None and 0 <= found < 1e15 else None


def whole_payload(span: SpanDetail, part: str) -> str | None:
    """As it was received. None: nothing was."""
    return span.request if part == "request" else span.response


def _group(span: SpanDetail) -> tuple[object, ...]:
    if span.kind == "call" and span.resource is not None:
        return ("call", span.resource.id)
    if span.kind == "invocation":
        return ("invocation", span.function.id)
    return ("one", span.key)
