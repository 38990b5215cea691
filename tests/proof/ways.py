"""One function on the local Lambda, alone and in each way that it can be traced.

The same files, at the same place, under the same name and with the same request ids, so that everything Lambda says of
one can be compared with what it says of another.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from collector.local_lambda import InvocationOutcome, LocalFunction, LocalLambda, Response
from tests.tracer.sink import Sink, attributes


class Way(StrEnum):
    PLAIN = "plain"
    DECORATED = "decorated"
    LAYER = "layer"
    BOTH = "layer and decorated"

    @property
    def decorated(self) -> bool:
        return self in {Way.DECORATED, Way.BOTH}

    @property
    def layered(self) -> bool:
        return self in {Way.LAYER, Way.BOTH}


TRACED = (Way.DECORATED, Way.LAYER, Way.BOTH)

# Put before a function's source, which decorates its handler by `@trace`: no line or name is another for it.
HEAD = """
import os
if os.environ["DECORATED"]:
    from clew import trace
else:
    def trace(handler):
        return handler
"""

_OUTPUT = """#!/bin/sh
# Python, with what it prints kept apart and byte for byte.
case "$1" in -Ic) ;; *) exec >>'{folder}/stdout' 2>>'{folder}/stderr' ;; esac
exec '{python}' "$@"
"""


@dataclass
class Deployed:
    """The function in one way, and what came of its invocations."""

    way: Way
    function: LocalFunction
    sink: Sink
    _lambda: LocalLambda
    folder: Path
    outcomes: list[InvocationOutcome] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def invoke(
        self, event: Any = None, on_response: Callable[[Response], None] | None = None, **more: Any
    ) -> InvocationOutcome:
        """Run an event and wait for its end; the outcome is kept."""
        number = next(self._numbers)
        outcome = self._lambda.invoke(
            self.function,
            {} if event is None else event,
            request_id=request_id(number),
            trace=f"Root=1-5759e988-{number:024x};Parent=53995c3f42cd8ad8;Sampled=0",
            on_response=on_response,
            **more,
        )
        self.outcomes.append(outcome)
        return outcome

    def output(self) -> tuple[bytes, bytes]:
        """What was printed to stdout and stderr so far, where it is kept apart."""
        texts = [self.folder / name for name in ("stdout", "stderr")]
        out, err = (path.read_bytes() if path.exists() else b"" for path in texts)
        return out, err

    def close(self) -> None:
        self._lambda.close()


def request_id(number: int) -> str:
    """Of the invocation of that number, from 1 on."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def deploy(
    folder: Path,
    way: Way,
    sink: Sink,
    layer: Path,
    *,
    environment: Mapping[str, str] | None = None,
    keep_output: bool = False,
    freeze: bool = True,
    **function: Any,
) -> Deployed:
    """The function whose files are in `folder / "code"`. With `keep_output` its output goes to files, not the log."""
    own = folder / way.name.lower()
    own.mkdir()
    variables = {
        "DECORATED": "1" if way.decorated else "",
        "PYTHONHASHSEED": "0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        # Machines that run tests pause for longer than a collector on loopback ever takes.
        "CLEW_EXPORT_TIMEOUT": "5000",
        **(environment or {}),
    }
    if way.layered:
        variables["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/clew-exec"
    if keep_output:
        python = own / "python"
        python.write_text(_OUTPUT.format(folder=own, python=sys.executable))
        python.chmod(0o755)
        function["python"] = python
    local = LocalFunction(
        **{
            "name": "orders",
            "handler": "app.handler",
            "code": folder / "code",
            "timeout": 20.0,
            "memory": 512,
            "layers": (layer,) if way.layered else (),
            **function,
        },
        environment=variables,
    )
    return Deployed(way, local, sink, LocalLambda(freeze=freeze), own)


def write(folder: Path, source: str, *, head: str = HEAD) -> None:
    """Make `source` the function's module `app`."""
    code = folder / "code"
    if code.exists():
        shutil.rmtree(code)
    code.mkdir()
    (code / "app.py").write_text(head + source)


def everywhere(
    folder: Path,
    layer: Path,
    drive: Callable[[Deployed], object],
    *,
    ways: tuple[Way, ...] = tuple(Way),
    parallel: int = 4,
    make_sink: Callable[[], Sink] = Sink,
    **options: Any,
) -> dict[Way, Deployed]:
    """Deploy the function in each of the ways, with a collector each, and drive each to its end, all at once."""
    sinks = {way: make_sink() for way in ways}
    runs = {way: deploy(folder, way, sinks[way], layer, **options) for way in ways}

    def run(deployed: Deployed) -> None:
        try:
            drive(deployed)
        finally:
            deployed.close()

    try:
        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(run, runs.values()))
    finally:
        for sink in sinks.values():
            sink.close()
    return runs


