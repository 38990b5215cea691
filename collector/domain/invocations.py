"""From the spans of one process to its invocations, calls, link keys and issues."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from collector.domain import call_prices, link_facts
from collector.domain import calls as call_targets
from collector.domain.annotations import read_issues, read_tags
from collector.domain.facts import (
    FAILED,
    Age,
    Call,
    Capacity,
    Facts,
    Function,
    Initialization,
    Invocation,
    Occurrence,
    Resource,
    Result,
    Side,
    Unfinished,
)
from collector.domain.failures import call_error, describe_failure, open_call, result_of
from collector.domain.functions import describe_function, is_lambda
from collector.domain.handled import handled_issues
from collector.domain.links import REQUEST
from collector.domain.prices import PriceTable, pays_restores
from collector.domain.span_facts import SpanFacts, assign_owners, connect, release
from collector.domain.spans import CLIENT, CONSUMER, PRODUCER, SERVER, Value
from collector.domain.throttles import ERRORS as THROTTLES
from collector.domain.throttles import FAILURES, read_refusals, read_throttle
from collector.domain.triggers import Trigger, trigger_of
from collector.domain.values import first_text, flag, number, text, whole

MAX_INIT_MS = 900_000
MAX_EPHEMERAL_MB = 65_536  # twice what Lambda offers
MAX_AGE_MS = 366 * 86_400_000  # longer than any queue or stream keeps what it holds
MAX_BATCH = 1_000_000  # records; Lambda delivers 10,000 at most
MAX_OPEN_CALLS = 64  # that are remembered of an invocation that runs
MAX_RUN_NS = 86_400_000_000_000  # a deadline that is further away is none
LONGEST_INVOCATION_NS = 900_000_000_000  # that Lambda allows
SPAN_ATTRIBUTES = (
    call_targets.ATTRIBUTES
    | call_prices.ATTRIBUTES
    | link_facts.ATTRIBUTES
    | {
        "aws.lambda.invoked_arn",
        "clew.batch.failed",
        "clew.batch.oldest",
        "clew.batch.size",
        "clew.lambda.deadline",
        "clew.lambda.init_duration",
        "clew.lambda.initialization_type",
        "clew.lambda.max_memory_used",
        "clew.lambda.phase",
        "clew.lambda.timeout",
        "clew.trigger.failures",
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
_VAGUE_TRIGGERS = frozenset({"direct", "messaging", "datasource"})  # of which a step of the invocation may know more
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
    steps = _read_steps(facts, spans)
    environment = _read_environment(resource)
    for item in invocations:
        facts.tags.extend(read_tags(item, function.id))
        reported = read_issues(item, function.id) if item.span.events else []
        _read_invocation(
            facts, item, function, environment, prices, step=steps.get(item), reported_issues=len(reported)
        )
        if FAILURES in item.attributes:
            read_refusals(facts, item)
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
        link_facts.read_produced(facts, item)


def _read_steps(facts: Facts, spans: Sequence[SpanFacts]) -> dict[SpanFacts, SpanFacts]:
    """Reads what links and incoming steps within invocations say of what set those off; returns the most telling step
    of each: the CONSUMER of a message, or the SERVER of a second instrumentation that wrapped the handler."""
    steps: dict[SpanFacts, SpanFacts] = {}
    for item in spans:
        if item.owner is None or item.kind in _OUTGOING:
            continue
        if item.span.links:
            link_facts.read_span_links(facts, item, item.owner)
        if item.kind in _INCOMING and item is not item.owner:
            known = steps.get(item.owner)
            # Java's has one for the batch, and in it one for each message that names the queue.
            if known is None or not first_text(known.attributes, "messaging.destination.name", "messaging.destination"):
                steps[item.owner] = item
            link_facts.read_step(facts, item, item.owner)
    return steps


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
    step: SpanFacts | None,
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
    if step is not None and trigger.resource is None and trigger.type in _VAGUE_TRIGGERS:
        trigger = trigger_of(step.attributes, step.kind, function.region)
    if trigger.resource is not None:
        facts.resources.append(trigger.resource)
        _read_age(facts, item, function, trigger.resource)
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
        facts.link_keys.append(link_facts.link_key(f"{REQUEST}{request_id}", item, Side.CONSUMED))
    link_facts.read_consumed(facts, item, trigger)
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


def _read_age(facts: Facts, item: SpanFacts, function: Function, queue: Resource) -> None:
    oldest_ns = whole(item.attributes.get("clew.batch.oldest"))
    if oldest_ns is not None and 0 < oldest_ns <= item.started_ns:
        age_ms = min((item.started_ns - oldest_ns) // 1_000_000, MAX_AGE_MS)
        facts.ages.append(Age(function.id, queue.id, item.started_ns, age_ms))


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
