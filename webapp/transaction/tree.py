"""A transaction's spans as a tree: who set off whom, in the order they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from collector.domain.facts import Result
from collector.store.queries.transaction import InvocationDetail, SpanDetail, TransactionDetail


@dataclass(frozen=True, slots=True)
class Tree:
    """`children` are in order of their start; `order` is depth first, with each span's depth. `attempts` tells of each
    invocation that AWS tried more than once which one it is, of how many."""

    spans: Mapping[str, SpanDetail]
    invocations: Mapping[str, InvocationDetail]
    children: Mapping[str | None, Sequence[SpanDetail]]
    order: Sequence[tuple[SpanDetail, int]]
    attempts: Mapping[str, tuple[int, int]]

    def ancestors(self, span: SpanDetail) -> Iterator[SpanDetail]:
        """From its parent up."""
        seen = {span.key}
        while span.parent is not None and span.parent in self.spans and span.parent not in seen:
            span = self.spans[span.parent]
            seen.add(span.key)
            yield span

    def invocation_of(self, span: SpanDetail) -> SpanDetail | None:
        """The invocation that the span ran in; itself if it is one."""
        if span.kind == "invocation":
            return span
        return next((ancestor for ancestor in self.ancestors(span) if ancestor.kind == "invocation"), None)

    def within(self, invocation: SpanDetail) -> Iterator[SpanDetail]:
        """What ran in the invocation, not what it set off elsewhere."""
        waiting = list(reversed(self.children.get(invocation.key, ())))
        while waiting:
            span = waiting.pop()
            if span.kind != "invocation":
                yield span
                waiting.extend(reversed(self.children.get(span.key, ())))

    def lasted(self, span: SpanDetail) -> bool:
        """Whether its duration is known: its end was seen, or the platform reports how long it ran."""
        invocation = self.invocations.get(span.key)
        return span.finished or (invocation is not None and invocation.reported_ns is not None)

    def open_end(self, span: SpanDetail) -> Literal["", "running", "unseen", "hanging"]:
        """Why a span has no end: it runs; its end was never seen, though its invocation succeeded; or it never
        returned. "" for one that has."""
        if span.finished:
            return ""
        owner = self.invocation_of(span)
        invocation = self.invocations.get(owner.key) if owner is not None else None
        if invocation is not None and invocation.result == Result.RUNNING:
            return "running"
        return "unseen" if invocation is not None and invocation.result in (Result.OK, Result.HANDLED) else "hanging"

    def attempt(self, span: SpanDetail) -> tuple[int, int]:
        """(2, 3): the second of three runs of one request, as AWS tried again. (1, 1) as a rule."""
        return self.attempts.get(span.key, (1, 1))


def build_tree(detail: TransactionDetail) -> Tree:
    """A parent that is missing or that closes a circle makes its span an entry: everything is shown once."""
    spans = {span.key: span for span in detail.spans}
    children: dict[str | None, list[SpanDetail]] = {}
    for span in spans.values():
        known = span.parent if span.parent in spans and span.parent != span.key else None
        children.setdefault(known, []).append(span)
    for siblings in children.values():
        siblings.sort(key=lambda span: (span.started_ns, span.key))
    order: list[tuple[SpanDetail, int]] = []
    seen: set[str] = set()

    def walk(entry: SpanDetail) -> None:
        waiting = [(entry, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.key in seen:
                continue
            seen.add(span.key)
            order.append((span, depth))
            waiting.extend((child, depth + 1) for child in reversed(children.get(span.key, ())))

    for entry in children.get(None, ()):
        walk(entry)
    for span in spans.values():  # circles have no entry
        if span.key not in seen:
            walk(span)
    invocations = {invocation.key: invocation for invocation in detail.invocations}
    return Tree(spans, invocations, children, order, _attempts(spans, invocations))


def _attempts(
    spans: Mapping[str, SpanDetail], invocations: Mapping[str, InvocationDetail]
) -> dict[str, tuple[int, int]]:
    """AWS keeps the request id when it tries again."""
    runs: dict[tuple[int, str], list[SpanDetail]] = {}
    for key, invocation in invocations.items():
        if invocation.request_id and key in spans:
            runs.setdefault((invocation.function.id, invocation.request_id), []).append(spans[key])
    return {
        span.key: (number, len(same))
        for same in runs.values()
        if len(same) > 1
        for number, span in enumerate(sorted(same, key=lambda span: span.started_ns), 1)
    }
