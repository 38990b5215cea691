"""A small world for the queries' tests: functions that run, call and fail, stored the way the collector stores them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from sqlalchemy import Engine

from collector.domain.facts import (
    Call,
    Export,
    Facts,
    Function,
    Invocation,
    Issue,
    Link,
    Occurrence,
    Resource,
    Result,
    Signal,
)
from collector.domain.ids import export_id, hash63
from collector.store.commit import Seen, write_facts
from collector.store.queries.common import TimeRange
from collector.store.stitcher import Stitcher

MS = 1_000_000  # nanoseconds
MINUTE = 60_000  # milliseconds, as all times of this module
HOUR = 60 * MINUTE
NOON = 1_789_992_000_000  # 2026-09-21 12:00 UTC: a whole hour
DAY = TimeRange(NOON - 12 * HOUR, NOON + 12 * HOUR)


def trace(number: int) -> bytes:
    return bytes.fromhex(f"{number:08x}") + bytes(12)


class World:
    """Collects what happens; `store` writes it all in one commit and stitches it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._numbers = count(1)
        self._facts = self._new()

    def function(
        self,
        name: str,
        *,
        kind: str = "lambda",
        account: str = "123456789012",
        region: str = "eu-west-1",
        runtime: str | None = "python3.12",
    ) -> Function:
        row = Function(
            hash63(kind, account, region, name),
            kind,
            account,
            region,
            name,
            runtime,
            "arm64",
            512,
            30_000,
            NOON,
        )
        self._facts.functions.append(row)
        return row

    def resource(self, service: str, name: str, *, region: str = "", arn: str | None = None) -> Resource:
        row = Resource(hash63(service, region, name, arn or ""), service, region, name, arn)
        self._facts.resources.append(row)
        return row

    def issue(self, function: Function, type: str, message: str = "broken", culprit: str | None = None) -> Issue:
        return Issue(hash63(str(function.id), type, message), function.id, type, message, culprit, NOON)

    def run(
        self,
        function: Function,
        at: int = 0,
        *,
        number: int | None = None,
        span: int | None = None,
        duration_ms: float = 100,
        issue: Issue | None = None,
        result: Result | None = None,
        cold: bool = False,
        cost_pd: int | None = 1_000,
        memory_mb: int | None = 64,
        request_id: str | None = None,
        trigger: str = "direct",
        by: Resource | None = None,
        calls: Iterable[tuple[Resource, str | None]] = (),
    ) -> Invocation:
        """One invocation `at` ms after NOON, in the trace `number` or one of its own, with calls of 10 ms each:
        what they reach, and the error that they end with."""
        number = next(self._numbers) if number is None else number
        made = [
            Call(
                (NOON + at) * MS + 1_000 * index,
                next(self._numbers) << 20,
                trace(number),
                function.id,
                resource.id,
                "Get",
                10 * MS,
                True,
                error,
            )
            for index, (resource, error) in enumerate(calls, 1)
        ]
        services: dict[str, int] = {}
        for resource, _ in calls:
            services[resource.service] = services.get(resource.service, 0) + 1
        ended = result if result is not None else Result.ERROR if issue else Result.OK
        row = Invocation(
            started_ns=(NOON + at) * MS,
            span_id=next(self._numbers) << 20 if span is None else span,
            trace_id=trace(number),
            function_id=function.id,
            request_id=request_id,
            duration_ns=int(duration_ms * MS),
            finished=True,
            result=ended,
            span_result=ended,
            cold_start=cold,
            init_ns=200 * MS if cold else None,
            memory_mb=512,
            max_memory_mb=memory_mb,
            billed_ms=100,
            cost_pd=cost_pd,
            trigger=trigger,
            trigger_resource_id=by.id if by else None,
            services=",".join(f"{name} {times}" for name, times in services.items()),
            calls=len(made),
            call_errors=sum(call.error_type is not None for call in made),
        )
        self._facts.traces.add(row.trace_id)
        self._facts.invocations.append(row)
        self._facts.calls.extend(made)
        if issue:
            self._facts.issues.append(issue._replace(seen_ms=NOON + at))
            self._facts.occurrences.append(Occurrence(issue.id, row.started_ns, row.span_id, row.trace_id))
        return row

    def link(self, consumer: Invocation, producer: Invocation) -> None:
        """`consumer` was set off by something in `producer`."""
        self._facts.links.append(
            Link(consumer.trace_id, 0, producer.trace_id, consumer.span_id, producer.span_id, consumer.started_ns, 0)
        )

    def store(self) -> None:
        facts, self._facts = self._facts, self._new()
        body = repr(facts).encode()
        first = min((row.started_ns for row in facts.invocations), default=NOON * MS)
        facts = replace(facts, export=Export(export_id(first, body), Signal.TRACES, 1, NOON, b""))
        with self.engine.begin() as connection:
            write_facts(connection, [facts], Seen())
        stitcher = Stitcher(self.engine)
        while stitcher.run_pass() is not None:
            pass

    def _new(self) -> Facts:
        return Facts(Export(b"", Signal.TRACES, 1, NOON, b""))
