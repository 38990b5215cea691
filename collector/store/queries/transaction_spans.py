"""The spans of a transaction as its page shows them: in a tree, each with its function, payloads and failures."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import Literal

from collector.domain.annotations import ISSUE_EVENT
from collector.domain.call_prices import CAPACITY, is_measured
from collector.domain.facts import FAILED
from collector.domain.spans import CLIENT, PRODUCER, Event, Span, Value
from collector.store.queries.common import FunctionRef
from collector.store.queries.lookups import ran_ns, unknown_function
from collector.store.queries.transaction_models import ExceptionDetail, ReportedIssue, SpanDetail
from collector.store.queries.transaction_source import Source, SpanId

# What went in and what came out; the tracer's own names first, then what other instrumentations write.
_REQUEST = (
    "clew.event",
    "clew.request",
    "faas.event",
    "http.request.body",
    "rpc.request.body",
    "messaging.message.body",
    "db.query.text",
    "db.statement",
    "gen_ai.input.messages",
)
_RESPONSE = (
    "clew.return_value",
    "clew.response",
    "faas.response",
    "http.response.body",
    "rpc.response.body",
    "gen_ai.output.messages",
)
_PICKED = frozenset({"clew.unfinished", "error.type", CAPACITY, *_REQUEST, *_RESPONSE})


class _Texts(Mapping[str, str]):
    """Attributes as text, by name, without those that are shown elsewhere; read when first asked for."""

    __slots__ = ("_source", "_texts", "_without")

    def __init__(self, source: Mapping[str, Value], without: Container[str | None]) -> None:
        self._source = source
        self._without = without
        self._texts: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._texts is None:
            names = sorted(name for name in self._source if name not in self._without)
            self._texts = {name: text_of(self._source[name]) for name in names}
        return self._texts

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class _Node:
    """A span on its way into the tree."""

    __slots__ = ("causes", "children", "function", "id", "key", "parent", "span", "via")

    causes: tuple[str, ...]
    function: FunctionRef | None
    parent: _Node | None
    via: Literal["span", "link"] | None

    def __init__(self, id: SpanId, span: Span) -> None:
        self.id = id
        self.key = key_of(id)
        self.span = span
        self.children: list[_Node] | None = None  # most have none


def key_of(id: SpanId) -> str:
    return f"{id[0].hex()}-{id[1].hex()}"


def build_spans(source: Source) -> tuple[SpanDetail, ...]:
    """Parents before children, siblings by start. A span whose parent is missing, or which is its own ancestor, is a
    root."""
    nodes = {id: _Node(id, span) for id, span in source.spans.items()}
    for node in nodes.values():
        _find_parent(node, nodes, source)
    _break_cycles(nodes)
    ordered = _in_order(nodes)
    _assign_functions(ordered, source)
    return tuple(_detail(node, node.function or unknown_function(), source) for node in ordered)


def text_of(value: Value) -> str:
    """An attribute's value as text: strings as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=_readable)


def exception_of(attributes: Mapping[str, Value]) -> ExceptionDetail:
    return ExceptionDetail(
        text_of(attributes.get("exception.type")),
        text_of(attributes.get("exception.message")),
        text_of(attributes.get("exception.stacktrace")),
        text_of(attributes.get("clew.exception.frames")),
    )


def reported_issue(event: Event) -> ReportedIssue:
    type = text_of(event.attributes.get("clew.issue.type")).strip() or "Issue"
    message, details = (text_of(event.attributes.get(f"clew.issue.{name}")) for name in ("message", "details"))
    return ReportedIssue(event.time_ns, type, message, details)


def function_of_resource(resource: Mapping[str, Value]) -> FunctionRef:
    """The sender as it names itself, where no row tells who it is."""
    name = text_of(resource.get("faas.name")) or text_of(resource.get("service.name"))
    if not name:
        return unknown_function()
    kind = "lambda" if resource.get("faas.name") else "service"
    account, region = text_of(resource.get("cloud.account.id")), text_of(resource.get("cloud.region"))
    return FunctionRef(0, kind, account, region, name)