def told(outcome: InvocationOutcome) -> tuple[object, ...]:
    """What Lambda says of an invocation, to its caller and in the log, without times and figures of use."""
    return outcome.status, outcome.payload, outcome.error, outcome.platform, outcome.cold_start, log_of(outcome)


def log_of(outcome: InvocationOutcome) -> str:
    """The log without times, figures and what Lambda says of extensions and telemetry."""
    return steady(re.sub(r"^(EXTENSION|TELEMETRY)\t.*\n", "", outcome.log, flags=re.MULTILINE))


def steady(text: str) -> str:
    """Text without what differs in every run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
    text = re.sub(r"Duration: [\d.]+", "Duration: N", text)
    text = re.sub(r"\tMax Memory Used: \d+ MB", "", text)  # of a process that ends at once it may be unknown
    return re.sub(r"\b0x[0-9a-f]{6,}", "ADDRESS", text)


@dataclass
class Seen:
    """What the collector has of one run: the span as it came last, how often it came, and what belongs to it."""

    invocation: dict[str, Any]
    span: Any
    complete: int = 0  # how often it came as an invocation that ended
    unfinished: int = 0
    calls: list[Any] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def result(self) -> str | None:
        """Its error type, or None."""
        kind = self.invocation.get("error.type")
        assert (self.span.status.code == 2) is (kind is not None)
        return kind if kind is None else str(kind)


def seen(sink: Sink) -> dict[str, Seen]:
    """What the collector has, by request id; fails if two runs claim one id, or something belongs to none.

    A span that came unfinished, and again later, is replaced, as the collector replaces it. Initializations that
    failed are not among these.
    """
    latest: dict[tuple[bytes, bytes], Any] = {}
    ended: dict[bytes, int] = {}
    opened: dict[bytes, int] = {}
    for span in sink.spans():
        told_of = attributes(span)
        counts = opened if told_of.get("clew.unfinished") else ended
        counts[span.span_id] = counts.get(span.span_id, 0) + 1
        if counts is opened and span.span_id in ended:
            raise AssertionError(f"{span.name} came unfinished after its end")
        known = latest.get((span.trace_id, span.span_id))
        if counts is ended and counts[span.span_id] > 1:
            # What ended before a checkpoint comes with it, and with the invocation's end.
            assert span == known, f"{span.name} ended twice, and not the same way"
            assert "faas.invocation_id" not in told_of, "an invocation ended twice"
        latest[span.trace_id, span.span_id] = span
    found: dict[str, Seen] = {}
    traces: dict[bytes, Seen] = {}
    for span in latest.values():
        told_of = attributes(span)
        if "faas.invocation_id" in told_of:
            identifier = told_of["faas.invocation_id"]
            assert identifier not in found, f"two invocations of {identifier}"
            one = Seen(told_of, span, ended.get(span.span_id, 0), opened.get(span.span_id, 0))
            found[identifier] = traces[span.trace_id] = one
    for span in latest.values():
        if "faas.invocation_id" not in attributes(span) and "clew.lambda.phase" not in attributes(span):
            traces[span.trace_id].calls.append(span)
    for record in sink.records():
        if record.trace_id in traces and "faas.invocation_id" not in attributes(record):
            traces[record.trace_id].lines.append(record.body.string_value)
    return found


def reports(sink: Sink) -> list[str]:
    """Ids of the invocations whose platform.report was forwarded."""
    return [
        attributes(record)["faas.invocation_id"]
        for record in sink.records()
        if '"platform.report"' in record.body.string_value and "faas.invocation_id" in attributes(record)
    ]


def without_warnings(outcome: InvocationOutcome) -> InvocationOutcome:
    """The outcome without what the tracer itself says of its troubles, a line that starts with `clew:` each."""
    return dataclasses.replace(outcome, log=re.sub(r"^clew: .*\n", "", outcome.log, flags=re.MULTILINE))
