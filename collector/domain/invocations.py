"""From the spans of one process to its invocations, calls, link keys and issues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.trace.v1 import trace_pb2

from collector.domain import calls as call_targets
from collector.domain import issues
from collector.domain.facts import Call, Facts, Function, Invocation, Issue, Link, LinkKey, Occurrence, Result, Side
from collector.domain.failures import describe_failure, result_of
from collector.domain.functions import describe_function
from collector.domain.ids import hash63, span_number
from collector.domain.links import is_pointer
from collector.domain.prices import PriceTable
from collector.domain.spans import CLIENT, CONSUMER, PRODUCER, SERVER, Value
from collector.domain.triggers import trigger_of
from collector.domain.values import first_text, text, texts, whole

MAX_LINK_KEYS = 10_000  # of one span: the largest batch that Lambda delivers
MAX_CLIMB = 128  # from a call up to its invocation; a cycle among parents ends here too
SPAN_ATTRIBUTES = call_targets.ATTRIBUTES | {
    "aws.lambda.invoked_arn",
    "clew.lambda.init_duration",
    "clew.lambda.max_memory_used",
    "clew.lambda.timeout",
    "clew.link.keys",
    "clew.trigger.resource",
    "clew.trigger.type",
    "clew.unfinished",
    "cloud.account.id",
    "cloud.resource_id",
    "error.type",
    "faas.coldstart",
    "faas.execution",
    "faas.id",
    "faas.invocation_id",
    "faas.trigger",
}


@dataclass(slots=True)
class SpanFacts:
    """A span on its way in: the protobuf message beside what was read of it once."""

    span: trace_pb2.Span
    span_id: bytes
    attributes: Mapping[str, Value]
    failed: bool
    target: call_targets.Target | None = None  # of a call
    owner: SpanFacts | None = None  # the invocation that it is part of
    calls: list[SpanFacts] = field(default_factory=list)  # of an invocation

    @property
    def finished(self) -> bool:
        return self.attributes.get("clew.unfinished") is not True

    @property
    def duration_ns(self) -> int:
        return max(0, self.span.end_time_unix_nano - self.span.start_time_unix_nano)


def read_process(facts: Facts, resource: Mapping[str, Value], spans: Sequence[SpanFacts], prices: PriceTable) -> None:
    """Adds to `facts` what the spans of one OTLP resource say."""
    by_id = {item.span_id: item for item in spans}
    is_lambda = bool(text(resource.get("faas.name")))
    invocations = [item for item in spans if _is_invocation(item, by_id, is_lambda)]
    entry_ids = {item.span_id for item in invocations}
    for item in spans:
        item.owner = _climb(item, by_id, entry_ids)
    seen_ms = max(item.span.start_time_unix_nano for item in spans) // 1_000_000
    function = describe_function(resource, invocations[0].attributes if invocations else {}, seen_ms)
    facts.functions.append(function)
    facts.traces.update(item.span.trace_id for item in spans)
    for item in spans:
        if item.span_id not in entry_ids:
            _read_call(facts, item, by_id, function)
    for item in invocations:
        _read_invocation(facts, item, function, prices)


def _is_invocation(item: SpanFacts, by_id: Mapping[bytes, SpanFacts], is_lambda: bool) -> bool:
    """One run of a function: what a request or a message set off, and what nothing in sight did.

    A CONSUMER span inside a Lambda invocation is a step of it (OpenTelemetry's convention for SQS), no run of its own.
    """
    if item.attributes.get("faas.invocation_id") or item.attributes.get("faas.execution"):
        return item.span.kind == SERVER or not item.span.parent_span_id
    if item.span.parent_span_id in by_id:
        return False
    if not item.span.parent_span_id:
        return item.span.kind not in {CLIENT, PRODUCER}
    return item.span.kind == SERVER or (item.span.kind == CONSUMER and not is_lambda)


def _climb(item: SpanFacts, by_id: Mapping[bytes, SpanFacts], entry_ids: set[bytes]) -> SpanFacts | None:
    current: SpanFacts | None = item
    for _ in range(MAX_CLIMB):
        if current is None or current.span_id in entry_ids:
            return current
        current = by_id.get(current.span.parent_span_id)
    return None


def _read_call(facts: Facts, item: SpanFacts, by_id: Mapping[bytes, SpanFacts], function: Function) -> None:
    if item.span.kind not in {CLIENT, PRODUCER}:
        return
    parent = by_id.get(item.span.parent_span_id)
    if parent is not None and parent.span.kind == CLIENT:
        return  # the HTTP request beneath an SDK call is that call, not another one
    target = call_targets.describe_call(text(item.span.name), item.attributes, function.region)
    if target is None:
        return
    item.target = target
    if item.owner is not None:
        item.owner.calls.append(item)
    facts.resources.append(target.resource)
    error_type = None
    if item.failed or not item.finished:
        error_type = text(item.attributes.get("error.type")) or ("Error" if item.finished else "Unfinished")
    facts.calls.append(
        Call(
            started_ns=item.span.start_time_unix_nano,
            span_id=span_number(item.span_id),
            trace_id=item.span.trace_id,
            function_id=function.id,
            resource_id=target.resource.id,
            operation=target.operation,
            duration_ns=item.duration_ns,
            finished=item.finished,
            error_type=error_type,
        )
    )
    _read_link_keys(facts, item, Side.PRODUCED)


def _read_invocation(facts: Facts, item: SpanFacts, function: Function, prices: PriceTable) -> None:
    attributes = item.attributes
    started_ns, span_id = item.span.start_time_unix_nano, span_number(item.span_id)
    finished = item.finished
    result = result_of(item, finished)
    request_id = first_text(attributes, "faas.invocation_id", "faas.execution", limit=128) or None
    cold_start = attributes.get("faas.coldstart") is True
    init_ms = attributes.get("clew.lambda.init_duration")
    init_ns = (
        int(init_ms * 1_000_000) if cold_start and isinstance(init_ms, float | int) and 0 < init_ms < 1e6 else None
    )
    duration_ns = item.duration_ns
    billed_ms = cost_pd = None
    if function.kind == "lambda":
        # Lambda bills a timeout up to the deadline; the span was cut shortly before it.
        billed_ns = function.timeout_ms * 1_000_000 if result is Result.TIMEOUT and function.timeout_ms else duration_ns
        billed_ms, cost_pd = _price(prices, function, started_ns, billed_ns, init_ns)
    trigger = trigger_of(attributes, item.span.kind, function.region)
    if trigger.resource is not None:
        facts.resources.append(trigger.resource)
    used = whole(attributes.get("clew.lambda.max_memory_used"))
    facts.invocations.append(
        Invocation(
            started_ns=started_ns,
            span_id=span_id,
            trace_id=item.span.trace_id,
            function_id=function.id,
            request_id=request_id,
            duration_ns=duration_ns,
            finished=finished,
            result=result,
            cold_start=cold_start,
            init_ns=init_ns,
            memory_mb=function.memory_mb,
            max_memory_mb=min(used // 1_048_576, 2**31 - 1) if used else None,
            billed_ms=billed_ms,
            cost_pd=cost_pd,
            trigger=trigger.type,
            trigger_resource_id=trigger.resource.id if trigger.resource is not None else None,
            services=_services(item),
            calls=len(item.calls),
            call_errors=sum(call.failed for call in item.calls),
        )
    )
    if request_id is not None and function.kind == "lambda":
        facts.link_keys.append(_link_key(f"lambda:{request_id}", item, Side.CONSUMED))
    _read_link_keys(facts, item, Side.CONSUMED)
    facts.links.extend(
        Link(item.span.trace_id, link.trace_id, span_id, span_number(link.span_id))
        for link in item.span.links[:MAX_LINK_KEYS]
        if len(link.trace_id) == 16 and len(link.span_id) == 8 and link.trace_id != item.span.trace_id
    )
    if result is not Result.OK:
        failure = describe_failure(item, result, item.calls)
        issue_id = issues.fingerprint(function.id, failure.type, failure.message, failure.frames)
        facts.issues.append(
            Issue(issue_id, function.id, failure.type, failure.message, failure.culprit, started_ns // 1_000_000)
        )
        facts.occurrences.append(Occurrence(issue_id, started_ns, span_id, item.span.trace_id))


def _price(
    prices: PriceTable, function: Function, started_ns: int, duration_ns: int, init_ns: int | None
) -> tuple[int, int | None]:
    price = prices.price(
        started_ns=started_ns,
        duration_ns=duration_ns,
        init_ns=init_ns,
        memory_mb=function.memory_mb,
        region=function.region,
        architecture=function.architecture,
    )
    return price.billed_ms, price.cost_pd


def _services(item: SpanFacts) -> str:
    """`s3 2,transcribe 1`: most called first, then by name."""
    counts = Counter(call.target.resource.service for call in item.calls if call.target is not None)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ",".join(f"{service} {count}" for service, count in ordered[:32])


def _read_link_keys(facts: Facts, item: SpanFacts, side: Side) -> None:
    keys = texts(item.attributes.get("clew.link.keys"), MAX_LINK_KEYS)
    facts.link_keys.extend(_link_key(key, item, side) for key in dict.fromkeys(keys))


def _link_key(key: str, item: SpanFacts, side: Side) -> LinkKey:
    return LinkKey(
        key=hash63("link", key),
        side=side,
        started_ns=item.span.start_time_unix_nano,
        span_id=span_number(item.span_id),
        trace_id=item.span.trace_id,
        pointer=is_pointer(key),
    )