def _readable(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _find_parent(node: _Node, nodes: Mapping[SpanId, _Node], source: Source) -> None:
    node.parent, node.via, node.causes, node.function = None, None, (), None
    span = node.span
    linked = source.producers.get(node.id)
    if linked or span.links:
        # The latest that came before it: of several producers the one that can have been the last to set it off.
        producers = [nodes[id] for id in {*(linked or ()), *span.links} - {node.id} if id in nodes]
        producers.sort(key=lambda other: (other.span.started_ns <= span.started_ns, other.span.started_ns, other.key))
        node.causes = tuple(other.key for other in reversed(producers))
        if producers:
            node.parent, node.via = producers[-1], "link"
    if span.parent_span_id:
        parent = nodes.get((span.trace_id, span.parent_span_id))
        if parent is not None and parent is not node:
            node.parent, node.via = parent, "span"


def _break_cycles(nodes: Mapping[SpanId, _Node]) -> None:
    """Where parents run in a circle, the earliest span of it becomes a root."""
    done: set[SpanId] = set()
    for start in nodes.values():
        path: dict[SpanId, _Node] = {}
        node: _Node | None = start
        while node is not None and node.id not in done:
            if node.id in path:
                walked = list(path.values())
                circle = walked[walked.index(node) :]
                first = min(circle, key=lambda member: (member.span.started_ns, member.id))
                first.parent = first.via = None
                break
            path[node.id] = node
            node = node.parent
        done.update(path)


def _in_order(nodes: Mapping[SpanId, _Node]) -> list[_Node]:
    """`nodes` come by start, so children and roots do too. Without recursion: a chain may be 10,000 long."""
    roots: list[_Node] = []
    for node in nodes.values():
        if node.parent is None:
            roots.append(node)
        elif node.parent.children is None:
            node.parent.children = [node]
        else:
            node.parent.children.append(node)
    ordered = []
    stack = roots[::-1]
    while stack:
        node = stack.pop()
        ordered.append(node)
        if node.children:
            stack.extend(reversed(node.children))
    return ordered


def _assign_functions(ordered: list[_Node], source: Source) -> None:
    """Gives each span the function of the invocation that it is part of, or that its call's row names.

    For those that are left, any other span of the same sender tells; where none does, the sender's own words.
    """
    left = []
    for node in ordered:
        invocation = source.invocations.get(node.id)
        if invocation is not None:
            node.function = source.functions.get(invocation.function_id)
        elif node.parent is not None and node.via == "span":
            node.function = node.parent.function
        elif (call := source.calls.get(node.id)) is not None:
            node.function = source.functions.get(call.function_id)
        if node.function is None:
            left.append(node)
    if left:
        senders = {_sender(node.span): node.function for node in ordered if node.function is not None}
        for node in left:
            node.function = senders.get(_sender(node.span)) or function_of_resource(node.span.resource)


def _sender(span: Span) -> str:
    return "/".join(text_of(span.resource.get(name)) for name in ("faas.name", "service.name", "cloud.region"))


def _detail(node: _Node, function: FunctionRef, source: Source) -> SpanDetail:
    span = node.span
    invocation, call = source.invocations.get(node.id), source.calls.get(node.id)
    kind: Literal["invocation", "call", "internal"] = "internal"
    resource_id = None
    if invocation is not None:
        kind, resource_id = "invocation", invocation.trigger_resource_id
    elif call is not None or span.kind in {CLIENT, PRODUCER}:
        kind, resource_id = "call", call.resource_id if call is not None else None
    exceptions: tuple[ExceptionDetail, ...] = ()
    reported: tuple[ReportedIssue, ...] = ()
    if span.events:
        exceptions = tuple(exception_of(event.attributes) for event in span.events if event.name == "exception")
        if invocation is not None:
            reported = tuple(reported_issue(event) for event in span.events if event.name == ISSUE_EVENT)
    picked = span.attributes.pick(_PICKED)
    error_type = text_of(picked.get("error.type")) or (call.error_type if call is not None else None)
    error_message = span.status_message
    if exceptions:
        error_type = error_type or exceptions[0].type
        error_message = error_message or exceptions[0].message
    request, response = _first(picked, _REQUEST), _first(picked, _RESPONSE)
    return SpanDetail(
        key=node.key,
        parent=node.parent.key if node.parent is not None else None,
        kind=kind,
        via=node.via,
        name=function.name if kind == "invocation" and function.kind == "lambda" else span.name,
        started_ns=span.started_ns,
        duration_ns=max(0, span.ended_ns - span.started_ns) if invocation is None else ran_ns(invocation),
        finished=picked.get("clew.unfinished") is not True,
        # What an invocation's span says is not all: its end may differ, and it may have dealt with what went wrong.
        failed=invocation.result in FAILED
        if invocation is not None
        else span.failed or (call is not None and call.error_type is not None),
        error_type=error_type or None,
        error_message=error_message or None,
        function=function,
        resource=source.resources.get(resource_id),
        exceptions=exceptions,
        reported=reported,
        request=text_of(picked[request]) if request else None,
        response=text_of(picked[response]) if response else None,
        attributes=_Texts(span.attributes, {request, response}),
        cost_pd=call.cost_pd if call is not None else None,
        measured=CAPACITY in picked and is_measured(picked),
        causes=node.causes,
    )


def _first(attributes: Mapping[str, Value], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in attributes), None)
