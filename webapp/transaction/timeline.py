"""The waterfall: one row per span, nested through asynchronous hops, on an axis that folds waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.domain.facts import Result
from collector.store.queries.transaction import InvocationDetail, SpanDetail
from webapp.formatting.numbers import count, nanoseconds
from webapp.formatting.words import function_icon, resource_name, service_icon, service_name, start_words
from webapp.transaction.timescale import Pause, Tick, build_scale
from webapp.transaction.tree import Tree

ROWS = 500
THINNEST = 0.35  # percent: what took no time at all is seen too
DEEPEST = 12  # levels of indentation


@dataclass(frozen=True, slots=True)
class Row:
    """`left` and `width` in percent; `init_*` is the start of the environment before a cold invocation."""

    span: SpanDetail
    depth: int
    icon: str
    title: str
    subtitle: str
    note: str
    left: float
    width: float
    init_left: float
    init_width: float
    invocation: InvocationDetail | None
    hop: bool
    lasted: bool  # whether its duration is known
    open_end: str  # as Tree.open_end
    partial: str  # what of it failed and was handled: records of a batch, entries of a call


@dataclass(frozen=True, slots=True)
class Timeline:
    rows: Sequence[Row]
    hidden: int
    ticks: Sequence[Tick]
    pauses: Sequence[Pause]
    finished: bool  # whether the end of what ended last was seen


def build_timeline(tree: Tree, *, limit: int | None = ROWS) -> Timeline:
    """The first `limit` rows; None for all."""
    intervals = [(_first(tree, span), span.started_ns + span.duration_ns) for span in tree.spans.values()]
    scale = build_scale(intervals)
    shown = tree.order if limit is None else tree.order[:limit]
    rows = []
    for span, depth in shown:
        left, right = scale.at(span.started_ns), scale.at(span.started_ns + span.duration_ns)
        init_left = scale.at(_first(tree, span))
        width = max(right - left, THINNEST)
        icon, title, subtitle = describe(span)
        rows.append(
            Row(
                span,
                min(depth, DEEPEST),
                icon,
                title,
                subtitle,
                _note(tree, span),
                min(left, 100 - width),
                width,
                init_left,
                left - init_left,
                tree.invocations.get(span.key),
                span.via == "link",
                tree.lasted(span),
                tree.open_end(span),
                _partial(tree, span),
            )
        )
    return Timeline(rows, len(tree.order) - len(rows), scale.ticks(), scale.pauses, _finished(tree))


def _finished(tree: Tree) -> bool:
    last = max((span.started_ns + span.duration_ns for span in tree.spans.values()), default=0)
    return all(tree.lasted(span) for span in tree.spans.values() if span.started_ns + span.duration_ns == last)


def describe(span: SpanDetail) -> tuple[str, str, str]:
    """Icon, title and what stands beside it: "StartTranscriptionJob", "Transcribe"."""
    if span.kind == "invocation":
        # A service's root span has a name of its own: "GET /cart".
        return function_icon(span.function), span.function.name, "" if span.name == span.function.name else span.name
    if span.kind == "internal" or span.resource is None:
        return "dot", span.name, ""
    service = service_name(span.resource.service)
    prefix, _, operation = span.name.partition(".")
    title = operation if operation and prefix.lower() == span.resource.service.lower() else span.name
    if title.lower().startswith(f"{span.resource.service.lower()}."):
        title = title.partition(".")[2]
    name = resource_name(span.resource)
    return service_icon(span.resource.service), title, service if name == service else f"{service} {name}"


def _first(tree: Tree, span: SpanDetail) -> int:
    """When it began, its environment's start included."""
    invocation = tree.invocations.get(span.key)
    return span.started_ns - (invocation.init_ns or 0 if invocation and invocation.cold_start else 0)


def _note(tree: Tree, span: SpanDetail) -> str:
    notes = []
    if span.kind == "invocation":
        attempt, attempts = tree.attempt(span)
        if attempts > 1:
            notes.append(f"attempt {attempt} of {attempts}")
        invocation = tree.invocations.get(span.key)
        if invocation is not None:
            _, name, _ = start_words(invocation.initialization, cold=invocation.cold_start)
            took = invocation.init_ns if invocation.cold_start else invocation.restore_ns
            if name:
                notes.append(f"{name} {nanoseconds(took)}" if took else name)
    elif retries := span.attributes.get("http.request.resend_count"):
        notes.append(f"{retries} retries" if retries != "1" else "1 retry")
    return ", ".join(notes)


def _partial(tree: Tree, span: SpanDetail) -> str:
    if span.kind == "invocation":
        invocation = tree.invocations.get(span.key)
        if invocation is None:
            return ""
        if invocation.result == Result.HANDLED and span.error_type:
            return f"answered {span.error_type}"
        if not invocation.batch_failed:
            return ""
        whole = f" of {count(invocation.batch_size)}" if invocation.batch_size else ""
        return f"{count(invocation.batch_failed)}{whole} records failed"
    refused = refused_entries(span)
    return f"{count(refused)} {'entry' if refused == 1 else 'entries'} refused" if refused else ""


def refused_entries(span: SpanDetail) -> int:
    """How many entries of a batch AWS refused in a response that was a success."""
    told = span.attributes.get("clew.call.failed_entries", "") if span.kind == "call" else ""
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else 0
