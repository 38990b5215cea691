"""From the spans of one process to its invocations, calls, link keys and issues."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from collector.domain import call_prices
from collector.domain import calls as call_targets
from collector.domain.annotations import read_issues, read_tags
from collector.domain.facts import (
    FAILED,
    MAX_LINKS,
    Call,
    Capacity,
    Facts,
    Function,
    Initialization,
    Invocation,
    Link,
    LinkKey,
    Occurrence,
    Result,
    Side,
    Unfinished,
)
from collector.domain.failures import call_error, describe_failure, open_call, result_of
from collector.domain.functions import describe_function, is_lambda
from collector.domain.handled import handled_issues
from collector.domain.ids import hash63, span_number
from collector.domain.links import REQUEST, RESULT, SHARED, is_pointer
from collector.domain.prices import PriceTable, pays_restores
from collector.domain.span_facts import SpanFacts, assign_owners, connect, release
from collector.domain.spans import CLIENT, CONSUMER, PRODUCER, SERVER, Value
from collector.domain.throttles import ERRORS as THROTTLES
from collector.domain.throttles import read_throttle
from collector.domain.triggers import Trigger, trigger_of
from collector.domain.values import first_text, flag, number, text, texts, whole

# Of one link key: `s3-object:`, a bucket's name of 63 and a key of 1,024 fit.
MAX_LINK_KEY_LENGTH = 1_200
MAX_INIT_MS = 900_000
MAX_EPHEMERAL_MB = 65_536  # twice what Lambda offers
MAX_BATCH = 1_000_000  # records; Lambda delivers 10,000 at most
MAX_OPEN_CALLS = 64  # that are remembered of an invocation that runs
MAX_RUN_NS = 86_400_000_000_000  # a deadline that is further away is none
LONGEST_INVOCATION_NS = 900_000_000_000  # that Lambda allows
SPAN_ATTRIBUTES = (
    call_targets.ATTRIBUTES
    | call_prices.ATTRIBUTES
    | {
        "aws.lambda.invoked_arn",
        "clew.batch.failed",
        "clew.batch.size",
        "clew.lambda.deadline",
        "clew.lambda.init_duration",
        "clew.lambda.initialization_type",
        "clew.lambda.max_memory_used",
        "clew.lambda.phase",
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
)
_FEW_CALLS = 32  # longer lists are not remembered
_OUTGOING = frozenset({CLIENT, PRODUCER})
_INCOMING = frozenset({SERVER, CONSUMER})
_NO_TRIGGER = Trigger("", None)  # what would have been invoked is not known before the handler runs
_COLD = frozenset({None, Initialization.ON_DEMAND})
_CAPACITIES = {"provisioned-concurrency": Capacity.PROVISIONED, "lambda-managed-instances": Capacity.MANAGED}
_INITIALIZATIONS = {
    "on-demand": Initialization.ON_DEMAND,
    "provisioned-concurrency": Initialization.PROVISIONED,
    "snap-start": Initialization.SNAP_START,
    "proactive": Initialization.PROACTIVE,
}


class _Environment(NamedTuple):
    """What the price of its invocations goes by."""

    capacity: int
    ephemeral_mb: int | None


def read_process(
    facts: Facts, resource: Mapping[str, Value], received: Iterable[SpanFacts], prices: PriceTable
) -> None:
    """Adds to `facts` what the spans of one OTLP resource say."""
    spans = connect(received)
    in_lambda = is_lambda(resource)
    invocations = [item for item in spans if _is_invocation(item, in_lambda)]
    assign_owners(spans, invocations)
    seen_ms = max(item.started_ns for item in spans) // 1_000_000
    function = describe_function(resource, _most_telling(invocations), seen_ms)
    facts.functions.append(function)
    facts.traces.update(item.trace_id for item in spans)
    _read_calls(facts, spans, function, prices)
    for item in spans:
        if item.owner is not None and item.kind not in _OUTGOING and item.span.links:
            _read_span_links(facts, item, item.owner)
    environment = _read_environment(resource)
    for item in invocations:
        facts.tags.extend(read_tags(item, function.id))
        reported = read_issues(item, function.id) if item.span.events else []
        _read_invocation(facts, item, function, environment, prices, reported_issues=len(reported))
        for issue, occurrence in reported:
            facts.issues.append(issue)
            facts.occurrences.append(occurrence)
    release(spans)


def _is_invocation(item: SpanFacts, in_lambda: bool) -> bool:
    """One run of a function: what a request or a message set off, and what nothing in sight did.

    A CONSUMER span inside a Lambda invocation is a step of it (OpenTelemetry's convention for SQS), no run of its own.
    """
    if item.kind in _OUTGOING or call_targets.is_aws_call(item.attributes):
        return False
    request_id = _request_id(item)
    if request_id and item.kind == SERVER:  # two instrumentations may both have wrapped the handler
        return item.parent is None or _request_id(item.parent) != request_id
    if item.parent is not None:  # a process may send a request to itself
        return item.kind in _INCOMING and item.parent.kind in _OUTGOING
    if not item.parent_id:
        # OpenTelemetry's Lambda extension reports INIT as a span of its own.
        return not (in_lambda and item.name.startswith("platform."))
    return item.kind == SERVER or (item.kind == CONSUMER and (bool(request_id) or not in_lambda))


def _request_id(item: SpanFacts) -> str:
    return first_text(item.attributes, "faas.invocation_id", "faas.execution", limit=128)


def _most_telling(invocations: Sequence[SpanFacts]) -> Mapping[str, Value]:
    """The attributes to know the function by: an invocation with a request id names its ARN as well."""
    for item in invocations:
        if _request_id(item):
            return item.attributes
    return invocations[0].attributes if invocations else {}


def _read_calls(facts: Facts, spans: Sequence[SpanFacts], function: Function, prices: PriceTable) -> None:
    for item in spans:
        if item.kind in _OUTGOING or call_targets.is_aws_call(item.attributes):
            item.target = call_targets.describe_call(item.name, item.attributes, function.region)
    for item in spans:
        if item.target is None:
            continue
        if item.parent is not None and item.parent.target is not None and not call_targets.is_aws_call(item.attributes):
            continue  # the HTTP request beneath an SDK call is that call, not another one
        if item.owner is not None:
            item.owner.calls.append(item)
        facts.resources.append(item.target.resource)
        error = call_error(item) if item.failed or not item.finished else None
        if error in THROTTLES and (refused := read_throttle(item, function, error)) is not None:
            facts.functions.append(refused[0])
            facts.throttles.append(refused[1])
        item.cost_pd = prices.calls.cost(
            item.target, item.attributes, item.started_ns, error=error, finished=item.finished
        )
        # By position, which takes two thirds of the time that names take; most rows are calls.
        facts.calls.append(
            Call(
                item.started_ns,
                item.number,
                item.trace_id,
                function.id,
                item.target.resource.id,
                item.target.operation,
                item.duration_ns,
                item.finished,
                error,
                item.cost_pd,
            )
        )
        if "clew.link.keys" in item.attributes:
            _read_link_keys(facts, item, Side.PRODUCED)


def _read_environment(resource: Mapping[str, Value]) -> _Environment:
    capacity = _CAPACITIES.get(text(resource.get("clew.lambda.capacity"), 32), Capacity.ON_DEMAND)
    size = whole(resource.get("clew.lambda.ephemeral_storage"))
    return _Environment(capacity, min(size // 1_048_576, MAX_EPHEMERAL_MB) if size else None)


def _read_invocation(
    facts: Facts,
    item: SpanFacts,
    function: Function,
    environment: _Environment,
    prices: PriceTable,
    *,
    reported_issues: int,
) -> None:
    attributes = item.attributes
    result = result_of(item)
    request_id = _request_id(item) or None
    initialization = None
    if (said := attributes.get("clew.lambda.initialization_type")) is not None:
        initialization = _INITIALIZATIONS.get(text(said, 32))
    cold_start = flag(attributes.get("faas.coldstart")) and initialization in _COLD
    init_ns = _init_ns(attributes) if cold_start else None
    billed_ms = cost_pd = None
    capacity = environment.capacity
    if initialization is Initialization.PROVISIONED and capacity == Capacity.ON_DEMAND:
        capacity = Capacity.PROVISIONED
    restored = initialization is Initialization.SNAP_START and pays_restores(function.runtime) is True
    if function.kind == "lambda":
        billed_ns = item.duration_ns
        if result is Result.TIMEOUT and function.timeout_ms:
            # Lambda bills a timeout up to the deadline; the span was cut shortly before it.
            billed_ns = function.timeout_ms * 1_000_000
        price = prices.price(
            started_ns=item.started_ns,
            duration_ns=billed_ns,
            init_ns=init_ns,
            memory_mb=function.memory_mb,
            region=function.region,
            architecture=function.architecture,
            capacity=capacity,
            ephemeral_mb=environment.ephemeral_mb,
            restored=restored,
        )
        billed_ms, cost_pd = price.billed_ms, price.cost_pd
    trigger = _NO_TRIGGER if result is Result.INIT_FAILED else trigger_of(attributes, item.kind, function.region)
    if trigger.resource is not None:
        facts.resources.append(trigger.resource)
    used = whole(attributes.get("clew.lambda.max_memory_used"))
    batch_size, batch_failed = _batch(attributes)
    handled = handled_issues(item, function, result, trigger.type, (batch_size, batch_failed))
    if handled:
        result = Result.HANDLED
    facts.invocations.append(
        Invocation(
            started_ns=item.started_ns,
            span_id=item.number,
            trace_id=item.trace_id,
            function_id=function.id,
            request_id=request_id,
            duration_ns=item.duration_ns,
            finished=item.finished,
            result=result,
            span_result=result,
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
            call_errors=_errors(item.calls),
            initialization=initialization,
            architecture=function.architecture,
            reported_issues=reported_issues,
            batch_size=batch_size,
            batch_failed=batch_failed,
            capacity=capacity,
            ephemeral_mb=environment.ephemeral_mb,
            restored=restored,
            calls_cost_pd=sum([call.cost_pd for call in item.calls if call.cost_pd]),
            unpriced_calls=[call.cost_pd for call in item.calls].count(None),
        )
    )
    if handled:
        facts.issues.extend(handled)
        facts.occurrences.extend(Occurrence(issue.id, item.started_ns, item.number, item.trace_id) for issue in handled)
    if result is Result.RUNNING:
        facts.unfinished.append(_unfinished(item, function))
    if request_id is not None and function.kind == "lambda":
        facts.link_keys.append(_link_key(f"{REQUEST}{request_id}", item, Side.CONSUMED))
    _read_link_keys(facts, item, Side.CONSUMED)
    if result in FAILED:
        issue = describe_failure(item, result).issue(function.id, item.started_ns)
        facts.issues.append(issue)
        facts.occurrences.append(Occurrence(issue.id, item.started_ns, item.number, item.trace_id))


def _unfinished(item: SpanFacts, function: Function) -> Unfinished:
    """Where the span names no deadline, a Lambda function's is as late as its time limit allows."""
    deadline_ns = whole(item.attributes.get("clew.lambda.deadline"))
    if deadline_ns is None and function.kind == "lambda":
        limit_ns = (function.timeout_ms or 0) * 1_000_000 or LONGEST_INVOCATION_NS
        deadline_ns = item.started_ns + limit_ns
    if deadline_ns is not None:
        deadline_ns = min(max(deadline_ns, item.started_ns), item.started_ns + MAX_RUN_NS)
    waiting = [call for call in item.calls if not call.finished][:MAX_OPEN_CALLS]
    packed = b"".join(struct.pack(">qq", call.started_ns, call.number) for call in waiting)
    return Unfinished(item.started_ns, item.number, deadline_ns, open_call(item), packed)


def _batch(attributes: Mapping[str, Value]) -> tuple[int | None, int | None]:
    """How many records were delivered and how many of them the handler gave back; None where the span does not say."""
    if "clew.batch.size" not in attributes and "clew.batch.failed" not in attributes:
        return None, None
    size = whole(attributes.get("clew.batch.size"))
    failed = attributes.get("clew.batch.failed")
    given_back = min(len(failed), MAX_BATCH) if isinstance(failed, list) else None
    return (min(size, MAX_BATCH) if size is not None else None), given_back


def _init_ns(attributes: Mapping[str, Value]) -> int | None:
    milliseconds = number(attributes.get("clew.lambda.init_duration"))
    if milliseconds is None or not 0 < milliseconds <= MAX_INIT_MS:
        return None
    return round(milliseconds * 1_000_000)


def _errors(calls: Iterable[SpanFacts]) -> int:
    failed = [call for call in calls if call.failed or not call.finished]  # nearly always none
    return sum(call_error(call) is not None for call in failed)


def _services(item: SpanFacts) -> str:
    """`s3 2,transcribe 1`: most called first, then by name."""
    called = tuple([call.target.resource.service for call in item.calls if call.target is not None])
    return _list_services(called) if len(called) <= _FEW_CALLS else _list_services.__wrapped__(called)


@lru_cache(maxsize=512)  # 100 ns instead of 3 µs: a function mostly calls what it called before
def _list_services(called: tuple[str, ...]) -> str:
    counts: dict[str, int] = {}  # Counter takes three times as long
    for service in called:
        counts[service] = counts.get(service, 0) + 1
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ",".join(f"{service} {count}" for service, count in ordered[:32])


def _read_span_links(facts: Facts, item: SpanFacts, invocation: SpanFacts) -> None:
    """Links of the invocation's span or of a step of it, such as the CONSUMER span of a message: both tell what set
    the invocation off."""
    found = [
        Link(
            invocation.trace_id,
            0,
            link.trace_id,
            invocation.number,
            span_number(link.span_id),
            invocation.started_ns,
            0,
        )
        for link in item.span.links
        if len(link.trace_id) == 16 and len(link.span_id) == 8 and any(link.trace_id) and any(link.span_id)
        if link.trace_id != invocation.trace_id
    ]
    taken = found[: _room(facts)]
    facts.links.extend(taken)
    facts.dropped_links += len(found) - len(taken)


def _read_link_keys(facts: Facts, item: SpanFacts, side: Side) -> None:
    found = item.attributes.get("clew.link.keys")
    if found is not None:
        keys = list(dict.fromkeys(texts(found, MAX_LINKS, MAX_LINK_KEY_LENGTH)))
        taken = keys[: _room(facts)]
        facts.link_keys.extend(_link_key(key, item, side) for key in taken)
        facts.dropped_links += len(keys) - len(taken)


def _room(facts: Facts) -> int:
    return max(0, MAX_LINKS - len(facts.link_keys) - len(facts.links))


def _link_key(key: str, item: SpanFacts, side: Side) -> LinkKey:
    if side is Side.CONSUMED and key.startswith(RESULT):
        # The invocation has the key of its request already: it need not have another one for its result.
        key, side = f"{REQUEST}{key.removeprefix(RESULT)}", Side.RESULT
    elif side is Side.CONSUMED and key.startswith(SHARED):
        side = Side.SHARED
    return LinkKey(hash63("link", key), side, item.started_ns, item.number, item.trace_id, is_pointer(key))
