"""Facts for tests of the writing side, with as little said as the test is about."""

from __future__ import annotations

from collections.abc import Sequence

from collector.domain.facts import (
    Call,
    Export,
    Facts,
    Function,
    Invocation,
    Issue,
    LinkKey,
    Occurrence,
    Resource,
    Result,
    Side,
    Signal,
)
from collector.domain.ids import export_id, hash63

START_NS = 1_790_000_000_000_000_000  # 2026-09-21
MS = 1_000_000
BUCKET = Resource(hash63("bucket"), "s3", "", "audio", "arn:aws:s3:::audio")


def trace(number: int) -> bytes:
    return number.to_bytes(16, "big")


def function(name: str = "transcribe", seen_ms: int = START_NS // MS) -> Function:
    return Function(hash63("fn", name), "lambda", "123", "eu-west-1", name, "python3.12", "arm64", 128, 3000, seen_ms)


def invocation(
    number: int,
    *,
    span: int | None = None,
    name: str = "transcribe",
    start_ms: int = 0,
    duration_ms: int = 10,
    result: Result = Result.OK,
    finished: bool = True,
    cost_pd: int | None = 1_000,
    services: str = "",
    trigger_resource_id: int | None = None,
) -> Invocation:
    return Invocation(
        started_ns=START_NS + start_ms * MS,
        span_id=number if span is None else span,
        trace_id=trace(number),
        function_id=function(name).id,
        request_id=f"request-{number}",
        duration_ns=duration_ms * MS,
        finished=finished,
        result=result,
        span_result=result,
        cold_start=False,
        init_ns=None,
        memory_mb=128,
        max_memory_mb=60,
        billed_ms=duration_ms,
        cost_pd=cost_pd,
        trigger="s3",
        trigger_resource_id=trigger_resource_id,
        services=services,
        calls=0,
        call_errors=0,
    )


def call(
    number: int,
    *,
    span: int,
    start_ms: int = 1,
    duration_ms: int = 5,
    error: str | None = None,
    cost_pd: int | None = 400_000,
) -> Call:
    return Call(
        START_NS + start_ms * MS,
        span,
        trace(number),
        function().id,
        BUCKET.id,
        "GetObject",
        duration_ms * MS,
        finished=error != "Unfinished",
        error_type=error,
        cost_pd=cost_pd,
    )


def key(
    name: str, side: Side, number: int, *, start_ms: int = 0, span: int | None = None, pointer: bool = False
) -> LinkKey:
    return LinkKey(
        hash63(name), side, START_NS + start_ms * MS, number if span is None else span, trace(number), pointer
    )


def facts(
    *invocations: Invocation,
    calls: Sequence[Call] = (),
    keys: Sequence[LinkKey] = (),
    traces: Sequence[int] = (),
    body: bytes | None = None,
) -> Facts:
    """One export. Failed invocations have an issue by their result; `body` tells two exports apart."""
    made = Facts(
        Export(b"", Signal.TRACES, 1, START_NS // MS, body or repr((invocations, calls, keys, traces)).encode())
    )
    made.export = made.export._replace(id=export_id(START_NS, made.export.body))
    made.functions = [function()]
    made.resources = [BUCKET]
    made.invocations = list(invocations)
    made.calls = list(calls)
    made.link_keys = list(keys)
    made.traces = {row.trace_id for row in invocations} | {row.trace_id for row in calls}
    made.traces |= {row.trace_id for row in keys} | {trace(number) for number in traces}
    for row in invocations:
        if row.result != Result.OK:
            issue_id = hash63("issue", str(row.result))
            made.issues.append(
                Issue(issue_id, row.function_id, Result(row.result).name.title(), "broken", None, row.started_ns // MS)
            )
            made.occurrences.append(Occurrence(issue_id, row.started_ns, row.span_id, row.trace_id))
    return made
